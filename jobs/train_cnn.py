"""`train-cnn`: a network learns from images and is evaluated on every other split."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from engine.cnn.presets import PRESETS
from engine.core.budget import parse_bytes
from engine.core.checkpoint import FolderCheckpoint
from engine.core.errors import InputError, unknown_name
from engine.core.location import Location
from engine.core.progress import SILENT, Progress
from engine.data.catalogue import companions_of, open_dataset
from engine.data.dataset import Dataset
from engine.data.source import Source
from engine.store.workspace import slug
from jobs.folder import CHECKPOINT, MODELS, PREDICTIONS, RunFolder, opened
from jobs.report import Report, Table
from schemas.embeddings import REJECTED_SCHEMA
from schemas.results import Result
from schemas.run import Input

if TYPE_CHECKING:
    import numpy as np
    import torch

    from engine.cnn.division import Division
    from engine.cnn.images import Images
    from engine.cnn.recipe import Recipe
    from engine.cnn.train import Fitted, Lesson
    from engine.networks.design import Design, State
    from engine.networks.frame import Frame
    from engine.networks.trained import Trained

JOB = "train-cnn"
HISTORY, REJECTED, FIGURES = "history.parquet", "rejected.parquet", "figures"
OWN_PRECISIONS = ("auto", "float32", "bfloat16")
# Beyond so many classes a picture of the confusion matrix shows nothing.
PICTURED = 60
SHOWN_PAIRS = 5


@dataclass(frozen=True, kw_only=True)
class TrainCnnConfig:
    """Train a network on images, from scratch or from pretrained weights, and evaluate it on every other split.

    Options that are not given come from the preset, if one is named, else from the values in brackets. Validation
    images are taken from the training split; nothing is chosen on test images. After every epoch all that was reached
    is kept: killed and called again, the same command continues. Predictions, results and figures go into the run
    folder, where `evaluate`, `compare` and `gap` read them.

        python cli.py train-cnn --dataset fashion-mnist --network simple-cnn --epochs 10
        python cli.py train-cnn --preset fashion-mnist-cnn --seeds 3
        python cli.py train-cnn --dataset PHOTOS --network resnet18 --pretrained --freeze-epochs 1 --body-lr 0.1

    Attributes
    ----------
    preset
        fashion-mnist-cnn, fashion-mnist-better, cifar10-small, cats-dogs-resnet18 or cats-dogs-mobilenetv2.
    dataset
        Name from `datasets`, or a path.
    split
        Split to learn from.
    network
        simple-cnn, resnet-small, a timm model, or torchvision:MODEL [simple-cnn].
    pretrained
        Begin with the weights that the network's library publishes.
    weights
        Begin with the weights in this .safetensors, .pth or .bin file; `random` for none, whatever a preset says.
    network_args
        name=value,name=value: arguments of the network, and mean, std of its input.
    image_size
        Height and width of the input in pixels; that of small images or of the network when not given.
    epochs
        Passes over the training images [10].
    batch_size
        Images per step [128].
    optimizer
        adam, adamw or sgd [adam].
    lr
        Largest learning rate [0.001].
    body_lr
        Share of it for all but the head [1].
    weight_decay
        Of weights; biases and norms have none [0].
    schedule
        constant, cosine or one-cycle [cosine].
    warmup
        Epochs of linear rise before it [0].
    label_smoothing
        Share of the label that is spread over all classes [0].
    class_weight
        none, or balanced: rare classes count as much as frequent ones [none].
    augment
        Any of flip, crop:4, cutout:8, randaugment:2,9, mixup:0.2, cutmix:1 [none].
    ema
        Decay per step of a moving average of the weights, which is then kept instead, such as 0.998 [0].
    freeze_epochs
        Epochs in which the head alone learns [0].
    freeze_norms
        Batch norms keep the statistics they came with.
    patience
        Stop after so many epochs without a smaller validation loss; 0 for never [0].
    keep
        best: the epoch with the smallest validation loss; last: the last one [best].
    validation
        Share of the training images to validate on [0.1].
    seeds
        Trainings that differ in the seed alone; results have their mean and its 95 % interval.
    seed
        The first seed.
    device
        auto, cpu, cuda, cuda:N or mps.
    precision
        auto, float32 or bfloat16; auto is bfloat16 on a CUDA device, else float32.
    memory
        Images of a split that need more than this are decoded anew for each epoch.
    classes
        Class list, one name per line in class order.
    labels
        CSV of labels for images that lie flat.
    workspace
        Where runs go: a folder or an address such as s3://bucket/name.
    data_root
        Folder in which datasets are looked for.
    name
        Name of the run; those of the dataset and network when not given.
    """

    preset: str = ""
    dataset: str | None = None
    split: str = "train"
    network: str | None = None
    pretrained: bool | None = None
    weights: str = ""
    network_args: tuple[str, ...] | None = None
    image_size: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    optimizer: str | None = None
    lr: float | None = None
    body_lr: float | None = None
    weight_decay: float | None = None
    schedule: str | None = None
    warmup: float | None = None
    label_smoothing: float | None = None
    class_weight: str | None = None
    augment: tuple[str, ...] | None = None
    ema: float | None = None
    freeze_epochs: int | None = None
    freeze_norms: bool | None = None
    patience: int | None = None
    keep: str | None = None
    validation: float | None = None
    seeds: int = 1
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    memory: str = "2GB"
    classes: Path | None = None
    labels: Path | None = None
    workspace: str = "workspace"
    data_root: Path = Path("data")
    name: str = ""


# Values of options that neither the command nor a preset gives; those of `Recipe` are its own.
USUAL = {"network": "simple-cnn", "pretrained": False, "network_args": (), "validation": 0.1}


def settled(config: TrainCnnConfig) -> TrainCnnConfig:
    """The configuration with every option filled in: as given, else by the preset, else as usual.

    Raises
    ------
    InputError
        There is no such preset, or nothing names a dataset.
    """
    from engine.cnn.recipe import Recipe

    if config.preset and config.preset not in PRESETS:
        raise unknown_name("preset", config.preset, PRESETS)
    options = dict(PRESETS[config.preset].options) if config.preset else {}
    usual = USUAL | {one.name: one.default for one in fields(Recipe) if one.name != "seed"} | options
    found = replace(config, **{name: value for name, value in usual.items() if getattr(config, name) is None})
    if found.dataset is None:
        raise InputError("nothing to learn from; name images with --dataset NAME or PATH, or a training with --preset")
    if found.seeds < 1:
        raise InputError(f"--seeds is {found.seeds}; give 1 or more")
    return found


def run(config: TrainCnnConfig, progress: Progress = SILENT) -> Report:
    """Train, predict, evaluate."""
    from engine.networks.design import Design

    config = settled(config)
    recipe = recipe_of(config)
    dataset = _open(config, config.dataset)
    source = dataset.source(config.split)
    frame, note = _frame(config, source)
    design = Design(config.network, frame, len(source.listing.class_names), _arguments(config)[0])
    design.check()
    state = _state(config, design)
    tests = list(_tests(config, dataset, source))
    record = Input(
        place=dataset.place, config_hash=source.listing.fingerprint().hash, rows=source.listing.fingerprint().count
    )
    name = slug(config.name or f"{dataset.name}-{config.preset or config.network}")
    with opened(Location.of(config.workspace).absolute(), JOB, name, config, [record]) as folder:
        work = _Work(config, design, recipe, state, folder, progress)
        with folder.timed("decode"):
            images = work.open(source, f"{dataset.name}/{config.split}")
        models = list(_trained(work, images))
        found = _Found([], [], [], [])
        found.rejected(images)
        for test in tests:
            with folder.timed(f"evaluate {test.name}"):
                _evaluated(work, models, test, found)
        results = [*found.results, *_means(models, found.results)]
        write_rejected(folder.place, found.ledger)
        notes = [note] * bool(note) + [_summary(one) for one in models] + found.notes
        return folder.finish(results, [*_tables(results), *found.tables], notes)


def recipe_of(config: TrainCnnConfig) -> "Recipe":
    """The part of a settled configuration that a training needs, checked.

    Raises
    ------
    InputError
        A value means nothing, or options contradict each other.
    """
    from engine.cnn.augment import parse_augmentation
    from engine.cnn.recipe import Recipe

    recipe = Recipe(**{one.name: getattr(config, one.name) for one in fields(Recipe)})
    recipe.check()
    parse_augmentation(recipe.augment, 2)
    if recipe.patience and not config.validation:
        raise InputError(f"--patience {recipe.patience} watches the validation loss; give --validation above 0 with it")
    return recipe


def _open(config: TrainCnnConfig, name: str) -> Dataset:
    return open_dataset(name, config.data_root, classes=config.classes, labels=config.labels, seed=config.seed)


def _arguments(config: TrainCnnConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of the network's constructor, and of its input."""
    from engine.backbones.arguments import parse_backbone_args, split_arguments

    return split_arguments(parse_backbone_args(config.network_args))


def _frame(config: TrainCnnConfig, source: Source) -> "tuple[Frame, str]":
    """What the network's input looks like, and a sentence where images are scaled to it."""
    from engine.networks import NETWORKS
    from engine.networks.design import library_size
    from engine.networks.frame import Frame, own_frame, peek

    if config.image_size is not None and config.image_size < 1:
        raise InputError(f"--image-size is {config.image_size}; give a number of pixels, such as 64")
    if not len(source.listing):
        raise InputError(f"{config.dataset}/{config.split} lists no image; nothing can be learnt")
    if config.network in NETWORKS:
        return own_frame(peek(source), config.image_size)
    size = config.image_size or library_size(config.network)
    return Frame(size, size, 3), ""


class _Test(NamedTuple):
    """A split to evaluate on, and the model's class index for each of its classes."""

    dataset: str
    split: str
    source: Source
    classes: "np.ndarray"
    note: str

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.split}"


def _tests(config: TrainCnnConfig, dataset: Dataset, source: Source) -> Iterator[_Test]:
    """The other splits, and those of companion datasets that are there.

    Raises
    ------
    InputError
        One has classes that are not learnt; this is found before the training begins.
    """
    from engine.evaluate import align_classes

    there = [(dataset, split) for split in dataset.splits if split != config.split]
    for name in companions_of(config.dataset):
        try:
            companion = _open(config, name)
        except InputError:
            continue  # it is not on this machine
        there += [(companion, split) for split in companion.splits]
    for one, split in there:
        other = one.source(split)
        classes, note = align_classes(source.listing.class_names, other.listing.class_names, f"{one.name}/{split}")
        yield _Test(one.name, split, other, classes, note)


@dataclass(frozen=True)
class _Work:
    """What all steps of a run need.

    Attributes
    ----------
    state
        The tensors to begin with, and where they are from; None for random ones.
    """

    config: TrainCnnConfig
    design: "Design"
    recipe: "Recipe"
    state: "tuple[State, str] | None"
    folder: RunFolder
    progress: Progress

    def open(self, source: Source, name: str) -> "Images":
        """The images of a split in the network's frame."""
        from engine.cnn.images import open_images

        return open_images(source, name, self.design.frame, parse_bytes(self.config.memory), progress=self.progress)

    def title(self, seed: int) -> str:
        """What results call the model of a seed."""
        return self.design.name if self.config.seeds == 1 else f"{self.design.name}, seed {seed}"

    def place(self, title: str) -> Location:
        """Where a model and its predictions go: the run folder itself for a single one."""
        return self.folder.place if self.config.seeds == 1 else self.folder.place / MODELS / slug(title)

    def figure(self, title: str, name: str) -> Location:
        """Where a figure of a model goes."""
        stem = name if self.config.seeds == 1 else f"{slug(title)}-{name}"
        return self.folder.place / FIGURES / f"{stem}.png"


def _trained(work: _Work, images: "Images") -> "Iterator[Trained]":
    """The model of each seed: the one that an interrupted run has left finished, else trained and saved."""
    from engine.backbones.backbone import choose_device
    from engine.networks.trained import DESCRIPTION, load_trained

    device = choose_device(work.config.device)
    lesson = _lesson(work, images, device)
    for seed in range(work.config.seed, work.config.seed + work.config.seeds):
        title = work.title(seed)
        place = work.place(title)
        if (place / DESCRIPTION).exists():
            (place / CHECKPOINT).delete_folder()  # of a run that was killed between writing the model and this
            work.progress.say(f"{title} is trained already; continuing with its predictions")
            yield load_trained(place, device)
            continue
        with work.folder.timed(f"fit {title}"):
            yield _fit(work, lesson, replace(work.recipe, seed=seed), title)


def _lesson(work: _Work, images: "Images", device: "torch.device") -> "Lesson":
    """The images divided into those to learn from and those to watch, and how their pixels become numbers."""
    import numpy as np

    from engine.cnn.division import divide
    from engine.cnn.statistics import pixel_statistics
    from engine.cnn.train import Lesson

    listing = images.source.listing
    usable = np.array([row for row in range(len(listing)) if row not in images.rejected], np.int64)
    rows: Division = divide(listing, usable, work.config.validation, work.config.seed, images.name)
    work.progress.say(f"learning from {len(rows.train):,} images of {images.name}, watching {len(rows.validation):,}")
    usual = work.design.normalisation() or pixel_statistics(images, rows.train)
    given = _arguments(work.config)[1]
    center, spread = given.get("mean", usual[0]), given.get("std", usual[1])
    precision = _precision(work.config.precision, device)
    return Lesson(images, rows.train, rows.validation, work.design.classes, center, spread, device, precision)


def _precision(name: str, device: "torch.device") -> str:
    if name not in OWN_PRECISIONS:
        raise InputError(f"no precision named {name!r} for training; choose {', '.join(OWN_PRECISIONS)}")
    if name == "bfloat16" and device.type != "cuda":
        raise InputError(f"precision {name} needs a CUDA device; on {device.type} use float32")
    return ("bfloat16" if device.type == "cuda" else "float32") if name == "auto" else name


def _state(config: TrainCnnConfig, design: "Design") -> "tuple[State, str] | None":
    """The tensors to begin with and where they are from; None for random ones."""
    from engine.backbones.request import RANDOM
    from engine.backbones.weights import read_weights

    if config.weights == RANDOM:
        return None
    if config.weights:
        return read_weights(config.weights), config.weights
    if not config.pretrained:
        return None
    if not design.library:
        raise InputError(f"nobody publishes weights of {design.name!r}; leave out --pretrained or give --weights")
    path = _published(design)
    return read_weights(path), path


def _published(design: "Design") -> str:
    """The file of the weights that a network's library publishes, from the cache or downloaded."""
    from timm.models import get_pretrained_cfg
    from torchvision.models import get_model_weights

    from engine.backbones.hub import hub_file, url_file

    if design.library == "torchvision":
        return url_file(design.name, get_model_weights(design.model).DEFAULT.url)
    found = get_pretrained_cfg(design.model)
    if found is None or not found.has_weights:
        raise InputError(f"timm publishes no weights of {design.name!r}; use --weights FILE or leave out --pretrained")
    if found.hf_hub_id:
        return hub_file(design.name, found.hf_hub_id, (found.hf_hub_filename or "model.safetensors",))
    return url_file(design.name, found.url)


def _fit(work: _Work, lesson: "Lesson", recipe: "Recipe", title: str) -> "Trained":
    """Train the network of a seed, write its history, picture and files."""
    from engine.cnn.train import fit
    from engine.networks.design import load_weights
    from engine.networks.trained import Trained

    place = work.place(title)
    checkpoint = FolderCheckpoint(place / CHECKPOINT)
    if checkpoint.folder.names():
        work.progress.say(f"continuing the training of {title} that was interrupted")
    model = work.design.build(recipe.seed)
    if work.state is not None:
        load_weights(model, *work.state)
    fitted = fit(model, lesson, recipe, checkpoint, work.progress)
    _write_history(work, place, title, fitted)
    about = {
        "recipe": asdict(recipe),
        "train_rows": len(lesson.train),
        "validation_rows": len(lesson.validation),
        "epochs": len(fitted.history),
        "kept_epoch": fitted.epoch,
        "stopped_early": fitted.stopped,
        "history": [row._asdict() for row in fitted.history],
        "weights": work.state[1] if work.state else f"random, seed {recipe.seed}",
        "precision": lesson.precision,
    }
    names = tuple(lesson.images.source.listing.class_names)
    made = Trained(title, work.design, tuple(lesson.mean), tuple(lesson.std), names, fitted.model, lesson.device, about)
    made.save(place)
    checkpoint.folder.delete_folder()
    return made


def _write_history(work: _Work, place: Location, title: str, fitted: "Fitted") -> None:
    from engine.cnn.train import history_columns
    from engine.draw import png
    from engine.draw.history import history

    columns = history_columns(fitted.history)
    table = pa.table(columns, HISTORY_SCHEMA)
    (place / HISTORY).write_atomically(lambda file: pq.write_table(table, file, compression="zstd"))
    for what, unit in (("loss", "loss, nats"), ("accuracy", "accuracy")):
        lines = {part: columns[f"{part}_{what}"] for part in ("train", "validation")}
        picture = history(lines, title=f"{title}: {what} by epoch", up=unit, chosen=fitted.epoch)
        _write_bytes(work.figure(title, f"history-{what}"), png(picture))


HISTORY_SCHEMA = pa.schema(
    [
        pa.field("epoch", pa.int32(), nullable=False),
        *(pa.field(f"train_{name}", pa.float64(), nullable=False) for name in ("loss", "accuracy")),
        *(pa.field(f"validation_{name}", pa.float64()) for name in ("loss", "accuracy")),
        *(pa.field(name, pa.float64(), nullable=False) for name in ("lr", "seconds", "images_per_second")),
    ]
)


def _write_bytes(place: Location, content: bytes) -> None:
    place.write_atomically(lambda file: file.write(content))


class _Found(NamedTuple):
    """What the evaluation of all models on all sets has brought, so far."""

    results: list[Result]
    tables: list[Table]
    notes: list[str]
    ledger: list[dict[str, Any]]

    def rejected(self, images: "Images") -> None:
        """Write down the images that could not be decoded, and say how many they are."""
        names, bad = images.source.listing.names, sorted(images.rejected.items())
        self.ledger.extend(
            {"split": images.name, "sample_id": row, "path": names[row], "reason": why} for row, why in bad
        )
        if bad:
            first, why = bad[0]
            self.notes.append(
                f"{images.name}: {len(bad)} of {len(names):,} files hold no usable image and were left out, such as "
                f"{names[first]} ({why}); all are in {REJECTED}"
            )


def _evaluated(work: _Work, models: "Sequence[Trained]", test: _Test, found: _Found) -> None:
    """Predictions of all models for a set, what they are worth, and a picture of what they confuse."""
    from engine.cnn.view import ImageView
    from engine.evaluate import measure, predict
    from engine.stream import connect

    images = work.open(test.source, test.name)
    if test.note:
        found.notes.append(test.note)
    for model in models:
        place = work.place(model.title) / PREDICTIONS / slug(f"{test.dataset}-{test.split}")
        with connect(threads=1) as workers:
            counts = predict(
                model,
                model.class_names,
                ImageView.of(images),
                test.classes,
                place,
                workers,
                progress=work.progress,
            )
        if counts.n:
            found.results.extend(measure(counts, test.dataset, test.split, model.title, model.class_names))
            _confusion(work, model, test, counts.confusion, found)
        else:
            found.notes.append(f"{test.name} has no labels; its {counts.rows:,} images were predicted and not measured")
    found.rejected(images)


def _confusion(work: _Work, model: "Trained", test: _Test, counts: "np.ndarray", found: _Found) -> None:
    from engine.data.label_order import check_label_order
    from engine.draw import png
    from engine.draw.matrix import confused_pairs, confusion

    names = model.class_names
    pairs = confused_pairs(names, counts, SHOWN_PAIRS)
    rows = [(one.true, one.given, one.count, f"{one.share:.1%}") for one in pairs]
    if rows:
        title = f"{model.title} on {test.name}: the most confused classes"
        found.tables.append(Table(title, ("class", "taken for", "images", "of the class"), rows))
    if len(names) <= PICTURED:
        picture = confusion(names, counts, title=f"{model.title} on {test.name}")
        _write_bytes(work.figure(model.title, f"confusion-{slug(f'{test.dataset}-{test.split}')}"), png(picture))
    order = check_label_order(counts)
    if order:
        found.notes.append(f"warning: {test.name}: {order.sentence}")


def _means(models: "Sequence[Trained]", results: Sequence[Result]) -> list[Result]:
    """The mean over seeds of each headline metric on each set, with the 95 % interval of Student's t; none for one."""
    if len(models) < 2:
        return []
    from scipy.stats import t

    factor = float(t.ppf(0.975, len(models) - 1)) / len(models) ** 0.5
    values: dict[tuple[str, str, str, int], list[float]] = {}
    for one in results:
        if one.class_name is None:
            values.setdefault((one.dataset, one.split, one.metric, one.n), []).append(one.value)
    title = f"{models[0].design.name}, mean of {len(models)} seeds"
    return [
        Result(
            **{"dataset": dataset, "split": split, "model": title, "metric": metric, "n": n},
            value=mean(found),
            low=mean(found) - factor * stdev(found),
            high=mean(found) + factor * stdev(found),
        )
        for (dataset, split, metric, n), found in values.items()
    ]


def _tables(results: Sequence[Result]) -> list[Table]:
    from jobs.evaluation import results_table

    return results_table("Accuracy of the trained network", results)


def write_rejected(place: Location, ledger: Sequence[Mapping[str, Any]]) -> None:
    """The ledger of files that hold no usable image, of all splits; written even when it is empty."""
    schema = REJECTED_SCHEMA.insert(0, pa.field("split", pa.string(), nullable=False))
    table = pa.Table.from_pylist(list(ledger), schema)
    (place / REJECTED).write_atomically(lambda file: pq.write_table(table, file, compression="zstd"))


def _summary(model: "Trained") -> str:
    """How a training went, for people."""
    about = model.details
    row = about["history"][about["kept_epoch"] - 1]
    watched = (
        f", validation loss {row['validation_loss']:.4f} and accuracy {row['validation_accuracy']:.2%}"
        if row["validation_loss"] is not None
        else ""
    )
    early = ", stopped early" if about["stopped_early"] else ""
    return (
        f"{model.title}: {about['epochs']} epochs{early}; kept epoch {about['kept_epoch']}, training accuracy "
        f"{row['train_accuracy']:.2%}{watched}"
    )

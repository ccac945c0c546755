"""`extract`: images through a backbone, pretrained or trained here, into the embedding store."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gapscope.backbones import TINY, BackboneChoice, load_default_backbone, parse_backbone_args
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.data.catalogue import find_datasets, open_dataset
from gapscope.data.dataset import Dataset
from gapscope.data.source import Source
from gapscope.extraction.extraction import Extraction, Outcome, extract
from gapscope.networks.runs import PREFIX, find_network
from gapscope.runs.result import RunResult, Table
from gapscope.schemas.results import Result
from gapscope.store.workspace import store_folder

if TYPE_CHECKING:
    from gapscope.backbones.backbone import Backbone

EMBEDDED = "digits"


@dataclass(frozen=True, kw_only=True)
class ExtractConfig:
    """Run a backbone over images, pretrained or trained here, and store their embeddings.

    Without options: every dataset found under the data root, or the embedded digits when there is none. A killed run
    continues where it stopped;
    images that cannot be decoded are listed in rejected.parquet beside the embeddings.

        python cli.py extract
        python cli.py extract --dataset imagenet --backbone resnet50
        python cli.py extract --dataset FOLDER --backbone mobilenetv2_100 --weights FILE --backbone-args pad_type=same
        python cli.py extract --dataset fashion-mnist --backbone run:train-cnn-fashion-mnist-simple-cnn

    Attributes
    ----------
    dataset
        Names from `datasets`, or paths; all that are found when none is given.
    split
        Names of splits; all when none is given.
    backbone
        A timm model, torchvision:MODEL, or tiny; run:NAME for the network that a run of train-cnn has trained,
        run:NAME/MODEL for one of several seeds, run:PATH for one elsewhere. A good small one when none is given.
    weights
        A .safetensors, .pth or .bin file, or `random`; the library's pretrained weights when not given.
    backbone_args
        name=value,name=value: arguments of the model (pad_type=same), and mean, std, crop_pct, crop_mode, interpolation
        of its input.
    image_size
        Height and width of the model's input in pixels; its own when not given.
    device
        auto, cpu, cuda, cuda:N or mps.
    precision
        auto, float32, float16 or bfloat16 for computing; auto is float16 on a CUDA device, else float32.
    batch_size
        Images per batch; what suits the device when not given.
    decode_workers
        Processes that decode images; one per processor when not given, 0 for a thread.
    dtype
        float16 or float32 for storing.
    part_rows
        Images per file, the unit that a killed run repeats.
    classes
        Class list, one name per line in class order.
    labels
        CSV of labels for images that lie flat.
    seed
        Decides the order of the rows, splits by rule, and random weights.
    scheduler
        Address of a Dask scheduler whose workers do the work.
    workspace
        Where the results go: a folder or an address such as s3://bucket/name.
    data_root
        Folder in which datasets are looked for.
    """

    dataset: tuple[str, ...] = ()
    split: tuple[str, ...] = ()
    backbone: str = ""
    weights: str = ""
    backbone_args: tuple[str, ...] = ()
    image_size: int | None = None
    device: str = "auto"
    precision: str = "auto"
    batch_size: int | None = None
    decode_workers: int | None = None
    dtype: str = "float16"
    part_rows: int = 8192
    classes: Path | None = None
    labels: Path | None = None
    seed: int = 0
    scheduler: str | None = None
    workspace: str = "workspace"
    data_root: Path = Path("data")


def run(config: ExtractConfig, progress: Progress = SILENT) -> RunResult:
    """Extract what the configuration asks for, one store after another."""
    begun = time.perf_counter()
    notes: list[str] = []
    results, rows = [], []
    for outcome in build(config, progress, notes):
        manifest = outcome.manifest
        made = manifest.provenance
        name = f"{made.dataset}/{made.split}"
        notes += [f"{name}: {note}" for note in outcome.notes]
        rows.append((name, made.backbone, manifest.rows, manifest.rejected, made.dim))
        results += [_count(made, metric, n) for metric, n in (("rows", manifest.rows), ("rejected", manifest.rejected))]
    place = str(Location.of(config.workspace) / "embeddings")
    table = Table(f"Embeddings in {place}", ("dataset", "backbone", "rows", "rejected", "numbers"), rows)
    return RunResult("extract", place, time.perf_counter() - begun, results, (table,), notes)


def build(config: ExtractConfig, progress: Progress = SILENT, notes: list[str] | None = None) -> Iterator[Outcome]:
    """Each store's outcome as it is finished; sentences for the user are appended to `notes`."""
    notes = [] if notes is None else notes
    config = _spelled_out(config)
    loaded: dict[str, Backbone] = {}
    for name, dataset in _datasets(config, notes):
        backbone = _backbone(config, dataset, loaded, progress)
        for split in config.split or dataset.splits:
            job = _extraction(config, name, dataset, split, backbone)
            yield extract(job, backbone, config.scheduler, progress)


def _spelled_out(config: ExtractConfig) -> ExtractConfig:
    """The configuration with the name and the file of the network that ``run:…`` stands for, if it names one.

    Raises
    ------
    InputError
        There is no such network, or options contradict it.
    """
    if not config.backbone.startswith(PREFIX):
        return config
    own = {"--weights": config.weights, "--backbone-args": config.backbone_args, "--image-size": config.image_size}
    given = [option for option, value in own.items() if value]
    if given:
        raise InputError(f"{config.backbone} has weights and an input of its own; leave out {', '.join(given)}")
    found = find_network(Location.of(config.workspace), config.backbone)
    return replace(config, backbone=found.name, weights=str(found.file))


def _datasets(config: ExtractConfig, notes: list[str]) -> list[tuple[str, Dataset]]:
    """What to open each dataset by, and the dataset."""
    names = list(config.dataset)
    if not names:
        names = [found.name for found in find_datasets(config.data_root)]
        what = (
            f"found under {config.data_root}: {', '.join(names)}" if names else f"none found under {config.data_root}"
        )
        notes.append(f"No dataset was named; {what}.")
    if not names:
        names = [EMBEDDED]
        notes.append(f"The embedded {EMBEDDED} are used; name images with --dataset PATH.")
    opened = [(name, _open(config, name)) for name in names]
    for name, dataset in opened:
        notes += [f"{name}: {note}" for note in dataset.notes]
        unknown = [split for split in config.split if split not in dataset.splits]
        if unknown:
            raise InputError(f"{name} has no split {unknown[0]!r}; it has {', '.join(dataset.splits)}")
    return opened


def _open(config: ExtractConfig, name: str) -> Dataset:
    options = {"classes": config.classes, "labels": config.labels, "seed": config.seed, "workspace": config.workspace}
    return open_dataset(name, config.data_root, **options)


def _backbone(config: ExtractConfig, dataset: Dataset, loaded: dict[str, "Backbone"], progress: Progress) -> "Backbone":
    """The backbone that was named, or the default one; tiny images get the tiny one. Loaded once."""
    name = config.backbone or (TINY if dataset.place == "embedded" else "")
    if not config.backbone and config.weights:
        raise InputError("--weights needs the name of the backbone that they are for; add --backbone NAME")
    if name not in loaded:
        choice = _choice(config, name)
        loaded[name] = choice.load() if name else _default(choice, progress)
    return loaded[name]


def _default(choice: BackboneChoice, progress: Progress) -> "Backbone":
    settings = {"image_size": choice.image_size, "arguments": dict(choice.arguments)}
    return load_default_backbone(
        progress, **settings, device=choice.device, precision=choice.precision, seed=choice.seed
    )


def _choice(config: ExtractConfig, name: str) -> BackboneChoice:
    arguments = tuple(parse_backbone_args(config.backbone_args).items())
    return BackboneChoice(
        name, config.weights, config.image_size, arguments, config.device, config.precision, config.seed
    )


def _extraction(config: ExtractConfig, name: str, dataset: Dataset, split: str, backbone: "Backbone") -> Extraction:
    return Extraction(
        dataset=dataset.name,
        split=split,
        folder=store_folder(Location.of(config.workspace), backbone.name, dataset.name, split),
        open_source=partial(_source, replace(config, dataset=(name,)), split),
        backbone=_choice(config, backbone.name),
        place=dataset.place,
        companion_of=dataset.companion_of,
        dtype=config.dtype,
        part_rows=config.part_rows,
        seed=config.seed,
        batch_size=config.batch_size,
        decode_workers=config.decode_workers,
    )


def _source(config: ExtractConfig, split: str) -> Source:
    return _open(config, config.dataset[0]).source(split)


def _count(made, metric: str, n: int) -> Result:
    return Result(dataset=made.dataset, split=made.split, model=made.backbone, metric=metric, value=n, n=n)

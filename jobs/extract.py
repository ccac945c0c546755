"""`extract`: images through a backbone, pretrained or trained here, into the embedding store."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any

from gapscope.core.errors import ConfigMismatchError, GapscopeError, InputError, nearest
from gapscope.core.program import called, typed
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs import options
from gapscope.jobs.options import COMPUTE, DATA, configuration, option

if TYPE_CHECKING:
    from gapscope.backbones import BackboneChoice
    from gapscope.backbones.backbone import Backbone
    from gapscope.data.dataset import Dataset
    from gapscope.data.source import Source
    from gapscope.extraction.extraction import Outcome
    from gapscope.extraction.job import Extraction
    from gapscope.runs.result import RunResult
    from gapscope.schemas.embeddings import StoreManifest
    from gapscope.schemas.results import Result
    from gapscope.store import EmbeddingStore

EMBEDDED = "digits"
DecodeWorkers = Annotated[
    int | None, option("Processes that decode images; one per processor when not given, 0 for a thread.", COMPUTE)
]
Attributes = Annotated[
    bool,
    option(
        "Measure attributes of the images, such as light, sharpness and noise, for `shift`, `gap` and `explore`.",
        DATA,
        negative="--no-attributes",
    ),
]


@configuration
class ExtractConfig(options.ImageListing, options.Made):
    """Run a backbone over images, pretrained or trained here, and store their embeddings.

    Without options: every dataset found under the data root, or the embedded digits when there is none. A killed run
    continues where it stopped, and images that were replaced since are made again; images that cannot be decoded are
    listed in rejected.parquet beside the embeddings.

        python cli.py extract
        python cli.py extract imagenet --backbone resnet50
        python cli.py extract FOLDER --backbone mobilenetv2_100 --weights FILE --backbone-args pad_type=same
        python cli.py extract fashion-mnist --backbone run:train-cnn-fashion-mnist-simple-cnn
        python cli.py extract "shards/train-{0000..0012}.tar" --label-column class
        python cli.py extract s3://bucket/photos
        python cli.py extract photos.csv --path-column file --label-column species
        python cli.py extract hf://datasets/uoft-cs/cifar10
        python cli.py extract torchvision:CIFAR100 --data-root /data
        python cli.py extract FOLDER --backbone vit_small_patch14_dinov2 --pool token avg token+avg
    """

    dataset: options.DatasetNames = field(default=(), kw_only=False)
    split: options.Splits = ()
    backbone: options.Backbone = ""
    weights: options.Weights = ""
    backbone_args: options.BackboneArgs = ()
    pool: options.Pools = ()
    layer: options.Layers = ()
    image_size: options.ImageSize = None
    device: options.Device = "auto"
    precision: options.Precision = "auto"
    batch_size: options.BatchSize = None
    decode_workers: DecodeWorkers = None
    attributes: Attributes = True
    dtype: options.DType = "float16"
    part_rows: options.PartRows = 8192
    download: options.Download = False
    scheduler: options.Scheduler = None
    verify: options.VerifyBytes = False


def run(config: ExtractConfig, progress: Progress = SILENT) -> "RunResult":
    """Extract what the configuration asks for, one store after another."""
    from gapscope.blocks import Sentence, Table
    from gapscope.core.location import Location
    from gapscope.runs.result import RunResult

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
    columns = {"set": "text", "backbone": "text", "rows": "count", "rejected": "count", "dimensions": "count"}
    table = Table(f"Embeddings in {place}", columns, rows, headline=True, whole=True)
    blocks = [table, *(Sentence(note, headline=True) for note in notes)]
    return RunResult("extract", place, time.perf_counter() - begun, results, blocks=blocks)


def build(config: ExtractConfig, progress: Progress = SILENT, notes: list[str] | None = None) -> "Iterator[Outcome]":
    """Each store's outcome as it is finished; sentences for the user are appended to `notes`."""
    from gapscope.backbones import DEFAULT
    from gapscope.backbones.tensor import names_of
    from gapscope.extraction.extraction import extract_together

    notes = [] if notes is None else notes
    config = _spelled_out(config)
    networks = _Networks(config, progress, notes)
    for name, dataset in _datasets(config, notes):
        decoded: dict[str, StoreManifest] = {}
        for split in dict.fromkeys(map(dataset.called, config.split)) or dataset.splits:
            names = names_of(_name(config, dataset) or DEFAULT, config.layer, config.pool)
            outcomes = {one: _unchanged(config, name, dataset, split, one) for one in names}
            missing = [one for one, outcome in outcomes.items() if outcome is None]
            if missing:
                backbone = networks.of(dataset, missing)
                parts = backbone.parts or (backbone,)
                jobs = [_extraction(config, name, dataset, split, part.name) for part in parts]
                try:
                    made = extract_together(jobs, backbone, config.scheduler, progress, verify=config.verify)
                except (ConfigMismatchError, InputError) as error:
                    raise _with_command(error, config, name, dataset) from error
                outcomes |= dict(zip(missing, made, strict=True))
            decoded[split] = next(iter(outcomes.values())).manifest
            yield from outcomes.values()
        notes += [*_account(config, name, dataset, decoded), *_untrained(config, name, dataset, decoded.get("train"))]


def _account(config: ExtractConfig, name: str, dataset: "Dataset", decoded: Mapping[str, "StoreManifest"]) -> list[str]:
    """What became of every file of a dataset, of which these stores were made."""
    from gapscope.data.catalogue import accounting_of

    account = accounting_of(dataset)
    if account is None:
        return []
    rejected: dict[str, list[tuple[str, str]]] = {split: [] for split in decoded}
    for split, made in decoded.items():
        if made.rejected:
            rejected[split] = [(row["path"], row["reason"]) for row in _stored(config, dataset, split, made).rejected()]
    drawn = {split: made.rows for split, made in decoded.items() if dataset.undivided and split in dataset.splits}
    return [f"{name}: {replace(account.after(rejected), drawn=drawn).sentence}"]


def _stored(config: ExtractConfig, dataset: "Dataset", split: str, made: "StoreManifest") -> "EmbeddingStore":
    from gapscope.core.location import Location
    from gapscope.store import open_store
    from gapscope.store.workspace import store_folder

    return open_store(store_folder(Location.of(config.workspace), made.provenance.backbone, dataset.name, split))


def _untrained(config: ExtractConfig, name: str, dataset: "Dataset", made: "StoreManifest | None") -> list[str]:
    """Which classes the training split has no image of: nothing that is trained on it predicts them."""
    from gapscope.blocks.formats import listed

    if made is None or not made.rows:
        return []
    store = _stored(config, dataset, "train", made)
    there = {store.class_names[label] for label in set(store.labels().tolist()) if label >= 0}
    missing = [one for one in store.class_names if one not in there] if there else []
    some = listed([*missing[:5], *([f"{len(missing) - 5:,} more classes"] if len(missing) > 5 else [])])
    return [f"{name}/train has no image of {some}; nothing that is trained on it predicts them"] if missing else []


def _unchanged(config: ExtractConfig, name: str, dataset: "Dataset", split: str, backbone: str) -> "Outcome | None":
    from gapscope.extraction.extraction import unchanged

    return None if config.verify else unchanged(_extraction(config, name, dataset, split, backbone))


def _with_command(error: GapscopeError, config: ExtractConfig, name: str, dataset: "Dataset") -> GapscopeError:
    """The error, with the command that stores other images under a name of their own, where that is the way out."""
    from gapscope.core.location import Location
    from gapscope.store.workspace import free_name

    if not str(error).endswith("--name"):
        return error
    free = free_name(Location.of(config.workspace), dataset.name)
    again = typed([name], config, "dataset", "name")
    return type(error)(f"{error}: `{called()} extract {again} --name {free}`")


def _spelled_out(config: ExtractConfig) -> ExtractConfig:
    """The configuration with the name and the file of the network that ``run:…`` stands for, if it names one.

    Raises
    ------
    InputError
        There is no such network, or options contradict it.
    """
    from gapscope.core.location import Location
    from gapscope.networks.runs import PREFIX, find_network

    if not config.backbone.startswith(PREFIX):
        return config
    own = {"--weights": config.weights, "--backbone-args": config.backbone_args, "--image-size": config.image_size}
    given = [option for option, value in own.items() if value]
    if given:
        raise InputError(f"{config.backbone} has weights and an input of its own; leave out {', '.join(given)}")
    result = find_network(Location.of(config.workspace), config.backbone)
    return replace(config, backbone=result.name, weights=str(result.file))


def _datasets(config: ExtractConfig, notes: list[str]) -> "list[tuple[str, Dataset]]":
    """What to open each dataset by, and the dataset."""
    from gapscope.data.catalogue import find_datasets, opened_by

    names = list(config.dataset)
    if not names:
        names = [result.name for result in find_datasets(config.data_root)]
        what = (
            f"found under {config.data_root}: {', '.join(names)}" if names else f"none found under {config.data_root}"
        )
        notes.append(f"No dataset was named; {what}.")
    if not names:
        names = [EMBEDDED]
        notes.append(f"The embedded {EMBEDDED} are used; name images with --dataset PATH.")
    if config.name and len(names) > 1:
        raise InputError(f"--name {config.name} is for one dataset, and {len(names)} were named; extract one at a time")
    opened = [(name, opened_by(config, name)) for name in names]
    if config.name:
        opened = [(name, replace(dataset, name=config.name)) for name, dataset in opened]
    _told_apart(dataset for _, dataset in opened)
    for name, dataset in opened:
        words = typed([name], config, "dataset", "split")
        notes += [f"{name}: {note}" for note in dataset.sentences(config.split, words)]
        unknown = [split for split in config.split if dataset.called(split) not in dataset.choices]
        if unknown:
            there, near = ", ".join(dataset.choices), nearest(unknown[0], dataset.choices)[0]
            raise InputError(
                f"{name} has no split {unknown[0]!r}; it has {there}: `{called()} extract {words} --split {near}`"
            )
    return opened


def _told_apart(datasets: "Iterable[Dataset]") -> None:
    """Refuse two places of one name before any work."""
    places: dict[str, str] = {}
    for dataset in datasets:
        other = places.setdefault(dataset.name, dataset.place)
        if other != dataset.place:
            raise InputError(
                f"{other} and {dataset.place} are both called {dataset.name}; extract them one at a time, and give one "
                "a name of its own with --name"
            )


@dataclass(frozen=True)
class _Networks:
    """The networks of a run, each loaded once; what has to be said of one is appended to `notes`."""

    config: ExtractConfig
    progress: Progress
    notes: list[str]
    loaded: dict[object, "Backbone"] = field(default_factory=dict)

    def of(self, dataset: "Dataset", names: list[str]) -> "Backbone":
        """The backbone that was named, with all tensors of `names`, or the default; tiny images get the tiny one."""
        from gapscope.blocks.formats import upper
        from gapscope.extraction.job import together

        config, key = self.config, (_name(self.config, dataset), *names)
        if not config.backbone and config.weights:
            raise InputError("--weights needs the name of the backbone that they are for; add --backbone NAME")
        if key not in self.loaded:
            choice = together([_choice(config, one) for one in names])
            self.loaded[key] = choice.load() if key[0] else _default(choice, self.progress)
            self.notes.extend(f"{upper(note)}." for note in self.loaded[key].notes)
        return self.loaded[key]


def _name(config: ExtractConfig, dataset: "Dataset") -> str:
    from gapscope.backbones import TINY

    if not config.backbone and (config.pool or config.layer):
        raise InputError("--pool and --layer need the name of the backbone that they are of; add --backbone NAME")
    return config.backbone or (TINY if dataset.place == "embedded" else "")


def _default(choice: "BackboneChoice", progress: Progress) -> "Backbone":
    from gapscope.backbones import load_default_backbone

    settings = {"image_size": choice.image_size, "arguments": dict(choice.arguments)}
    return load_default_backbone(
        progress, **settings, device=choice.device, precision=choice.precision, seed=choice.seed
    )


def _choice(config: ExtractConfig, name: str) -> "BackboneChoice":
    from gapscope.backbones import BackboneChoice, parse_backbone_args

    arguments = tuple(parse_backbone_args(config.backbone_args).items())
    return BackboneChoice(
        name, config.weights, config.image_size, arguments, config.device, config.precision, config.seed
    )


def _extraction(config: ExtractConfig, name: str, dataset: "Dataset", split: str, backbone: str) -> "Extraction":
    from gapscope.core.location import Location
    from gapscope.data.catalogue import accounting_of
    from gapscope.data.hub import pinned_name
    from gapscope.extraction.job import Extraction
    from gapscope.store.workspace import store_folder

    choice = _choice(config, backbone)
    return Extraction(
        dataset=dataset.name,
        split=split,
        folder=store_folder(Location.of(config.workspace), backbone, dataset.name, split),
        open_source=_Images(replace(config, dataset=(name,)), split, dataset),
        backbone=choice,
        place=dataset.place,
        companion_of=dataset.companion_of,
        dtype=config.dtype,
        part_rows=config.part_rows,
        seed=config.seed,
        batch_size=config.batch_size,
        decode_workers=config.decode_workers,
        attributes=config.attributes,
        command=_command(config, pinned_name(name, dataset.place), split) | {"network": choice.mark()},
        files=account.as_dict() if (account := accounting_of(dataset)) else None,
    )


def _command(config: ExtractConfig, name: str, split: str) -> dict[str, Any]:
    """What makes one store again from any folder."""
    from gapscope.core.location import full_path
    from gapscope.data.patterns import has_pattern, place_of

    own = {
        "dataset": [place_of(name) if has_pattern(name) else full_path(name)],
        "split": [split],
        "verify": False,
        "data_root": full_path(str(config.data_root)),
    }
    files = {"classes": config.classes, "labels": config.labels, "weights": config.weights}
    own |= {option: full_path(str(file)) for option, file in files.items() if file}
    return {"job": "extract", "options": json.loads(json.dumps(asdict(config) | own, default=str))}


@dataclass(frozen=True)
class _Images:
    """Opens the images of a split: from the dataset as it was opened here, and anew in a process to which this is sent.

    All splits of a dataset come from one listing, so files that change meanwhile are in one split or another, not in
    both; and what looks alike is searched once.
    """

    config: ExtractConfig
    split: str
    dataset: "Dataset | None"

    def __call__(self) -> "Source":
        from gapscope.data.catalogue import opened_by

        return (self.dataset or opened_by(self.config, self.config.dataset[0])).source(self.split)

    def __reduce__(self) -> tuple:
        return _Images, (self.config, self.split, None)


def _count(made, metric: str, n: int) -> "Result":
    from gapscope.schemas.results import Result

    return Result(dataset=made.dataset, split=made.split, model=made.backbone, metric=metric, value=n, n=n)

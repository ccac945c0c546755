"""`import-features`: features from files of any size into the embedding store, shuffled, in bounded memory."""

import json
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated, Any, Literal

from gapscope.blocks import Sentence
from gapscope.core.errors import InputError
from gapscope.core.location import Location, full_path
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.options import (
    DATA,
    Backbone,
    ClassList,
    DatasetName,
    DType,
    LabelColumn,
    PartRows,
    PathColumn,
    Seed,
    Split,
    Workspace,
    option,
)
from gapscope.runs.result import RunResult
from gapscope.schemas.embeddings import StoreManifest

if TYPE_CHECKING:
    from gapscope.store.imports import Import
    from gapscope.store.imports.source import Source


@dataclass(frozen=True, kw_only=True)
class ImportFeaturesConfig:
    """Bring features from CSV files of any size into the embedding store, shuffled, in bounded memory.

    Files may be plain, `.gz` or `.zst`; several files, or a pattern in quotes, make one split. Feature, label and
    path columns are found by themselves. A killed import continues where it stopped.

        python cli.py import-features train.csv --dataset imagenet --split train
        python cli.py import-features "part-*.csv.gz" --dataset imagenet --split train --on-bad-row reject
    """

    files: Annotated[
        tuple[str, ...], option("CSV files, addresses (s3://…) or patterns, in the order of their rows.", DATA)
    ] = field(default=(), kw_only=False)
    dataset: DatasetName = ""
    split: Split = "train"
    backbone: Backbone = "csv"
    companion_of: Annotated[
        str, option("Dataset whose classes these rows share and whose classifiers are evaluated on them.", DATA)
    ] = ""
    dtype: DType = "float16"
    delimiter: Annotated[
        str | None, option("Character between fields; found among comma, semicolon and tab when not given.", DATA)
    ] = None
    no_header: Annotated[bool, option("The first line is data; columns are called 0, 1, 2, ….", DATA)] = False
    label_column: LabelColumn = ""
    path_column: PathColumn = ""
    feature_prefix: Annotated[str | None, option("What feature columns are called before their number.", DATA)] = None
    feature_columns: Annotated[tuple[str, ...], option("Names of the feature columns, in order.", DATA)] = ()
    classes: ClassList = None
    on_bad_row: Annotated[
        Literal["stop", "reject"],
        option("What a row that cannot be used does: stop the import, or go to rejected.parquet.", DATA),
    ] = "stop"
    part_rows: PartRows = 16_384
    seed: Seed = 0
    workspace: Workspace = "workspace"


def run(config: ImportFeaturesConfig, progress: Progress = SILENT) -> RunResult:
    """Import the files and say what became of their rows."""
    manifest = build(config, progress)
    folder, seconds = _folder(config), manifest.seconds
    classes = len(manifest.provenance.class_names)
    spent = ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())
    sentences = (
        f"{manifest.rows:,} rows of {manifest.provenance.dim} {manifest.provenance.dtype} features, {classes} classes, "
        f"{manifest.rejected:,} rows rejected.",
        f"Seconds (parsing adds up over threads): {spent}.",
    )
    blocks = [Sentence(text, headline=True) for text in sentences]
    return RunResult("import-features", str(folder), seconds.get("total", 0.0), blocks=blocks)


def build(config: ImportFeaturesConfig, progress: Progress = SILENT) -> StoreManifest:
    """The manifest of the finished store."""
    from gapscope.store.imports import import_rows  # here, because loading the compiler takes longer than `--help` may

    job = plan(config)
    for note in job.source.notes:
        progress.say(note)
    if job.classes:
        progress.say(f"classes: the {len(job.classes.names)} of {job.classes.origin}")
    return import_rows(job, progress)


def plan(config: ImportFeaturesConfig) -> "Import":
    """What the configuration asks for, with files and columns found."""
    from gapscope.store.imports import Import

    _check(config)
    return Import(
        folder=_folder(config),
        source=_source(config),
        classes=_classes(config),
        on_bad_row=config.on_bad_row,
        backbone=config.backbone,
        dataset=config.dataset,
        split=config.split,
        companion_of=config.companion_of,
        dtype=config.dtype,
        seed=config.seed,
        part_rows=config.part_rows,
        code_version=_version(),
        command=_command(config),
    )


def _source(config: ImportFeaturesConfig) -> "Source":
    from gapscope.store.csv.source import open_csv
    from gapscope.store.imports.columns import Choice
    from gapscope.store.imports.files import expand

    choice = Choice(config.label_column, config.path_column, config.feature_prefix, tuple(config.feature_columns))
    return open_csv(expand(config.files), choice, config.delimiter, named=not config.no_header)


def _command(config: ImportFeaturesConfig) -> dict[str, Any]:
    """What makes the store again from any folder."""
    own = {"files": [full_path(file) for file in config.files]}
    own |= {"classes": full_path(str(config.classes))} if config.classes else {}
    return {"job": "import-features", "options": json.loads(json.dumps(asdict(config) | own, default=str))}


def _check(config: ImportFeaturesConfig) -> None:
    for name in ("dataset", "split", "backbone"):
        value = getattr(config, name)
        if not value or "/" in value or value.startswith("."):
            raise InputError(f"--{name} is {value!r}; give it a name without slashes, for example --{name} imagenet")
    if config.dtype not in ("float16", "float32"):
        raise InputError(f"--dtype is {config.dtype!r}; it must be float16 or float32")
    if config.on_bad_row not in ("stop", "reject"):
        raise InputError(f"--on-bad-row is {config.on_bad_row!r}; it must be stop or reject")
    if config.part_rows < 1:
        raise InputError(f"--part-rows is {config.part_rows}; it must be at least 1")
    if config.delimiter is not None and (len(config.delimiter) != 1 or not config.delimiter.isascii()):
        raise InputError(f"--delimiter is {config.delimiter!r}; it must be one character, such as ';'")


def _folder(config: ImportFeaturesConfig) -> Location:
    return _dataset_folder(config, config.dataset) / config.split


def _dataset_folder(config: ImportFeaturesConfig, dataset: str) -> Location:
    return Location.of(config.workspace) / "embeddings" / config.backbone / dataset


def _classes(config: ImportFeaturesConfig):
    """The class map that the user gave, or that of another split of the dataset or of the one it is a companion of."""
    from gapscope.store.imports.labels import read_class_map, sibling_class_map

    if config.classes:
        return read_class_map(Location.of(config.classes))
    names = filter(None, (config.dataset, config.companion_of))
    return sibling_class_map([_dataset_folder(config, name) for name in names], _folder(config))


def _version() -> str:
    try:
        return version("gapscope")
    except PackageNotFoundError:
        return "unknown"

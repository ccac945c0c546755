"""`import-csv`: features from CSV files of any size into the embedding store, shuffled, in bounded memory."""

from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Literal

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.runs.result import RunResult
from gapscope.schemas.embeddings import StoreManifest

if TYPE_CHECKING:
    from gapscope.store.csv import Import


@dataclass(frozen=True, kw_only=True)
class ImportCsvConfig:
    """Bring features from CSV files of any size into the embedding store, shuffled, in bounded memory.

    Files may be plain, `.gz` or `.zst`; several files, or a pattern in quotes, make one split. Feature, label and
    path columns are found by themselves. A killed import continues where it stopped.

        python cli.py import-csv train.csv --dataset imagenet --split train
        python cli.py import-csv "part-*.csv.gz" --dataset imagenet --split train --on-bad-row reject

    Attributes
    ----------
    files
        CSV files, addresses (s3://…) or patterns, in the order of their rows.
    dataset
        Name of the dataset.
    split
        Name of the split.
    backbone
        Name for what made the features; the store lies in embeddings/BACKBONE/DATASET/SPLIT.
    companion_of
        Dataset whose classes these rows share and whose classifiers are evaluated on them.
    dtype
        Type in which embeddings are stored: float16 (values up to 65504) or float32.
    delimiter
        Character between fields; found by itself among comma, semicolon and tab.
    no_header
        The first line is data; columns are called 0, 1, 2, ….
    label_column
        Name of the label column; found by itself when it is called label, class, target or y.
    path_column
        Name of the column with the image's path; found by itself when it is called path, image_path, filename or file.
    feature_prefix
        What the feature columns are called before their number.
    feature_columns
        Names of the feature columns, in order.
    classes
        A file with one class name per line; otherwise another split's classes are used, or the sorted names.
    on_bad_row
        What a row that cannot be used does: stop the import, or go to rejected.parquet.
    part_rows
        Rows in a part file, about.
    seed
        Decides the order of the rows.
    workspace
        Folder or address of all results.
    """

    files: tuple[str, ...] = field(default=(), kw_only=False)
    dataset: str = ""
    split: str = "train"
    backbone: str = "csv"
    companion_of: str = ""
    dtype: Literal["float16", "float32"] = "float16"
    delimiter: str | None = None
    no_header: bool = False
    label_column: str = ""
    path_column: str = ""
    feature_prefix: str | None = None
    feature_columns: tuple[str, ...] = ()
    classes: str = ""
    on_bad_row: Literal["stop", "reject"] = "stop"
    part_rows: int = 16_384
    seed: int = 0
    workspace: str = "workspace"


def run(config: ImportCsvConfig, progress: Progress = SILENT) -> RunResult:
    """Import the files and say what became of their rows."""
    manifest = build(config, progress)
    folder, seconds = _folder(config), manifest.seconds
    classes = len(manifest.provenance.class_names)
    spent = ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())
    notes = (
        f"{manifest.rows:,} rows of {manifest.provenance.dim} {manifest.provenance.dtype} numbers, {classes} classes, "
        f"{manifest.rejected:,} rows rejected",
        f"seconds (parsing adds up over threads): {spent}",
    )
    return RunResult("import-csv", str(folder), seconds.get("total", 0.0), notes=notes)


def build(config: ImportCsvConfig, progress: Progress = SILENT) -> StoreManifest:
    """The manifest of the finished store."""
    from gapscope.store.csv import import_csv  # here, because loading the compiler takes longer than `--help` may last

    job = plan(config)
    for note in job.columns.notes:
        progress.say(note)
    if job.classes:
        progress.say(f"classes: the {len(job.classes.names)} of {job.classes.origin}")
    return import_csv(job, progress)


def plan(config: ImportCsvConfig) -> "Import":
    """What the configuration asks for, with files and columns found."""
    from gapscope.store.csv.build import Import
    from gapscope.store.csv.columns import Choice, find_columns, refuse_other_columns
    from gapscope.store.csv.files import expand
    from gapscope.store.csv.header import read_header

    _check(config)
    places = tuple(expand(config.files))
    headers = tuple(read_header(place, config.delimiter, named=not config.no_header) for place in places)
    for place, header in zip(places, headers, strict=True):
        refuse_other_columns(headers[0].names, header.names, str(place), str(places[0]))
    choice = Choice(config.label_column, config.path_column, config.feature_prefix, tuple(config.feature_columns))
    return Import(
        folder=_folder(config),
        places=places,
        headers=headers,
        columns=find_columns(headers[0].names, choice, str(places[0])),
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
    )


def _check(config: ImportCsvConfig) -> None:
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


def _folder(config: ImportCsvConfig) -> Location:
    return _dataset_folder(config, config.dataset) / config.split


def _dataset_folder(config: ImportCsvConfig, dataset: str) -> Location:
    return Location.of(config.workspace) / "embeddings" / config.backbone / dataset


def _classes(config: ImportCsvConfig):
    """The class map that the user gave, or that of another split of the dataset or of the one it is a companion of."""
    from gapscope.store.csv.labels import read_class_map, sibling_class_map

    if config.classes:
        return read_class_map(Location(config.classes))
    names = filter(None, (config.dataset, config.companion_of))
    return sibling_class_map([_dataset_folder(config, name) for name in names], _folder(config))


def _version() -> str:
    try:
        return version("gapscope")
    except PackageNotFoundError:
        return "unknown"

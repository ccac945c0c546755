"""`import-features`: features from files of any size into the embedding store, shuffled, in bounded memory."""

import json
from dataclasses import field, fields, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from gapscope.core.errors import InputError
from gapscope.core.program import version_of
from gapscope.core.progress import SILENT, Progress
from gapscope.core.splits import split_and_rest
from gapscope.core.text import counted, spelt_alike
from gapscope.jobs import options
from gapscope.jobs.options import DATA, configuration, option

if TYPE_CHECKING:
    from gapscope.core.location import Location
    from gapscope.runs.result import RunResult
    from gapscope.schemas.embeddings import StoreManifest
    from gapscope.store.imports import Import
    from gapscope.store.imports.labels import ClassMap
    from gapscope.store.imports.source import Source

MEMORY = "memory"


@configuration
class ImportFeaturesConfig:
    """Bring features that you have into the embedding store, from files of any size, shuffled, in bounded memory.

    CSV (plain, `.gz` or `.zst`), `.npy`, `.npz`, HDF5, Zarr, Parquet, Feather, Arrow and JSON, folders of Hugging Face
    (save_to_disk) and of clip-retrieval, and hf:// addresses. Several files, or a pattern in quotes, make one split.
    Features, labels and names of rows are found by themselves, or stand in files beside. A killed import continues
    where it stopped.

        python cli.py import-features train.npy --labels labels.npy --dataset imagenet --split train
        python cli.py import-features "train-*.parquet" --dataset imagenet --split train --on-bad-row reject
        python cli.py import-features train.csv --dataset imagenet --split train
    """

    files: Annotated[
        tuple[str, ...],
        option("Files, folders, addresses (s3://…, hf://…) or patterns, in the order of their rows.", DATA),
    ] = field(default=(), kw_only=False)
    dataset: options.DatasetName = ""
    split: options.Split = "train"
    backbone: options.Backbone = ""
    companion_of: Annotated[
        str, option("Dataset whose classes these rows share and whose classifiers are evaluated on them.", DATA)
    ] = ""
    dtype: options.DType = "float16"
    delimiter: Annotated[
        str | None, option("Character between fields; found among comma, semicolon, tab and | when not given.", DATA)
    ] = None
    no_header: Annotated[bool, option("The first line is data; columns are called 0, 1, 2, ….", DATA)] = False
    labels: options.LabelFiles = ()
    names: options.NameFiles = ()
    label_column: options.LabelColumn = ""
    path_column: options.PathColumn = ""
    feature_prefix: Annotated[str | None, option("What feature columns are called before their number.", DATA)] = None
    feature_columns: Annotated[
        tuple[str, ...],
        option("Name of the column or array of vectors, or names of the feature columns, in order.", DATA),
    ] = ()
    keep: options.KeepColumns = ()
    classes: options.ClassList = None
    on_bad_row: Annotated[
        Literal["stop", "reject"],
        option("What a row that cannot be used does: stop the import, or go to rejected.parquet.", DATA),
    ] = "stop"
    part_rows: options.PartRows = 16_384
    seed: options.Seed = 0
    workspace: options.Workspace = "workspace"


def run(config: ImportFeaturesConfig, progress: Progress = SILENT) -> "RunResult":
    """Import the features and say what became of their rows."""
    from gapscope.blocks import Sentence, Warning
    from gapscope.runs.result import RunResult

    job = plan(config)
    manifest = _imported(job, config, progress)
    seconds, made = manifest.seconds, manifest.provenance
    spent = ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())
    sentences = (
        f"{counted(manifest.rows, 'row')} of {counted(made.dim, f'{made.dtype} feature')}, "
        f"{counted(len(made.class_names), 'class', 'classes')}, {counted(manifest.rejected, 'row')} rejected.",
        f"Seconds (parsing adds up over threads): {spent}.",
    )
    blocks = [Sentence(text, headline=True) for text in sentences]
    blocks += [Warning(f"{alike}.")] if (alike := spelt_alike(made.class_names)) else []
    blocks += [Warning(_constant(manifest))] if manifest.constant else []
    blocks += [Warning(_vanished(*manifest.vanished))] if manifest.vanished else []
    return RunResult("import-features", str(job.folder), seconds.get("total", 0.0), blocks=blocks)


def _constant(manifest: "StoreManifest") -> str:
    return (
        f"{manifest.constant:,} of the {manifest.rows:,} rows hold one number in all {manifest.provenance.dim} "
        "features, as rows do that were never written; every command takes them for images, so write them or leave "
        "them out of the files."
    )


def _vanished(numbers: int, features: int) -> str:
    return (
        f"{numbers:,} numbers of {counted(features, 'feature')} are smaller than any of float32 (1.4e-45) and became "
        "0, more than half of those that are not 0 there; multiply these features by a power of ten and import again."
    )


def build(config: ImportFeaturesConfig, progress: Progress = SILENT) -> "StoreManifest":
    """The manifest of the finished store."""
    return _imported(plan(config), config, progress)


def _imported(job: "Import", config: ImportFeaturesConfig, progress: Progress) -> "StoreManifest":
    from gapscope.store import open_store
    from gapscope.store.imports import import_rows
    from gapscope.store.imports.kept import ignored, keep_columns, names_to_keep

    kept = names_to_keep(config.keep, job.source)
    for note in filter(None, [*job.source.notes, ignored(kept, job.source), _other_split(config)]):
        progress.say(note)
    if job.classes:
        progress.say(f"classes: the {len(job.classes.names)} of {job.classes.origin}")
    manifest = import_rows(job, progress)
    keep_columns(open_store(job.folder), job.source, kept)
    return manifest


def _other_split(config: ImportFeaturesConfig) -> str:
    """A sentence where the only file is called like another split than the one that it is stored as."""
    files = _several(config.files)
    if not isinstance(files, tuple | list) or len(files) != 1 or not isinstance(files[0], str | Path):
        return ""
    split, _ = split_and_rest(PurePosixPath(files[0]).stem)
    return f"{files[0]} is stored as the split {config.split}" if split not in (None, config.split) else ""


def plan(config: ImportFeaturesConfig) -> "Import":
    """What the configuration asks for, with files and columns found."""
    from gapscope.store.imports import Import
    from gapscope.store.workspace import IMPORTED, TEXT

    _check(config)
    source = _source(config)
    config = replace(config, backbone=config.backbone or (TEXT if source.decoder == TEXT else IMPORTED))
    return Import(
        folder=_folder(config),
        source=source,
        classes=_classes(config, source),
        on_bad_row=config.on_bad_row,
        backbone=config.backbone,
        dataset=config.dataset,
        split=config.split,
        companion_of=config.companion_of,
        dtype=config.dtype,
        seed=config.seed,
        part_rows=config.part_rows,
        code_version=version_of(),
        command=_command(config),
    )


def _source(config: ImportFeaturesConfig) -> "Source":
    from gapscope.formats.open import open_beside, open_tables
    from gapscope.formats.source import table_source
    from gapscope.store.csv.source import open_csv
    from gapscope.store.imports.columns import Choice
    from gapscope.store.imports.files import expand
    from gapscope.store.workspace import TEXT

    choice = Choice(config.label_column, config.path_column, config.feature_prefix, tuple(config.feature_columns))
    kind, tables = open_tables(_several(config.files), config.split, config.feature_columns)
    beside = {"labels": config.labels, "names": config.names}
    if kind == TEXT:
        for name, files in beside.items():
            if _is_given(files):
                raise InputError(f"--{name} is for features without a table; of CSV it is a column of the file itself")
        return open_csv(expand(_several(config.files)), choice, config.delimiter, named=not config.no_header)
    if config.no_header or config.delimiter is not None:
        raise InputError("--no-header and --delimiter are for CSV files, and these are none; leave them away")
    rows = config.files if kind == MEMORY else None
    opened = {name: open_beside(files, name, config.split, rows) for name, files in beside.items()}
    return table_source(kind, tables, choice, **opened)


def _several(files: Any) -> Any:
    """One name as several; rows in memory, and names in Python, as they are."""
    return (str(files),) if isinstance(files, str | Path) else files


def _is_given(files: Any) -> bool:
    return files is not None and len(files) > 0


def _command(config: ImportFeaturesConfig) -> dict[str, Any]:
    """What makes the store again from any folder; nothing where rows were handed over in memory."""
    from gapscope.core.location import full_path

    places = {name: _several(getattr(config, name)) for name in ("files", "labels", "names")}
    if not all(
        isinstance(value, list | tuple) and all(isinstance(one, str | Path) for one in value)
        for value in places.values()
    ):
        return {}
    own: dict[str, Any] = {name: [full_path(str(file)) for file in value] for name, value in places.items()}
    own |= {"classes": full_path(str(config.classes))} if config.classes else {}
    options = {field.name: getattr(config, field.name) for field in fields(config)}
    return {"job": "import-features", "options": json.loads(json.dumps(options | own, default=str))}


def _check(config: ImportFeaturesConfig) -> None:
    from gapscope.store.imports.files import refuse_words

    refuse_words(_several(config.files))
    for name in ("dataset", "split", *(["backbone"] if config.backbone else [])):
        value = getattr(config, name)
        if not value or "/" in value or value.startswith("."):
            raise InputError(f"--{name} is {value or 'missing'}; give it a name without slashes, such as imagenet")
    if config.dtype not in ("float16", "float32"):
        raise InputError(f"--dtype is {config.dtype!r}; it must be float16 or float32")
    if config.on_bad_row not in ("stop", "reject"):
        raise InputError(f"--on-bad-row is {config.on_bad_row!r}; it must be stop or reject")
    if config.part_rows < 1:
        raise InputError(f"--part-rows is {config.part_rows}; it must be at least 1")
    if config.delimiter is not None and (len(config.delimiter) != 1 or not config.delimiter.isascii()):
        raise InputError(f"--delimiter is {config.delimiter!r}; it must be one character, such as ';'")


def _folder(config: ImportFeaturesConfig) -> "Location":
    return _dataset_folder(config, config.dataset) / config.split


def _dataset_folder(config: ImportFeaturesConfig, dataset: str) -> "Location":
    from gapscope.core.location import Location

    return Location.of(config.workspace) / "embeddings" / config.backbone / dataset


def _classes(config: ImportFeaturesConfig, source: "Source") -> "ClassMap | None":
    """The class map that the user gave, that of another split of the dataset or of the one it is a companion of, or
    that of the files.
    """
    from gapscope.core.location import Location
    from gapscope.store.imports.labels import ClassMap, read_class_map, sibling_class_map

    own = ClassMap(source.class_names, source.origin) if source.class_names else None
    if config.classes:
        return read_class_map(Location.of(config.classes))
    names = filter(None, (config.dataset, config.companion_of))
    sibling = sibling_class_map([_dataset_folder(config, name) for name in names], _folder(config))
    if sibling and own and sibling.names != own.names:
        raise InputError(
            f"{own.origin} numbers its labels by the classes {', '.join(own.names[:3])}, … and {sibling.origin} by "
            f"{', '.join(sibling.names[:3])}, …; choose another --dataset, or hand over labels as names with --labels"
        )
    return sibling or own

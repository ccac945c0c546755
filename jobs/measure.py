"""`measure`: attributes of images beside embeddings that are stored already, and columns from a table of the user's."""

import shlex
import time
from collections.abc import Iterator
from dataclasses import field
from typing import TYPE_CHECKING, Annotated

from gapscope.core.errors import InputError
from gapscope.core.program import called
from gapscope.core.progress import SILENT, Progress
from gapscope.core.set_name import SetName
from gapscope.jobs import options
from gapscope.jobs.options import DATA, configuration, data_root, option

if TYPE_CHECKING:
    from gapscope.core.location import Location
    from gapscope.runs.result import RunResult
    from gapscope.store import EmbeddingStore

JOB = "measure"
# How the decoder of stores of images is called.
IMAGES = "pillow"


@configuration
class MeasureConfig:
    """Measure attributes of the images of stored sets, or add columns from a table to them.

    `extract` measures attributes by itself; this adds them to stores that were made without, from the images where
    they lay. With `--table`, columns such as the site, the camera or the patient are joined to the rows by the names of
    the images, or by a column sample_id, and stand beside the attributes in `shift`, `gap`, `map` and `explore`.

        python cli.py measure cifar10
        python cli.py measure skin/train skin/test --table patients.csv
    """

    dataset: options.DatasetNames = field(kw_only=False)
    table: Annotated[
        str, option("Table of columns to add: CSV, TSV, Parquet or JSON, with a column that names the images.", DATA)
    ] = ""
    keep: options.KeepColumns = ()
    path_column: options.PathColumn = ""
    backbone: options.Backbone = ""
    memory: options.Memory = "2GB"
    workspace: options.Workspace = "workspace"
    data_root: options.DataRoot = field(default_factory=data_root)


def run(config: MeasureConfig, progress: Progress = SILENT) -> "RunResult":
    """Measure, or join, one store after another."""
    from gapscope.blocks import Sentence, Table
    from gapscope.core.location import Location
    from gapscope.runs.result import RunResult
    from gapscope.store.workspace import embeddings_folder

    begun = time.perf_counter()
    workspace = Location.of(config.workspace).absolute()
    if not config.dataset:
        raise InputError("no set to measure; name at least one that is stored, as dataset/split")
    if config.keep and not config.table:
        raise InputError("--keep names columns of a table, and none is given; add --table FILE")
    stores = [store for name in dict.fromkeys(config.dataset) for store in _stores(workspace, name, config.backbone)]
    rows, notes = [], []
    for store in stores:
        values, note = (_joined if config.table else _measured)(config, store, progress)
        rows.append([store.name, store.provenance.backbone, store.rows, values])
        notes += [note] if note else []
    what = "rows with columns" if config.table else "images measured"
    columns = {"set": "text", "backbone": "text", "rows": "count", what: "count"}
    caption = f"Columns of {config.table}" if config.table else "Attributes of images"
    blocks = [Table(caption, columns, rows, headline=True, whole=True), *(Sentence(n, headline=True) for n in notes)]
    return RunResult(JOB, str(embeddings_folder(workspace)), time.perf_counter() - begun, blocks=blocks)


def _stores(workspace: "Location", name: str, backbone: str) -> "Iterator[EmbeddingStore]":
    """The stores that a name means: one split of a dataset or all, by one backbone or all that have it."""
    from gapscope.store.workspace import embeddings_folder, find_store, splits_of, workspace_option

    folder, parts = embeddings_folder(workspace), SetName(*name.rpartition("/")[::2])
    wanted = [backbone] if backbone else folder.folders()
    stored = {one: splits_of(workspace, name, one) for one in wanted}
    if any(stored.values()):
        yield from (find_store(workspace, name, split, one) for one, splits in stored.items() for split in splits)
    elif parts.dataset:
        holders = [one for one in wanted if parts.split in splits_of(workspace, parts.dataset, one)]
        yield from (find_store(workspace, *parts, one) for one in holders or [backbone])
    else:
        making = f"`{called()} extract {shlex.quote(name)}{workspace_option(workspace)}`"
        raise InputError(f"{name} is not stored in {workspace}; make it with {making}")


def _measured(config: MeasureConfig, store: "EmbeddingStore", progress: Progress) -> tuple[int, str]:
    """How many rows have attributes now, and what has to be said of the others."""
    from gapscope.attributes.memory import check_measuring
    from gapscope.causes.samples import opening_of  # these load SciPy and numba, and `--help` has to be instant
    from gapscope.extraction.measuring import measure_store

    if not store.provenance.decoder.startswith(IMAGES):
        raise InputError(
            f"{store.name} was imported as features and has no images to measure; --table FILE adds columns to it"
        )
    check_measuring(store, config.memory)
    return measure_store(store, opening_of(store, config.data_root).source(), progress)


def _joined(config: MeasureConfig, store: "EmbeddingStore", progress: Progress) -> tuple[int, str]:
    """How many rows have a row of the table, and what has to be said of the others."""
    from gapscope.attributes.join import add_columns
    from gapscope.attributes.memory import check_columns
    from gapscope.core.location import Location
    from gapscope.predictions.files import read_rows

    place = Location.of(config.table)
    if not place.exists():
        raise InputError(f"there is no table {config.table}; give a CSV, TSV, Parquet or JSON file")
    check_columns(store, place, config.memory)
    return add_columns(store, read_rows(place), config.table, config.keep, config.path_column)

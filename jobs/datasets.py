"""`datasets`: what gapscope knows, where each dataset was found, how to get the others, and which images are double."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from gapscope.core.errors import GapscopeError
from gapscope.core.progress import SILENT, Progress
from gapscope.data.datasets import DATASETS
from gapscope.jobs.options import DATA, DatasetName, Download, ImageListing, Seed, Workspace, configuration, option

if TYPE_CHECKING:
    from gapscope.data.catalogue import FoundSet
    from gapscope.data.dataset import Dataset, Recipe
    from gapscope.data.source import Listing
    from gapscope.runs.result import RunResult

JOB = "datasets"
COLUMNS = {"dataset": "text", "found at": "text", "split": "text", "files": "count", "classes": "count"}
EXAMPLE_COLUMNS = {"split": "text", "class": "text", "files": "count", "first of them": "text"}
STORED_COLUMNS = {"set": "text", "backbone": "text", "rows": "count"}
UNLABELLED = "without a label"


@configuration
class DatasetsConfig(ImageListing):
    """List the datasets that are known, where each was found, or how to get it, and the stored embeddings.

    Lists files, 0.5 s for 100,000 with warm directory caches; sets without splits are searched for duplicates too, so
    that these stay in one split. With a dataset, a name or a path: how its files are understood, split by split and
    class by class with an example each, and what became of every file. With --check, the images of one dataset that
    occur more than once are listed instead, identical or re-encoded and resized; those that are both in the training
    and in the test split are a warning.

        python cli.py datasets --data-root /data
        python cli.py datasets FOLDER
        python cli.py datasets "s3://bucket/shards/{0000..0012}.tar"
        python cli.py datasets --check cifar10
    """

    dataset: DatasetName = field(default="", kw_only=False)
    download: Download = False
    seed: Seed = 0
    workspace: Workspace = "workspace"
    check: Annotated[
        str, option("Dataset whose duplicates are to be found; reads and decodes every image once.", DATA)
    ] = ""


@dataclass(frozen=True)
class Entry:
    """What there is to say about one dataset.

    Attributes
    ----------
    place
        Where it was found, ``embedded``, or empty.
    splits
        Number of files by split; empty where it was not found or cannot be opened.
    classes
        Number of classes.
    notes
        How classes and splits came about, what is wrong with it, or how to get it.
    examples
        Split, class, number of its files and the name of the first.
    """

    name: str
    place: str
    splits: Mapping[str, int] = field(default_factory=dict)
    classes: int = 0
    notes: tuple[str, ...] = ()
    examples: tuple[tuple[str, str, int, str], ...] = ()


def run(config: DatasetsConfig, progress: Progress = SILENT) -> "RunResult":
    """One table of all datasets: those found under the data root, the embedded ones, and those known but not there; or
    of the duplicates in one.
    """
    from gapscope.blocks import Table
    from gapscope.core.location import Location
    from gapscope.runs.result import RunResult
    from gapscope.runs.run import note_blocks
    from gapscope.schemas.results import Result
    from gapscope.store.workspace import stored_sets

    start = time.perf_counter()
    if config.check:
        return _checked(config, start, progress)
    entries = list_datasets(config, progress)
    rows = [row for entry in entries for row in _rows(entry)]
    table = Table(f"Datasets under {config.data_root}", COLUMNS, rows, headline=True, whole=True)
    results = [
        Result(dataset=entry.name, split=split, model="", metric="files", value=count, n=count)
        for entry in entries
        for split, count in entry.splits.items()
    ]
    notes = [f"{entry.name}: {note}" for entry in entries for note in entry.notes]
    examples = [row for entry in entries for row in entry.examples] if config.dataset else []
    understood = [Table(f"Classes of {config.dataset}", EXAMPLE_COLUMNS, examples, headline=True)] if examples else []
    stored = stored_sets(Location.of(config.workspace)) if not config.dataset else []
    if stored:
        title = f"Stored in {config.workspace}"
        understood.append(Table(title, STORED_COLUMNS, stored, headline=True, whole=True))
    blocks = [table, *understood, *note_blocks(notes)]
    return RunResult(JOB, "", time.perf_counter() - start, results, blocks=blocks)


def list_datasets(config: DatasetsConfig, progress: Progress = SILENT) -> list[Entry]:
    """An entry per dataset, those that can be used first."""
    from gapscope.data.catalogue import find_datasets, opened_by

    if config.dataset:
        return [_described(config.dataset, opened_by(config), examined=True)]
    result = find_datasets(config.data_root)
    entries = []
    with progress.task("listing datasets", len(result), "datasets") as task:
        for dataset in result:
            entries.append(_listed(dataset, config.seed))
            task.advance()
    there = {entry.name for entry in entries}
    return entries + [entry for entry in _others(config) if entry.name not in there]


def _rows(entry: Entry) -> Iterator[tuple]:
    if not entry.splits:
        yield entry.name, entry.place or "not found", "", None, None
    for row, (split, count) in enumerate(entry.splits.items()):
        yield ("" if row else entry.name), ("" if row else entry.place), split, count, entry.classes


def _others(config: DatasetsConfig) -> Iterator[Entry]:
    from gapscope.data.catalogue import FoundSet

    for recipe in sorted(DATASETS.values(), key=lambda recipe: not recipe.embedded):
        if recipe.embedded:
            yield _listed(FoundSet(recipe.name, config.data_root, recipe), config.seed)
        else:
            yield _missing(recipe)


def _listed(result: "FoundSet", seed: int) -> Entry:
    from gapscope.data.dataset import Options

    try:
        return _described(result.name, result.open(Options(seed=seed)))
    except GapscopeError as error:
        return Entry(result.name, str(result.place), notes=(f"cannot be opened: {error}",))


def _described(name: str, dataset: "Dataset", *, examined: bool = False) -> Entry:
    from gapscope.data.catalogue import accounting_of

    listings = {split: dataset.source(split).listing for split in dataset.splits}
    counts = {split: len(listing) for split, listing in listings.items()}
    classes = max(len(listing.class_names) for listing in listings.values())
    account = accounting_of(dataset) if examined else None
    examples = tuple(row for split, listing in listings.items() for row in _examples(split, listing))
    notes = (*dataset.sentences(), account.sentence) if account else dataset.sentences()
    return Entry(name, dataset.place, counts, classes, notes, examples)


def _examples(split: str, listing: "Listing") -> Iterator[tuple[str, str, int, str]]:
    """A row for each class of a split that has images, with the first of these."""
    import numpy as np

    labels, first, counts = np.unique(listing.labels, return_index=True, return_counts=True)
    for label, row, count in zip(labels.tolist(), first.tolist(), counts.tolist(), strict=True):
        yield split, listing.class_names[label] if label >= 0 else UNLABELLED, count, listing.names[row]


def _missing(recipe: "Recipe") -> Entry:
    return Entry(recipe.name, "", notes=(f"to get it, {recipe.how_to_get}",))


def _checked(config: DatasetsConfig, start: float, progress: Progress) -> "RunResult":
    """The duplicates of one dataset: how many, the first of them, and what they spoil."""
    from gapscope.blocks import Table
    from gapscope.data.catalogue import opened_by
    from gapscope.data.duplicate_findings import COLUMNS, counts_of, rows_of, sentences_of
    from gapscope.data.duplicates import find_duplicates
    from gapscope.runs.result import RunResult
    from gapscope.runs.run import note_blocks
    from gapscope.schemas.results import Result

    dataset = opened_by(config, config.check)
    sources = {split: dataset.source(split) for split in dataset.splits}
    copies = find_duplicates(sources, progress)
    images = sum(len(source.listing) for source in sources.values())
    results = [
        Result(dataset=dataset.name, split="", model="", metric=metric, value=count, n=images)
        for metric, count in counts_of(copies).items()
    ]
    tables = [Table(f"Images of {dataset.name} that occur more than once", COLUMNS, rows_of(copies), headline=True)]
    blocks = [*(tables if copies else []), *note_blocks(sentences_of(dataset.name, images, copies))]
    return RunResult(JOB, "", time.perf_counter() - start, results, blocks=blocks)

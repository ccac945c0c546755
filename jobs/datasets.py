"""`datasets`: what gapscope knows, where each dataset was found, and how to get the others."""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.core.errors import GapscopeError
from engine.core.progress import SILENT, Progress
from engine.data.catalogue import Found, find_datasets
from engine.data.dataset import Options, Recipe
from engine.data.datasets import DATASETS
from jobs.report import Report, Table
from schemas.results import Result

JOB = "datasets"
COLUMNS = ("dataset", "found at", "split", "files", "classes")


@dataclass(frozen=True, kw_only=True)
class DatasetsConfig:
    """List the datasets that are known, where each was found, or how to get it.

    Lists files, 0.07 s for 100,000 with warm directory caches; of sets without splits it also compares files of
    equal size.

        python cli.py datasets --data-root /data

    Attributes
    ----------
    data_root
        Folder in which datasets are looked for; GAPSCOPE_DATA sets another default.
    seed
        Decides the splits of datasets that have none of their own.
    """

    data_root: Path = field(default_factory=lambda: Path(os.environ.get("GAPSCOPE_DATA", "data")))
    seed: int = 0


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
    """

    name: str
    place: str
    splits: Mapping[str, int] = field(default_factory=dict)
    classes: int = 0
    notes: tuple[str, ...] = ()


def run(config: DatasetsConfig, progress: Progress = SILENT) -> Report:
    """One table of all datasets: those found under the data root, the embedded ones, and those known but not there."""
    start = time.perf_counter()
    entries = list_datasets(config, progress)
    rows = [row for entry in entries for row in _rows(entry)]
    table = Table(f"datasets under {config.data_root}", COLUMNS, rows)
    results = [
        Result(dataset=entry.name, split=split, model="", metric="files", value=count, n=count)
        for entry in entries
        for split, count in entry.splits.items()
    ]
    notes = [f"{entry.name}: {note}" for entry in entries for note in entry.notes]
    return Report(JOB, "", time.perf_counter() - start, results, [table], notes)


def list_datasets(config: DatasetsConfig, progress: Progress = SILENT) -> list[Entry]:
    """An entry per dataset, those that can be used first."""
    found = find_datasets(config.data_root)
    entries = []
    with progress.task("listing datasets", len(found), "datasets") as task:
        for dataset in found:
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
    for recipe in sorted(DATASETS.values(), key=lambda recipe: not recipe.embedded):
        if recipe.embedded:
            yield _listed(Found(recipe.name, config.data_root, recipe), config.seed)
        else:
            yield _missing(recipe)


def _listed(found: Found, seed: int) -> Entry:
    try:
        dataset = found.open(Options(seed=seed))
        listings = {split: dataset.source(split).listing for split in dataset.splits}
    except GapscopeError as error:
        return Entry(found.name, str(found.place), notes=(f"cannot be opened: {error}",))
    counts = {split: len(listing) for split, listing in listings.items()}
    classes = max(len(listing.class_names) for listing in listings.values())
    return Entry(found.name, dataset.place, counts, classes, dataset.notes)


def _missing(recipe: Recipe) -> Entry:
    return Entry(recipe.name, "", notes=(f"to get it, {recipe.how_to_get}",))

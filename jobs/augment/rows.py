"""The stored rows that a method for embeddings learns from, what it is asked for, and the rows it must not see."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from gapscope.core.budget import Budget, parse_bytes
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.generators.balance import targets
from gapscope.generators.feature_generator import FeatureMethod
from gapscope.jobs.augment.config import AugmentConfig
from gapscope.jobs.augment.samples import TOLD
from gapscope.store import EmbeddingStore, View
from gapscope.store.comparable import comparable_view
from gapscope.store.selected import rows_of
from gapscope.store.stacked import stacked
from gapscope.store.workspace import companions, find_store
from gapscope.stream import CHUNK_ROWS, SHARDS
from gapscope.training.rows import divided


@dataclass(frozen=True)
class RowsLesson:
    """A stored split, divided as `fit-incremental` divides it.

    Attributes
    ----------
    train
        Rows that the method sees.
    unseen
        The last ones, which it must not see.
    counts, wanted : (classes,) int64
        Rows of each class that it sees, and new ones that it is asked for.
    notes
        Sentences for the user.
    """

    store: EmbeddingStore
    train: View
    unseen: View
    counts: np.ndarray
    wanted: np.ndarray
    notes: tuple[str, ...]

    @property
    def dataset(self) -> str:
        """Its name."""
        return self.store.provenance.dataset

    @property
    def class_names(self) -> list[str]:
        """By class index."""
        return self.store.class_names

    @property
    def labels(self) -> list[int]:
        """The classes that get new rows."""
        return np.flatnonzero(self.wanted).tolist()

    @cached_property
    def labelled(self) -> View:
        """The training rows that have a label."""
        known = self.store.labels() >= 0
        known[self.train.stop :] = False
        return self.train if known[: self.train.stop].all() else rows_of(self.store, known, "those with a label").view()


def rows_lesson(config: AugmentConfig, method: FeatureMethod, workspace: Location) -> RowsLesson:
    """The stored rows of the dataset; no embedding is read.

    Raises
    ------
    InputError
        They are not there, have synthetic ones or no labels, or nothing is missing that the method can make.
    BudgetError
        What the method keeps does not fit into the memory that is allowed.
    """
    if not 0 <= config.validation < 1:
        raise InputError(
            f"--validation is {config.validation}; give a share of the rows from 0 to below 1, such as 0.1"
        )
    store = find_store(workspace, config.dataset, config.split, config.backbone)
    if store.provenance.synthetic is not None:
        raise InputError(f"{store.name} has synthetic rows already; learn from the real ones alone")
    train, unseen = divided(store, config.validation)
    label = store.labels()[: train.stop]
    counts = np.bincount(label[label >= 0], minlength=len(store.class_names))
    if not counts.any():
        raise InputError(f"{store.name} has no labels, so no class of it can be given rows; extract it with --labels")
    wanted, notes = _wanted(config, method, counts, store)
    kept = int(counts[wanted > 0].sum())
    needed = method.memory(kept, store.dim, len(counts)) + 4 * store.dim * 2 * SHARDS * CHUNK_ROWS
    subject = f"{method.name} on {kept:,} rows of {store.dim:,} features in {int((wanted > 0).sum())} classes"
    Budget(parse_bytes(config.memory)).require(needed, subject, "raise --memory, or fill up fewer classes")
    return RowsLesson(store, train, unseen, counts, wanted, tuple(notes))


def _wanted(
    config: AugmentConfig, method: FeatureMethod, counts: np.ndarray, store: EmbeddingStore
) -> tuple[np.ndarray, list[str]]:
    """New rows of each class, ``(classes,)``, none of those that the method cannot make; a sentence about these.

    Raises
    ------
    InputError
        None is left.
    """
    wanted = targets(counts, config.balance)
    if not wanted.any():
        raise InputError(
            f"--balance {config.balance} asks for no row: no class of {store.name} is smaller; give a number or a "
            "ratio, such as 1x"
        )
    refused = np.flatnonzero((wanted > 0) & (counts < method.fewest)).tolist()
    named = ", ".join(store.class_names[label] for label in refused[:TOLD])
    more = f" and {len(refused) - TOLD} more" if len(refused) > TOLD else ""
    notes = [
        f"no synthetic rows for {named}{more}: {method.name} needs {method.fewest} training rows or more of a class; "
        "gaussian works from 1 on"
    ]
    wanted[refused] = 0
    if not wanted.any():
        raise InputError(f"no class can be given rows; {notes[0]}")
    return wanted, notes if refused else []


def unseen_rows(lesson: RowsLesson, workspace: Location) -> View | None:
    """The rows that the method has not seen, of its split and of all others of the dataset, to find copies among."""
    splits = [one for one in companions(workspace, lesson.store) if one.provenance.dataset == lesson.dataset]
    views = [lesson.unseen, *(comparable_view(lesson.store, one) for one in splits)]
    there = [view for view in views if view.rows]
    return stacked(there) if there else None

"""The stored rows that a method for embeddings is trained on, and those that it must not see."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gapscope.core.budget import Budget
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.generators.balance import targets
from gapscope.generators.feature_generator import FeatureMethod
from gapscope.realism.agreement import check_counts
from gapscope.store import EmbeddingStore, View
from gapscope.store.comparable import comparable_view
from gapscope.store.selected import rows_of
from gapscope.store.stacked import stacked
from gapscope.store.workspace import companions, find_store
from gapscope.stream import CHUNK_ROWS, SHARDS
from gapscope.synthesis.request import Request, named
from gapscope.training.rows import divided


@dataclass(frozen=True)
class TrainingRows:
    """A stored split, divided as `fit-incremental` divides it.

    Attributes
    ----------
    train
        Rows that the method sees.
    held
        The last ones, which it must not see.
    counts, wanted : (classes,) int64
        Rows of each class that it sees, and new ones that are wanted.
    notes
        Sentences for the user.
    """

    store: EmbeddingStore
    train: View
    held: View
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


def training_rows(request: Request, dataset: str, method: FeatureMethod, workspace: Location) -> TrainingRows:
    """The stored rows of the dataset; no embedding is read.

    Raises
    ------
    InputError
        They are not there, have synthetic ones or no labels, or nothing is missing that the method can make.
    BudgetError
        What the method keeps does not fit into the memory that is allowed.
    """
    store = find_store(workspace, dataset, request.split, request.backbone.name)
    if store.provenance.synthetic is not None:
        raise InputError(f"{store.name} has synthetic rows already; train on the real ones alone")
    train, held = divided(store, request.validation)
    label = store.labels()[: train.stop]
    counts = np.bincount(label[label >= 0], minlength=len(store.class_names))
    if not counts.any():
        raise InputError(f"{store.name} has no labels, so no class of it can be given rows; extract it with --labels")
    check_counts(counts, store.class_names)
    wanted, notes = _wanted(request.balance, method, counts, store)
    rows = int(counts[wanted > 0].sum())
    needed = method.memory(rows, store.dim, len(counts)) + 4 * store.dim * 2 * SHARDS * CHUNK_ROWS
    subject = f"{method.name} on {rows:,} rows of {store.dim:,} features in {int((wanted > 0).sum())} classes"
    Budget(request.memory).require(needed, subject, "raise --memory, or fill up fewer classes")
    return TrainingRows(store, train, held, counts, wanted, tuple(notes))


def _wanted(
    balance: str, method: FeatureMethod, counts: np.ndarray, store: EmbeddingStore
) -> tuple[np.ndarray, list[str]]:
    """New rows of each class, ``(classes,)``, none of those that the method cannot make; a sentence about these.

    Raises
    ------
    InputError
        None is left.
    """
    wanted = targets(counts, balance)
    if not wanted.any():
        raise InputError(
            f"--balance {balance} asks for no row: no class of {store.name} is smaller; give a number or a "
            "ratio, such as 1x"
        )
    refused = np.flatnonzero((wanted > 0) & (counts < method.fewest)).tolist()
    notes = [
        f"no synthetic rows for {named([store.class_names[label] for label in refused])}: {method.name} needs "
        f"{method.fewest} training rows or more of a class; "
        "gaussian works from 1 on"
    ]
    wanted[refused] = 0
    if not wanted.any():
        raise InputError(f"no class can be given rows; {notes[0]}")
    return wanted, notes if refused else []


def held_rows(data: TrainingRows, workspace: Location) -> View | None:
    """The rows that the method has not seen, of its split and of all others of the dataset, to find copies among."""
    splits = [one for one in companions(workspace, data.store) if one.provenance.dataset == data.dataset]
    views = [data.held, *(comparable_view(data.store, one) for one in splits)]
    there = [view for view in views if view.rows]
    return stacked(there) if there else None

"""The rows of a training: those that are trained on, those held out to choose by, and the sets that it is tested on."""

from typing import NamedTuple, Protocol

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.set_name import SetName
from gapscope.data.catalogue import companions_of
from gapscope.data.synthetic import real_name
from gapscope.probes.training import HOLDOUT_ROWS
from gapscope.runs.selection import Chosen
from gapscope.store import EmbeddingStore, View
from gapscope.store.selected import Selected
from gapscope.store.workspace import companions, find_store


class TrainingOptions(Protocol):
    """The options that every job that trains has."""

    dataset: str
    split: str
    backbone: str
    evaluate: tuple[str, ...]
    only: str
    exclude: str
    holdout: float
    memory: str
    checkpoint_seconds: float
    scheduler: str | None
    cluster: str
    workers: int | None
    workspace: str
    name: str


class TrainingRows(NamedTuple):
    """A training store, divided, the sets to evaluate on, and which of their rows were asked for."""

    store: EmbeddingStore | Selected
    train: View
    held: View
    tests: list[EmbeddingStore | Selected]
    chosen: Chosen


def rows_of(workspace: Location, config: TrainingOptions) -> TrainingRows:
    """The rows to train on, to choose by, and to evaluate on."""
    whole, chosen = find_store(workspace, config.dataset, config.split, config.backbone), Chosen.by(config)
    store, *tests = chosen.of_stores([whole, *tests_of(workspace, config, whole)])
    return TrainingRows(store, *divided(store, config.holdout), tests, chosen)


def divided(store: EmbeddingStore | Selected, share: float) -> tuple[View, View]:
    """The training rows and the held-out ones, which are the last; rows are shuffled, so these are a fair sample.

    Of a store with synthetic rows at most those are held out that are real and that no generator has seen.

    Raises
    ------
    InputError
        The share is not one, no row is left to train on, or none may be held out.
    """
    if not 0 <= share < 1:
        raise InputError(f"--holdout is {share}; give a share of the training rows from 0 to below 1, such as 0.1")
    held = min(int(store.rows * share), HOLDOUT_ROWS)
    if store.rows - held < 1:
        raise InputError(f"{store.name} has {store.rows} rows; training needs at least one")
    return store.view().held_out(held)


def tests_of(workspace: Location, config: TrainingOptions, store: EmbeddingStore) -> list[EmbeddingStore]:
    """The sets to evaluate on: companions, and those that were named."""
    real = real_name(store.provenance.dataset)
    result = companions(workspace, store, companions_of(real), real)
    for name in config.evaluate:
        result.append(find_store(workspace, *SetName.parse(name, "--evaluate"), store.provenance.backbone))
    unique = {one.folder: one for one in result if one.folder != store.folder}
    return list(unique.values())

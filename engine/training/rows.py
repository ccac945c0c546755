"""The rows of a training: those that are trained on, those held out to choose by, and the sets that it is tested on."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.text import counted
from gapscope.data.catalogue import companions_of
from gapscope.data.synthetic import real_name
from gapscope.evaluation.models import find_features
from gapscope.evaluation.training_sets import seen_warnings
from gapscope.probes.training import HOLDOUT_ROWS
from gapscope.runs.selection import Chosen
from gapscope.store import EmbeddingStore, View
from gapscope.store.interleaved import Interleaved
from gapscope.store.workspace import companions
from gapscope.training import sets
from gapscope.training.sets import Source


class TrainingOptions(Protocol):
    """The options that every job that trains has."""

    dataset: str | tuple[str, ...]
    leave_one_out: bool
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

    @property
    def threads(self) -> int:
        """How many work on this machine."""


class TrainingRows(NamedTuple):
    """A training store, divided, the sets to evaluate on, and which of their rows were asked for.

    Attributes
    ----------
    store
        All training rows; those of several sets as one.
    sources
        The training sets, one or several.
    without
        The set that is left out in this round, empty where none is.
    """

    store: Source | Interleaved
    sources: list[Source]
    train: View
    held: View
    tests: list[Source]
    chosen: Chosen
    without: str = ""

    @property
    def notes(self) -> list[str]:
        """What has to be said of the rows."""
        chosen = self.chosen.notes((*self.sources, *self.tests))
        seen = seen_warnings("the model", self.sources, self.tests)
        return [*chosen, *_joined(self.sources, self.without), *seen]


def datasets_of(config: TrainingOptions) -> tuple[str, ...]:
    """The datasets to train on, one or several."""
    return (config.dataset,) if isinstance(config.dataset, str) else config.dataset


def rows_of(workspace: Location, config: TrainingOptions) -> TrainingRows:
    """The rows to train on, to choose by, and to evaluate on."""
    datasets, chosen = datasets_of(config), Chosen.by(config)
    whole = sets.found(workspace, datasets, config.split, config.backbone)
    stores = chosen.of_stores([*whole, *tests_of(workspace, config, whole)])
    sources, tests = stores[: len(whole)], stores[len(whole) :]
    store: Source | Interleaved = sources[0]
    if len(sources) > 1:
        name = sets.named(datasets, config.split)
        store = sets.together(sources, name, config.split, held_out=config.holdout > 0)
    return TrainingRows(store, sources, *divided(store, config.holdout), tests, chosen)


def rounds_of(workspace: Location, config: TrainingOptions) -> list[TrainingRows]:
    """The rows of each round of training: one, or one without each of the sets in turn, which is then evaluated on.

    Raises
    ------
    InputError
        A set is to be left out and there are fewer than two.
    """
    if not config.leave_one_out:
        return [rows_of(workspace, config)]
    datasets = datasets_of(config)
    if len(datasets) < 2:
        raise InputError("--leave-one-out leaves out one training set after the other; name two or more with --dataset")
    result = []
    for one in datasets:
        others = tuple(other for other in datasets if other != one)
        left = str(sets.set_of(workspace, one, config.split))
        rows = rows_of(workspace, replace(config, dataset=others, evaluate=(*config.evaluate, left)))
        result.append(rows._replace(without=sets.named([one], config.split)))
    return result


def _joined(sources: Sequence[Source], without: str) -> list[str]:
    """Of several training sets, how many rows each has and how much they count."""
    if len(sources) == 1:
        return []
    rows = ", ".join(f"{one.name} ({counted(one.rows, 'row')})" for one in sources)
    which = f"Without {without}, trained" if without else "Trained"
    return [f"{which} on {len(sources)} sets, each counting as much as every other: {rows}."]


def divided(store: Source | Interleaved, share: float) -> tuple[View, View]:
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
        raise InputError(f"{store.name} has {counted(store.rows, 'row')}; training needs at least one")
    return store.view().held_out(held)


def tests_of(workspace: Location, config: TrainingOptions, stores: Sequence[EmbeddingStore]) -> list[EmbeddingStore]:
    """The sets to evaluate on: companions of the training sets, and those that were named; no training set."""
    result = []
    for store in stores:
        real = real_name(store.provenance.dataset)
        result += companions(workspace, store, companions_of(real), real)
    for name in config.evaluate:
        result.append(find_features(workspace, name, stores[0].provenance.backbone, "--evaluate"))
    trained = {store.folder for store in stores}
    unique = {one.folder: one for one in result if one.folder not in trained}
    return list(unique.values())

"""The last layers of a study of augmentation: those of the networks that had nothing added, learnt again."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from gapscope.cnn.division import divide
from gapscope.core.errors import InputError, unknown_name
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.generators.balance import targets
from gapscope.generators.features import FEATURE_GENERATORS
from gapscope.jobs.study import Cell, is_spread, mark_of, run_job, spread
from gapscope.jobs.study_augmentation.config import StudyAugmentationConfig
from gapscope.jobs.study_augmentation.sets import Studied, settings_of
from gapscope.store.workspace import slug
from gapscope.studies.augmentation.answers import FEATURES, HEAD
from gapscope.studies.augmentation.findings import REFITTED

JOB = "refit-head"
TO_MAX = "to-max"
# Methods that make no rows, by what the study calls them.
WITHOUT_ROWS = {"none": REFITTED, "class-balanced": "head class-balanced"}
# Options that `refit-head` and the study share.
SHARED = ("device", "memory", "report")


class Asked(NamedTuple):
    """A method of `refit-head`, and how many rows it makes of each class; empty where it makes none."""

    method: str
    balance: str

    @property
    def name(self) -> str:
        """What the study calls it."""
        return f"{self.method} {self.balance} (features)" if self.balance else WITHOUT_ROWS[self.method]


def features_of(config: StudyAugmentationConfig) -> list[Asked]:
    """The methods that the study asks for, the control first; none where it asks for none.

    Raises
    ------
    InputError
        A method is unknown, or something is not written as it should be.
    """
    named = dict.fromkeys(("none", *config.features)) if config.features else ()
    return [_asked(one) for one in named]


def _asked(one: str) -> Asked:
    method, separator, balance = one.partition(":")
    if method not in FEATURE_GENERATORS and method not in WITHOUT_ROWS:
        raise unknown_name("method of refit-head", method, [*WITHOUT_ROWS, *FEATURE_GENERATORS])
    if method in WITHOUT_ROWS:
        if separator:
            raise InputError(f"--features {one} asks for rows, but {method} makes none; write it as {method}")
        return Asked(method, "")
    targets([1, 1], balance or TO_MAX)
    return Asked(method, balance or TO_MAX)


def heads_of(config: StudyAugmentationConfig, what: Studied, first: Cell, progress: Progress = SILENT) -> list[Cell]:
    """The runs that learn the last layer of the networks of the run `first` again.

    Without those that would have nothing to make, because no class is smaller than others.
    """
    listing, name = what.dataset.source(config.split).listing, f"{what.dataset.name}/{config.split}"
    asked = features_of(config)
    if not asked:
        return []
    rows = divide(listing, np.arange(len(listing)), config.validation, config.seed, name)
    counts = np.bincount(listing.labels[rows.train], minlength=len(listing.class_names))
    empty = [one for one in asked if one.balance and not targets(counts, one.balance).any()]
    for one in empty:
        progress.say(f"no class of {name} is smaller than others, so there is nothing to add for {one.name}")
    settings = settings_of(config.settings)
    return [_cell(config, what, first, one, settings.get(one.method, ())) for one in asked if one not in empty]


def _cell(config: StudyAugmentationConfig, what: Studied, first: Cell, one: Asked, settings: Sequence[str]) -> Cell:
    workspace = Location.of(config.workspace).absolute()
    options = {name: getattr(config, name) for name in SHARED} | {
        "run": first.place.name,
        "method": one.method,
        "balance": one.balance or TO_MAX,
        "settings": tuple(settings),
        "workspace": str(workspace),
        "data_root": config.data_root.absolute(),
    }
    mark = mark_of(options, what.dataset, (config.split, *config.test_split))
    called = slug(f"study-{what.dataset.name}-{one.name}-{mark}")
    kind = FEATURES if one.balance else HEAD
    return Cell(one.name, options | {"name": called}, workspace / "runs" / f"{JOB}-{called}", kind)


def run_heads(cells: Sequence[Cell], config: StudyAugmentationConfig, progress: Progress) -> None:
    """Learn the last layers that are not there yet; the networks must be. On a cluster each run is a task."""
    waiting = [cell for cell in cells if not cell.is_finished()]
    if is_spread(config):
        spread(refit, [cell.options for cell in waiting], config, progress, "last layers")
        return
    for number, cell in enumerate(waiting, start=1):
        progress.say(f"learning {cell.name}, {number} of {len(waiting)}")
        refit(cell.options, progress)


def refit(options: Mapping[str, Any], progress: Progress = SILENT) -> str:
    """Run `refit-head` with some options; the folder of its run."""
    return run_job(JOB, options, progress)

"""The trainings of a study of modified images."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from gapscope.core.errors import InputError, unknown_name
from gapscope.core.location import Location
from gapscope.data.modified import SEPARATOR
from gapscope.jobs.study import TRAINING, Cell, mark_of
from gapscope.jobs.study_modifications.config import StudyModificationsConfig
from gapscope.jobs.study_modifications.sets import Modified
from gapscope.store.workspace import slug
from gapscope.studies.modifications.robustness import MIXED

# Options of the study that its trainings do not have, or have with other values.
OWN = frozenset(
    {"dataset", "modify", "also", "rows", "test_split", "scheduler", "cluster", "workers", "out", "workspace"}
    | {"data_root", "name"}
)


def cells_of(config: StudyModificationsConfig, sets: Sequence[Modified]) -> list[Cell]:
    """The training on each of the `sets`, the original first, and those that ``--also`` asks for last.

    Raises
    ------
    InputError
        ``--also`` names no training, or one that cannot be.
    """
    return [*(_cell(config, sets, one, one.name, {"modify": ""}) for one in sets), *_further(config, sets)]


def _further(config: StudyModificationsConfig, sets: Sequence[Modified]) -> list[Cell]:
    for also in config.also:
        if also != MIXED:
            raise unknown_name("further training", also, (MIXED,))
    modifications = [one.name for one in sets[1:]]
    joined = [name for name in modifications if SEPARATOR in name]
    if config.also and joined:
        raise InputError(
            f"--also {MIXED} puts an image through one modification, and {joined[0]} is two; leave out one of them"
        )
    chance = round(len(modifications) / len(sets), 4)
    extra = {"modify": ",".join(modifications), "modify_probability": chance}
    return [_cell(config, sets, sets[0], MIXED, extra)] if config.also else []


def _cell(
    config: StudyModificationsConfig, sets: Sequence[Modified], learnt: Modified, name: str, extra: Mapping[str, Any]
) -> Cell:
    """The training on the set `learnt`. All its seeds are one run: they read the same images, decoded once."""
    workspace = Location.of(config.workspace).absolute()
    options = {one.name: getattr(config, one.name) for one in fields(config) if one.name not in OWN}
    options |= {
        "dataset": learnt.asked,
        "evaluate_on": tuple(f"{one.asked}/{config.test_split}" for one in sets),
        "workspace": str(workspace),
        "data_root": config.data_root.absolute(),
        **extra,
    }
    mark = mark_of(options, learnt.dataset, (config.split, config.test_split))
    called = slug(f"study-{sets[0].dataset.name}-{name}-{mark}")
    return Cell(name, options | {"name": called}, workspace / "runs" / f"{TRAINING}-{called}")

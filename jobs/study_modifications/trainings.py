"""The trainings of a study: runs of `train-cnn`, here or on the workers of a cluster."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from hashlib import blake2b
from typing import Any, NamedTuple, get_type_hints

from engine.cnn.presets import PRESETS
from engine.core.errors import InputError, unknown_name
from engine.core.location import Location
from engine.core.progress import SILENT, Progress
from engine.data.modified import SEPARATOR
from engine.report.modifications.robustness import MIXED
from engine.store.workspace import slug
from engine.stream.workers import Shown
from jobs import JOBS
from jobs.connection import connected
from jobs.folder import MANIFEST
from jobs.study_modifications.config import StudyModificationsConfig
from jobs.study_modifications.sets import Modified

CELL = "train-cnn"
# Options of the study that its trainings do not have, or have with other values.
OWN = frozenset(
    {"dataset", "modify", "also", "rows", "test_split", "scheduler", "cluster", "workers", "out", "workspace"}
    | {"data_root", "name"}
)
# Options that say where a training works; whatever they are, it is the same training.
PLACES = frozenset({"workspace", "data_root", "device", "memory", "classes", "labels"})


class Cell(NamedTuple):
    """A training: what the study calls its set, the options of its run, what results call the set, the run's folder."""

    name: str
    options: Mapping[str, Any]
    dataset: str
    place: Location

    def manifest(self) -> dict[str, Any]:
        """That of the run; empty where there is none."""
        place = self.place / MANIFEST
        return json.loads(place.read_text()) if place.exists() else {}

    def is_finished(self) -> bool:
        """Whether an earlier run has left the training complete."""
        return self.manifest().get("status") == "complete"


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
    called = slug(f"study-{sets[0].dataset.name}-{name}-{_mark(options)}")
    place = workspace / "runs" / f"{CELL}-{called}"
    return Cell(name, options | {"name": called}, learnt.dataset.name, place)


def _mark(options: Mapping[str, Any]) -> str:
    """A few letters that differ when a training differs."""
    decides = {name: value for name, value in options.items() if name not in PLACES}
    decides["of the preset"] = dict(PRESETS[options["preset"]].options) if options["preset"] else {}
    return blake2b(json.dumps(decides, sort_keys=True, default=str).encode(), digest_size=4).hexdigest()


def run_cells(cells: Sequence[Cell], config: StudyModificationsConfig, progress: Progress) -> None:
    """Run the trainings that are not finished yet; on a cluster each is a task, here one follows the other.

    A task whose worker dies runs again on another, and continues from the checkpoint in its run folder.
    """
    waiting = [cell for cell in cells if not cell.is_finished()]
    if len(waiting) < len(cells):
        done = ", ".join(cell.name for cell in cells if cell not in waiting)
        progress.say(f"{len(cells) - len(waiting)} of {len(cells)} trainings are there already: {done}")
    if waiting and (config.scheduler or config.cluster or config.workers is not None):
        _spread(waiting, config, progress)
        return
    for number, cell in enumerate(waiting, start=1):
        progress.say(f"training on {cell.name}, {number} of {len(waiting)}")
        train(cell.options, progress)


def _spread(cells: Sequence[Cell], config: StudyModificationsConfig, progress: Progress) -> None:
    with connected(config, progress) as workers, progress.task("train", len(cells), "trainings") as task:
        items = [cell.options for cell in cells]
        workers.each(train, items, lambda _index: task.advance(), Shown("study-modifications", progress.say))


def train(options: Mapping[str, Any], progress: Progress = SILENT) -> str:
    """Run one training; the folder of its run."""
    job = JOBS[CELL]
    return job(get_type_hints(job)["config"](**options), progress).run

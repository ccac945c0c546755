"""The trainings of a study: ordinary runs of other commands, found again or run."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from gapscope.cnn.presets import PRESETS
from gapscope.core.errors import InputError
from gapscope.core.files import read_json
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.data.dataset import Dataset
from gapscope.data.datasets import DATASETS
from gapscope.runs.connection import connected
from gapscope.runs.run import MANIFEST, RUNS
from gapscope.schemas.run import Input
from gapscope.store.workspace import slug
from gapscope.stream.workers import Shown

Options = Mapping[str, Any]
# Runs a command with options, and returns the folder of its run.
Run = Callable[..., Any]
TRAINING = "train-cnn"
# Options that say where a run works and what it leaves beside its results; whatever they are, it is the same run. What
# class lists and labels say is in the listings of the images.
PLACES = frozenset({"workspace", "data_root", "device", "memory", "classes", "labels", "report"})
# The names of options that are part of a run's name, as they have always been, so that finished runs are found again.
SPELLED = {"learning_rate": "lr", "evaluate": "evaluate_on"}


class Training(NamedTuple):
    """A training of a study: its name there, the options of its run, the run's folder, and its kind where a study
    separates several.
    """

    name: str
    options: Options
    place: Location
    kind: str = ""

    def manifest(self) -> dict[str, Any]:
        """That of the run; empty where there is none."""
        place = self.place / MANIFEST
        return read_json(place) if place.exists() else {}

    def is_finished(self) -> bool:
        """Whether an earlier run has left the training complete."""
        return self.manifest().get("status") == "complete"

    def record(self) -> Input:
        """What a study says that it reads: the hash of the training's options, and the number of training images."""
        manifest = self.manifest()
        settings = json.dumps(manifest["config"], sort_keys=True).encode()
        made = blake2b(settings, digest_size=16).hexdigest()
        return Input(place=str(self.place), config_hash=made, rows=manifest["inputs"][0]["rows"])


def training_of(study: str, name: str, options: Options, mark: str, kind: str = "", job: str = TRAINING) -> Training:
    """The training `name` of the study of a dataset called `study`, whose run is known by its `mark_of`."""
    run = slug(f"study-{study}-{name}-{mark}")
    place = Location.of(options["workspace"]) / RUNS / f"{job}-{run}"
    return Training(name, {**options, "name": run}, place, kind)


def mark_of(options: Options, dataset: Dataset, splits: Sequence[str]) -> str:
    """A few letters that differ when a run differs: in its options, its preset, or the names and labels of images."""
    decides = {SPELLED.get(name, name): value for name, value in options.items() if name not in PLACES}
    decides["of the preset"] = dict(PRESETS[options["preset"]].options) if options.get("preset") else {}
    decides["images"] = [dataset.source(split).listing.fingerprint().hash for split in splits]
    return blake2b(json.dumps(decides, sort_keys=True, default=str).encode(), digest_size=4).hexdigest()


def dataset_name(name: str, rows: int) -> str:
    """The name under which workers in other folders open a dataset too, limited to about so many `rows` of a split.

    Raises
    ------
    InputError
        `rows` is negative.
    """
    if rows < 0:
        raise InputError(f"--rows is {rows}; give a number of images, or 0 for all")
    if name not in DATASETS and Path(name).expanduser().exists():
        name = str(Path(name).expanduser().absolute())
    return f"{name}@{rows}" if rows else name


@dataclass(frozen=True)
class Place:
    """Where the runs of a study work: here one after another, or side by side as tasks of a cluster.

    Attributes
    ----------
    scheduler, cluster, workers
        As `gapscope.stream.connect` takes them.
    """

    scheduler: str | None
    cluster: str
    workers: int | None
    progress: Progress = SILENT

    def run(self, function: Run, waiting: Mapping[str, Any], unit: str) -> None:
        """Call `function` with each of the values, which are known by their names; none is started for nothing.

        A task whose worker dies runs again on another, and continues from the checkpoint in its run folder.
        """
        if waiting and (self.scheduler or self.cluster or self.workers is not None):
            with connected(self, self.progress) as workers, self.progress.task("work", len(waiting), unit) as task:
                shown = Shown(unit, self.progress.say)
                workers.each(function, list(waiting.values()), lambda _index: task.advance(), shown)
            return
        for number, (name, item) in enumerate(waiting.items(), start=1):
            self.progress.say(f"{unit}: {name}, {number} of {len(waiting)}")
            function(item, self.progress)


def run_trainings(trainings: Sequence[Training], run: Run, place: Place, unit: str = "trainings") -> None:
    """Run the trainings that are not finished yet."""
    waiting = {one.name: one.options for one in trainings if not one.is_finished()}
    finished = [one.name for one in trainings if one.name not in waiting]
    if finished:
        place.progress.say(f"{len(finished)} of {len(trainings)} {unit} are there already: {', '.join(finished)}")
    place.run(run, waiting, unit)

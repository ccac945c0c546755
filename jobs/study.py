"""What studies share: runs of other jobs that are found again or run, and the files that a study leaves."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields
from hashlib import blake2b
from typing import Any, NamedTuple, get_type_hints

from gapscope.cnn.presets import PRESETS
from gapscope.core.files import read_json, write_json
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.data.dataset import Dataset
from gapscope.jobs import JOBS
from gapscope.runs.connection import connected
from gapscope.runs.folder import MANIFEST
from gapscope.schemas.run import Input
from gapscope.stream.workers import Shown

TRAINING = "train-cnn"
PAGE, FINDINGS, FIGURES = "study.md", "study.json", "figures"
# Options that say where a run works and what it leaves beside its results; whatever they are, it is the same run. What
# class lists and labels say is in the listings of the images.
PLACES = frozenset({"workspace", "data_root", "device", "memory", "classes", "labels", "report"})
# Options that a page leaves out of the command that makes its study again.
UNTOLD = frozenset({"workspace", "data_root", "name", "scheduler", "cluster", "workers", "device", "memory", "report"})


class Cell(NamedTuple):
    """A training of a study: its name there, the options of its run, the run's folder, and its kind where a study tells
    several apart.
    """

    name: str
    options: Mapping[str, Any]
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
        """What a study says that it reads: the hash of the training's options, and the images it learnt from."""
        manifest = self.manifest()
        settings = json.dumps(manifest["config"], sort_keys=True).encode()
        made = blake2b(settings, digest_size=16).hexdigest()
        return Input(place=str(self.place), config_hash=made, rows=manifest["inputs"][0]["rows"])


def mark_of(options: Mapping[str, Any], dataset: Dataset, splits: Sequence[str]) -> str:
    """A few letters that differ when a run differs: in its options, its preset, or the names and labels of images."""
    decides = {name: value for name, value in options.items() if name not in PLACES}
    decides["of the preset"] = dict(PRESETS[options["preset"]].options) if options.get("preset") else {}
    decides["images"] = [dataset.source(split).listing.fingerprint().hash for split in splits]
    return blake2b(json.dumps(decides, sort_keys=True, default=str).encode(), digest_size=4).hexdigest()


def run_cells(cells: Sequence[Cell], config: Any, progress: Progress) -> None:
    """Run the trainings that are not finished yet; on a cluster each is a task, here one follows the other.

    A task whose worker dies runs again on another, and continues from the checkpoint in its run folder.
    """
    waiting = [cell for cell in cells if not cell.is_finished()]
    if len(waiting) < len(cells):
        done = ", ".join(cell.name for cell in cells if cell not in waiting)
        progress.say(f"{len(cells) - len(waiting)} of {len(cells)} trainings are there already: {done}")
    if is_spread(config):
        spread(train, [cell.options for cell in waiting], config, progress, "trainings")
        return
    for number, cell in enumerate(waiting, start=1):
        progress.say(f"training {cell.name}, {number} of {len(waiting)}")
        train(cell.options, progress)


def is_spread(config: Any) -> bool:
    """Whether the options name a cluster."""
    return bool(config.scheduler or config.cluster or config.workers is not None)


def spread(function: Any, items: Sequence[Any], config: Any, progress: Progress, unit: str) -> None:
    """``function(item)`` of each item as a task of the cluster that the options name; none is started for nothing."""
    if not items:
        return
    with connected(config, progress) as workers, progress.task("work", len(items), unit) as task:
        workers.each(function, items, lambda _index: task.advance(), Shown(unit, progress.say))


def train(options: Mapping[str, Any], progress: Progress = SILENT) -> str:
    """Run one training; the folder of its run."""
    return run_job(TRAINING, options, progress)


def run_job(name: str, options: Mapping[str, Any], progress: Progress = SILENT) -> str:
    """Run a job with some options; the folder of its run."""
    job = JOBS[name]
    return job(get_type_hints(job)["config"](**options), progress).run


def command_of(name: str, config: Any) -> str:
    """The command line that makes the same study again."""
    words = ["python", "cli.py", name]
    for one in fields(config):
        value = getattr(config, one.name)
        if one.name in UNTOLD or value == one.default:
            continue
        given = [] if value is True else [str(part) for part in (value if isinstance(value, tuple) else (value,))]
        words += [f"--{one.name.replace('_', '-')}", *given]
    return shlex.join(words)


class Leaves(NamedTuple):
    """What a study writes: its findings, tables as Parquet and pictures as PNG by name."""

    findings: Mapping[str, Any]
    tables: Mapping[str, bytes]
    pictures: Mapping[str, bytes]

    def write(self, tables: Location, pictures: Location) -> None:
        """All of it, into two folders that may be one."""
        files = {tables / f"{name}.parquet": table for name, table in self.tables.items()}
        files |= {pictures / f"{name}.png": picture for name, picture in self.pictures.items()}
        for place, content in files.items():
            place.write_bytes(content)
        write_json(tables / FINDINGS, self.findings, allow_nan=False)

"""The trainings of a study: runs of `train-cnn`, here or on the workers of a cluster."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_type_hints

from engine.cnn.presets import PRESETS
from engine.core.errors import unknown_name
from engine.core.location import Location
from engine.core.progress import SILENT, Progress
from engine.report.augmentation.answers import BOTH, NOTHING, REMEDY, SYNTHETIC
from engine.report.augmentation.findings import AUGMENTATION
from engine.store.workspace import slug
from engine.stream.workers import Shown
from jobs import JOBS
from jobs.connection import connected
from jobs.folder import MANIFEST
from jobs.study_augmentation.config import StudyAugmentationConfig
from jobs.study_augmentation.sets import Studied, SyntheticSet, mark_of, opened_as

JOB = "train-cnn"
# Options of the study that its trainings take as they are.
TAKEN = (
    *("split", "validation", "preset", "network", "image_size", "epochs", "batch_size", "optimizer", "lr"),
    *("weight_decay", "schedule", "keep", "seeds", "seed", "device", "memory", "classes", "labels"),
)
PLAIN = {"augment": (), "class_weight": "none", "sampler": "shuffled"}
MIXTURES = {"mixup": ("mixup:0.2",), "cutmix": ("cutmix:1",)}
REMEDIES = ("class-weights", "balanced-sampler", AUGMENTATION, *MIXTURES)


class Cell(NamedTuple):
    """A training: what the study calls it, what it adds to the first, the options of its run, and the run's folder."""

    name: str
    kind: str
    options: Mapping[str, Any]
    place: Location

    def manifest(self) -> dict[str, Any]:
        """That of the run; empty where there is none."""
        place = self.place / MANIFEST
        return json.loads(place.read_text()) if place.exists() else {}

    def is_finished(self) -> bool:
        """Whether an earlier run has left the training complete."""
        return self.manifest().get("status") == "complete"


def check_remedies(config: StudyAugmentationConfig) -> None:
    """Refuse remedies and presets that do not exist."""
    for name in config.remedies:
        if name not in REMEDIES:
            raise unknown_name("remedy", name, REMEDIES)
    if config.preset and config.preset not in PRESETS:
        raise unknown_name("preset", config.preset, PRESETS)


def cells_of(config: StudyAugmentationConfig, what: Studied, sets: Sequence[SyntheticSet]) -> list[Cell]:
    """The training on the original images, those with a remedy, and those with each of the finished `sets` that has an
    image, by itself and with plain augmentation.
    """
    cells = [_cell(config, what, NOTHING, NOTHING, {})]
    cells += [_cell(config, what, name, REMEDY, _remedy(config, name)) for name in dict.fromkeys(config.remedies)]
    return cells + [cell for one in sets for cell in _with_set(config, what, one)]


def _remedy(config: StudyAugmentationConfig, name: str) -> dict[str, Any]:
    known = {
        "class-weights": {"class_weight": "balanced"},
        "balanced-sampler": {"sampler": "balanced"},
        AUGMENTATION: {"augment": config.augment},
    }
    return known.get(name) or {"augment": MIXTURES[name]}


def _with_set(config: StudyAugmentationConfig, what: Studied, one: SyntheticSet) -> Iterator[Cell]:
    record = one.record()
    if not record["images"]:
        return
    share = record["learnt"] / (record["learnt"] + record["images"])
    own = {"dataset": opened_as(what, one), "epochs": max(1, round(config.epochs * share))}
    yield _cell(config, what, one.name, SYNTHETIC, own)
    if AUGMENTATION in config.remedies:
        yield _cell(config, what, f"{one.name} + {AUGMENTATION}", BOTH, own | {"augment": config.augment})


def _cell(config: StudyAugmentationConfig, what: Studied, name: str, kind: str, extra: Mapping[str, Any]) -> Cell:
    """A training; all its seeds are one run: they read the same images, decoded once."""
    workspace = Location.of(config.workspace).absolute()
    options = {one: getattr(config, one) for one in TAKEN} | PLAIN
    options |= {
        "dataset": what.asked,
        "evaluate_on": tuple(f"{what.asked}/{split}" for split in config.test_split),
        "workspace": str(workspace),
        "data_root": config.data_root.absolute(),
        **extra,
    }
    called = slug(f"study-{what.dataset.name}-{name}-{mark_of(options)}")
    return Cell(name, kind, options | {"name": called}, workspace / "runs" / f"{JOB}-{called}")


def run_cells(cells: Sequence[Cell], config: StudyAugmentationConfig, progress: Progress) -> None:
    """Run the trainings that are not finished yet; on a cluster each is a task, here one follows the other.

    A task whose worker dies runs again on another, and continues from the checkpoint in its run folder.
    """
    waiting = [cell for cell in cells if not cell.is_finished()]
    if len(waiting) < len(cells):
        progress.say(f"{len(cells) - len(waiting)} of {len(cells)} trainings are there already")
    if waiting and (config.scheduler or config.cluster or config.workers is not None):
        items = [cell.options for cell in waiting]
        with connected(config, progress) as workers, progress.task("train", len(items), "trainings") as task:
            workers.each(train, items, lambda _index: task.advance(), Shown("study-augmentation", progress.say))
        return
    for number, cell in enumerate(waiting, start=1):
        progress.say(f"training with {cell.name}, {number} of {len(waiting)}")
        train(cell.options, progress)


def train(options: Mapping[str, Any], progress: Progress = SILENT) -> str:
    """Run one training; the folder of its run."""
    job = JOBS[JOB]
    return job(get_type_hints(job)["config"](**options), progress).run

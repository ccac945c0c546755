"""The images of a study: the dataset, and the synthetic sets that runs of `augment` make for it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gapscope.backbones.arguments import parse_backbone_args
from gapscope.core.errors import InputError, unknown_name
from gapscope.core.files import read_json, read_table
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.data.catalogue import open_dataset
from gapscope.data.dataset import Dataset
from gapscope.data.datasets import DATASETS
from gapscope.data.synthetic import FOLDER, record_of, sets_folder
from gapscope.generators import GENERATORS
from gapscope.generators.features import FEATURE_GENERATORS
from gapscope.generators.recipe import recipe_of
from gapscope.jobs.study import is_spread, mark_of, run_job, spread
from gapscope.jobs.study_augmentation.config import StudyAugmentationConfig
from gapscope.runs.folder import MANIFEST, TABLE
from gapscope.store.workspace import slug

JOB = "augment"
# Options that `augment` and the study share.
SHARED = (
    *("split", "validation", "surplus", "backbone", "backbone_args"),
    *("seed", "device", "memory", "classes", "labels"),
)
# Methods that change training images; they work at the size of the network.
UNTRAINED = ("augment-only", "mixup-pixels", "cutmix")


class Studied(NamedTuple):
    """The dataset: what is asked for, and what that opens."""

    asked: str
    dataset: Dataset


class SyntheticSet(NamedTuple):
    """A set: what the study calls it, the options of the run that makes it, the run's folder, and the set's."""

    name: str
    options: Mapping[str, Any]
    run: Location
    place: Location

    def is_finished(self) -> bool:
        """Whether an earlier run has left it complete."""
        manifest = self.run / MANIFEST
        done = manifest.exists() and read_json(manifest)["status"] == "complete"
        return done and self.record().get("status") == "complete"

    def record(self) -> dict[str, Any]:
        """What the set's manifest says."""
        return record_of(self.place)


def studied(config: StudyAugmentationConfig) -> Studied:
    """The dataset under a name that workers in other folders understand too.

    Raises
    ------
    InputError
        It is not there, or lacks a split.
    """
    name = config.dataset
    if name not in DATASETS and Path(name).expanduser().exists():
        name = str(Path(name).expanduser().absolute())
    if config.rows < 0:
        raise InputError(f"--rows is {config.rows}; give a number of images, or 0 for all")
    asked = f"{name}@{config.rows}" if config.rows else name
    options = {"classes": config.classes, "labels": config.labels, "seed": config.seed, "workspace": config.workspace}
    dataset = open_dataset(asked, config.data_root, **options)
    if not config.test_split or config.split in config.test_split:
        raise InputError(f"--test-split must name splits other than {config.split}, which is learnt from")
    for split in (config.split, *config.test_split):
        dataset.source(split)
    return Studied(asked, dataset)


def sets_of(config: StudyAugmentationConfig, what: Studied) -> list[SyntheticSet]:
    """The synthetic sets that the study asks for.

    Raises
    ------
    InputError
        A method or a setting of one is unknown, or something is not written as it should be.
    """
    settings = settings_of(config.settings)
    for method, given in settings.items():
        if method not in FEATURE_GENERATORS:
            _check_method(method)
        recipe_of(method, parse_backbone_args(given))
    return [_set(config, what, one, settings) for one in dict.fromkeys(config.synthetic)]


def _set(config: StudyAugmentationConfig, what: Studied, one: str, settings: Mapping[str, list[str]]) -> SyntheticSet:
    method, _, balance = one.partition(":")
    _check_method(method)
    workspace = Location.of(config.workspace).absolute()
    size = None if method in UNTRAINED else config.synthetic_size
    options = {name: getattr(config, name) for name in SHARED} | {
        "dataset": what.asked,
        "method": method,
        "balance": balance or "to-max",
        "image_size": size or config.image_size,
        "settings": tuple(settings.get(method, ())),
        "weights": config.backbone_weights,
        "workspace": str(workspace),
        "data_root": config.data_root.absolute(),
    }
    name = f"study-{method}-{options['balance']}-{mark_of(options, what.dataset, (config.split, *config.test_split))}"
    run = workspace / "runs" / f"{JOB}-{slug(what.dataset.name)}-{slug(name)}"
    place = sets_folder(workspace, what.dataset.name) / slug(name)
    return SyntheticSet(f"{method} {options['balance']}", options | {"name": name}, run, place)


def settings_of(texts: Sequence[str]) -> dict[str, list[str]]:
    """``method:name=value`` texts by method."""
    found: dict[str, list[str]] = {}
    for text in texts:
        method, separator, setting = text.partition(":")
        if not separator or "=" not in setting:
            raise InputError(f"--settings {text} cannot be understood; write it as method:name=value")
        found.setdefault(method, []).append(setting)
    return found


def _check_method(method: str) -> None:
    if method not in GENERATORS:
        raise unknown_name("generator", method, GENERATORS)


def make_sets(sets: Sequence[SyntheticSet], config: StudyAugmentationConfig, progress: Progress) -> None:
    """Make the sets that are not there yet; those of one method after another, for they share a generator."""
    waiting: dict[str, list[Mapping[str, Any]]] = {}
    for one in sets:
        if not one.is_finished():
            waiting.setdefault(one.options["method"], []).append(one.options)
    if is_spread(config):
        spread(augment_all, [*waiting.values()], config, progress, "generators")
        return
    for method, options in waiting.items():
        progress.say(f"making synthetic images with {method}")
        augment_all(options, progress)


def augment_all(several: Sequence[Mapping[str, Any]], progress: Progress = SILENT) -> list[str]:
    """Run `augment` with each of some options; the folders of the runs."""
    return [run_job(JOB, options, progress) for options in several]


def opened_as(what: Studied, one: SyntheticSet) -> str:
    """The name under which the dataset opens with the set."""
    return f"{what.asked}+{FOLDER}:{one.place.name}"


def told_of(one: SyntheticSet) -> dict[str, Any]:
    """Name, method and balance of a set, images made and kept, and what the checks found of all of them."""
    place = one.run / TABLE
    rows = read_table(place).to_pylist()
    found = {row["metric"]: row["value"] for row in rows if row["class"] is None}
    about = {"name": one.name, "method": one.options["method"], "balance": one.options["balance"]}
    return about | found | {name: int(found[name]) for name in ("made", "kept")}

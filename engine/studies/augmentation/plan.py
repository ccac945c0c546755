"""The trainings of a study of augmentation: without anything, with a remedy, with synthetic images or features."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gapscope.cnn.division import divide
from gapscope.core.errors import InputError, unknown_name
from gapscope.core.progress import SILENT, Progress
from gapscope.data.dataset import Dataset
from gapscope.data.synthetic import FOLDER
from gapscope.generators.balance import targets
from gapscope.generators.features import FEATURE_GENERATORS
from gapscope.studies.augmentation.findings import AUGMENTATION, REFITTED
from gapscope.studies.augmentation.predictions import BOTH, FEATURES, HEAD, NOTHING, REMEDY, SYNTHETIC
from gapscope.studies.augmentation.synthetic_sets import TO_MAX, SyntheticSet
from gapscope.studies.memory import check_trainings
from gapscope.studies.trainings import Options, Training, mark_of, training_of

PLAIN = {"augment": (), "class_weight": "none", "sampler": "shuffled"}
MIXTURES = {"mixup": ("mixup:0.2",), "cutmix": ("cutmix:1",)}
REMEDIES = ("class-weights", "balanced-sampler", AUGMENTATION, *MIXTURES)
# Methods that make no rows, by what the study calls them.
WITHOUT_ROWS = {"none": REFITTED, "class-balanced": "head class-balanced"}
REFIT = "refit-head"


class Plan(NamedTuple):
    """What all trainings have in common.

    Attributes
    ----------
    opened_as
        The name under which the dataset is opened.
    split, test_splits
        To train and to test on.
    augment
        What augmentation is, as in `train-cnn`.
    options
        Those of `train-cnn` that all trainings have.
    """

    dataset: Dataset
    opened_as: str
    split: str
    test_splits: tuple[str, ...]
    augment: tuple[str, ...]
    options: Options

    def mark(self, options: Options) -> str:
        """A few letters that differ where runs with these options do."""
        return mark_of(options, self.dataset, (self.split, *self.test_splits))

    def training(self, name: str, kind: str, own: Mapping[str, Any]) -> Training:
        """A training; all its seeds are one run: they read the same images, decoded once."""
        evaluate = tuple(f"{self.opened_as}/{split}" for split in self.test_splits)
        options = {**self.options, **PLAIN, "dataset": self.opened_as, "evaluate": evaluate, **own}
        return training_of(self.dataset.name, name, options, self.mark(options), kind)

    def check_memory(self, trainings: int) -> None:
        """Refuse, before the first of so many `trainings`, more predictions than fit.

        Raises
        ------
        BudgetError
            The projected need is above what is allowed.
        """
        images = sum(len(self.dataset.source(split).listing) for split in self.test_splits)
        networks = trainings * self.options["seeds"]
        check_trainings(self.dataset.name, networks, 1, images, self.options["memory"])


def check_remedies(names: Sequence[str]) -> None:
    """Refuse remedies that do not exist."""
    for name in names:
        if name not in REMEDIES:
            raise unknown_name("remedy", name, REMEDIES)


def trainings_of(plan: Plan, remedies: Sequence[str], sets: Sequence[SyntheticSet]) -> list[Training]:
    """The training on the original images, those with a remedy, and those with each of the finished `sets` that has an
    image, by itself and with plain augmentation.
    """
    options = {
        "class-weights": {"class_weight": "balanced"},
        "balanced-sampler": {"sampler": "balanced"},
        AUGMENTATION: {"augment": plan.augment},
        **{name: {"augment": augment} for name, augment in MIXTURES.items()},
    }
    return [
        plan.training(NOTHING, NOTHING, {}),
        *(plan.training(name, REMEDY, options[name]) for name in dict.fromkeys(remedies)),
        *(one for made in sets for one in _with_set(plan, made, augmented=AUGMENTATION in remedies)),
    ]


def _with_set(plan: Plan, made: SyntheticSet, *, augmented: bool) -> Iterator[Training]:
    """Trainings that see as many images as the others, however large their set is."""
    record = made.record()
    if not record["images"]:
        return
    share = record["learnt"] / (record["learnt"] + record["images"])
    own = {
        "dataset": f"{plan.opened_as}+{FOLDER}:{made.place.name}",
        "epochs": max(1, round(plan.options["epochs"] * share)),
    }
    yield plan.training(made.name, SYNTHETIC, own)
    if augmented:
        yield plan.training(f"{made.name} + {AUGMENTATION}", BOTH, own | {"augment": plan.augment})


class HeadMethod(NamedTuple):
    """A method of `refit-head`, and how many rows it makes of each class; empty where it makes none."""

    method: str
    balance: str

    @property
    def name(self) -> str:
        """What the study calls it."""
        return f"{self.method} {self.balance} (features)" if self.balance else WITHOUT_ROWS[self.method]


def head_methods(named: Sequence[str]) -> list[HeadMethod]:
    """The methods that are named, the control first; none where none is.

    Raises
    ------
    InputError
        A method is unknown, or something is not written as it should be.
    """
    return [_head_method(one) for one in dict.fromkeys(("none", *named))] if named else []


def _head_method(named: str) -> HeadMethod:
    method, separator, balance = named.partition(":")
    if method not in FEATURE_GENERATORS and method not in WITHOUT_ROWS:
        raise unknown_name("method of refit-head", method, [*WITHOUT_ROWS, *FEATURE_GENERATORS])
    if method in WITHOUT_ROWS:
        if separator:
            raise InputError(f"--features {named} asks for rows, but {method} makes none; write it as {method}")
        return HeadMethod(method, "")
    targets([1, 1], balance or TO_MAX)
    return HeadMethod(method, balance or TO_MAX)


def heads_of(
    plan: Plan,
    methods: Sequence[HeadMethod],
    first: Training,
    settings: Mapping[str, Sequence[str]],
    progress: Progress = SILENT,
) -> list[Training]:
    """The runs of `refit-head` that train the last layer of the networks of the run `first` again.

    Without those that would have nothing to make, because no class is smaller than others.
    """
    if not methods:
        return []
    listing, name = plan.dataset.source(plan.split).listing, f"{plan.dataset.name}/{plan.split}"
    rows = divide(listing, np.arange(len(listing)), plan.options["validation"], plan.options["seed"], name)
    counts = np.bincount(listing.labels[rows.train], minlength=len(listing.class_names))
    empty = [one for one in methods if one.balance and not targets(counts, one.balance).any()]
    for one in empty:
        progress.say(f"no class of {name} is smaller than others, so there is nothing to add for {one.name}")
    return [_head(plan, one, first, settings.get(one.method, ())) for one in methods if one not in empty]


def _head(plan: Plan, one: HeadMethod, first: Training, settings: Sequence[str]) -> Training:
    options = {name: plan.options[name] for name in ("device", "memory", "report", "workspace", "data_root")} | {
        "run": first.place.name,
        "method": one.method,
        "balance": one.balance or TO_MAX,
        "settings": tuple(settings),
    }
    kind = FEATURES if one.balance else HEAD
    return training_of(plan.dataset.name, one.name, options, plan.mark(options), kind, REFIT)

"""Which options hold: those that are given, then those of the preset, then the usual ones; and whether they agree."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from gapscope.cnn.augment import parse_augmentation
from gapscope.cnn.presets import PRESETS
from gapscope.cnn.recipe import Recipe
from gapscope.core.errors import InputError, unknown_name
from gapscope.data.modifications.modification import Modification, parse

# Values of options that neither the command nor a preset gives; those of `Recipe` are its own.
USUAL = {
    "network": "simple-cnn",
    "pretrained": False,
    "network_args": (),
    "validation": 0.1,
    "modify": "",
    "modify_probability": 0.5,
}

# Of those that every run has, the usual ones: what is typed again says nothing of them.
ONCE = {"split": "train", "interpolate": 1.0, "seeds": 1, "processes": 1, "report": True}
ONCE |= dict.fromkeys(("device", "precision"), "auto")
# What a run's manifest calls the options whose names have changed since.
RECORDED = {"evaluate": "evaluate_on", "learning_rate": "lr", "body_learning_rate": "body_lr"}


@dataclass(frozen=True, kw_only=True)
class Request(Recipe):
    """What a training is to be, the fields of its recipe among them; `settle` makes one with every option filled in.
    Names are those in a run's manifest.

    Attributes
    ----------
    evaluate_on
        Sets to evaluate on, as dataset/split; the other splits and companion datasets where none is named.
    network_args
        ``name=value`` of the network's constructor and of its input.
    interpolate
        How far to go from the weights that training begins with to those that it ends with.
    modify, modify_probability
        What training images go through by chance, and that chance.
    validation
        Share of the training images to validate on.
    seeds, seed
        How many trainings, and the first seed.
    processes
        Processes that train one network together.
    """

    preset: str
    dataset: str
    split: str
    evaluate_on: tuple[str, ...]
    network: str
    pretrained: bool
    weights: str
    interpolate: float
    network_args: tuple[str, ...]
    image_size: int | None
    modify: str
    modify_probability: float
    validation: float
    seeds: int
    processes: int
    device: str
    precision: str
    memory: str
    scheduler: str | None
    cluster: str
    workers: int | None
    classes: Path | None
    labels: Path | None
    path_column: str
    label_column: str
    workspace: str
    data_root: Path
    name: str
    report: bool


def settle(given: Mapping[str, Any]) -> Request:
    """The request of the options `given`, None where one is left to the preset, else to what is usual.

    Raises
    ------
    InputError
        There is no such preset, nothing names a dataset, or options contradict each other.
    """
    preset = given["preset"]
    if preset and preset not in PRESETS:
        raise unknown_name("preset", preset, PRESETS)
    usual = USUAL | {one.name: one.default for one in fields(Recipe) if one.name != "seed"}
    usual |= dict(PRESETS[preset].options) if preset else {}
    options = dict(given) | {name: value for name, value in usual.items() if given.get(name) is None}
    if options["dataset"] is None:
        raise InputError("nothing to train on; name images with --dataset NAME or PATH, or a training with --preset")
    for name in ("seeds", "processes"):
        if options[name] < 1:
            raise InputError(f"--{name} is {options[name]}; give 1 or more")
    if options["processes"] > 1 and (options["scheduler"] or options["cluster"]):
        raise InputError(
            f"--processes {options['processes']} train on this machine, --scheduler and --cluster elsewhere; choose one"
        )
    return Request(**options)


def command_of(options: Mapping[str, Any], workspace: str) -> str:
    """What is typed to train with the `options` of a run's manifest again, in the `workspace` where it lies."""
    usual = USUAL | {one.name: one.default for one in fields(Recipe)} | ONCE
    typed = {recorded: option for option, recorded in RECORDED.items()}
    words = ["train-cnn", str(options["dataset"])]
    for name, value in (dict(options) | {"workspace": workspace}).items():
        given = tuple(value) if isinstance(value, list) else value
        if name == "dataset" or given in (None, "", (), False) or given == usual.get(name):
            continue
        words.append(f"--{typed.get(name, name).replace('_', '-')}")
        words += [] if given is True else [str(one) for one in (given if isinstance(given, tuple) else (given,))]
    return shlex.join(words)


def recipe_of(request: Request) -> Recipe:
    """The part of a settled configuration that a training needs, checked.

    Raises
    ------
    InputError
        A value means nothing, or options contradict each other.
    """
    recipe = Recipe(**{one.name: getattr(request, one.name) for one in fields(Recipe)})
    recipe.check()
    parse_augmentation(recipe.augment, 2)
    if recipe.patience and not request.validation:
        raise InputError(f"--patience {recipe.patience} watches the validation loss; give --validation above 0 with it")
    return recipe


def modifications_of(request: Request) -> tuple[Modification, ...]:
    """What training images go through by chance; nothing where a settled configuration asks for nothing.

    Raises
    ------
    InputError
        There is no such modification, or the probability is none.
    """
    if not 0 <= request.modify_probability <= 1:
        raise InputError(
            f"--modify-probability is {request.modify_probability}; give a number from 0 to 1, such as 0.5"
        )
    return parse(request.modify) if request.modify else ()

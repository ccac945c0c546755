"""Which options hold: those that are given, then those of the preset, then the usual ones; and whether they agree."""

from dataclasses import fields, replace

from gapscope.cnn.augment import parse_augmentation
from gapscope.cnn.presets import PRESETS
from gapscope.cnn.recipe import Recipe
from gapscope.core.errors import InputError, unknown_name
from gapscope.data.modifications.modification import Modification, parse
from gapscope.jobs.train_cnn.config import TrainCnnConfig

# Values of options that neither the command nor a preset gives; those of `Recipe` are its own.
USUAL = {
    "network": "simple-cnn",
    "pretrained": False,
    "network_args": (),
    "validation": 0.1,
    "modify": "",
    "modify_probability": 0.5,
}


def settled(config: TrainCnnConfig) -> TrainCnnConfig:
    """The configuration with every option filled in: as given, else by the preset, else as usual.

    Raises
    ------
    InputError
        There is no such preset, or nothing names a dataset.
    """
    if config.preset and config.preset not in PRESETS:
        raise unknown_name("preset", config.preset, PRESETS)
    options = dict(PRESETS[config.preset].options) if config.preset else {}
    usual = USUAL | {one.name: one.default for one in fields(Recipe) if one.name != "seed"} | options
    found = replace(config, **{name: value for name, value in usual.items() if getattr(config, name) is None})
    if found.dataset is None:
        raise InputError("nothing to learn from; name images with --dataset NAME or PATH, or a training with --preset")
    for name in ("seeds", "processes"):
        if getattr(found, name) < 1:
            raise InputError(f"--{name} is {getattr(found, name)}; give 1 or more")
    if found.processes > 1 and (found.scheduler or found.cluster):
        raise InputError(
            f"--processes {found.processes} train on this machine, --scheduler and --cluster elsewhere; choose one"
        )
    return found


def recipe_of(config: TrainCnnConfig) -> Recipe:
    """The part of a settled configuration that a training needs, checked.

    Raises
    ------
    InputError
        A value means nothing, or options contradict each other.
    """
    recipe = Recipe(**{one.name: getattr(config, one.name) for one in fields(Recipe)})
    recipe.check()
    parse_augmentation(recipe.augment, 2)
    if recipe.patience and not config.validation:
        raise InputError(f"--patience {recipe.patience} watches the validation loss; give --validation above 0 with it")
    return recipe


def modifications_of(config: TrainCnnConfig) -> tuple[Modification, ...]:
    """What training images go through by chance; nothing where a settled configuration asks for nothing.

    Raises
    ------
    InputError
        There is no such modification, or the probability is none.
    """
    if not 0 <= config.modify_probability <= 1:
        raise InputError(f"--modify-probability is {config.modify_probability}; give a number from 0 to 1, such as 0.5")
    return parse(config.modify) if config.modify else ()

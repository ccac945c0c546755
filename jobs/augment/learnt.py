"""The generator of a run: trained, or found where an earlier run has left it."""

from dataclasses import asdict
from hashlib import blake2b
from typing import Any, NamedTuple

from gapscope.backbones import parse_backbone_args
from gapscope.backbones.backbone import choose_device
from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.core.errors import unknown_name
from gapscope.core.hashing import digest_json
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.generators import GENERATORS
from gapscope.generators.features import FEATURE_GENERATORS
from gapscope.generators.generator import DESCRIPTION, Generator, Method, load_generator
from gapscope.generators.recipe import recipe_of
from gapscope.jobs.augment.config import AugmentConfig
from gapscope.jobs.augment.lesson import Lesson

FOLDER, CHECKPOINT, MARK = "generators", "checkpoint", 12


class Learnt(NamedTuple):
    """A generator, the folder that it is in, and a few letters that differ where its images would."""

    generator: Generator
    place: Location
    mark: str


def method_of(config: AugmentConfig) -> tuple[Method, Any]:
    """The method that is asked for, and its recipe, checked.

    Raises
    ------
    InputError
        There is no such method, it has no such setting, or a value means nothing.
    """
    if config.method not in GENERATORS:
        raise unknown_name("generator", config.method, {*GENERATORS, *FEATURE_GENERATORS})
    return GENERATORS[config.method], recipe_asked(config)


def recipe_asked(config: AugmentConfig) -> Any:
    """The recipe of the method, a frozen dataclass, with what is asked for, checked.

    Raises
    ------
    InputError
        There is no such setting, or a value means nothing.
    """
    given = parse_backbone_args(config.settings) | ({"steps": config.steps} if config.steps is not None else {})
    return recipe_of(config.method, given, config.seed)


def learnt(config: AugmentConfig, lesson: Lesson, workspace: Location, progress: Progress) -> Learnt:
    """The generator, trained on the lesson's images and on nothing else; continues where it was interrupted.

    It is kept by what it was made from, so that other balances, and other settings of sampling, use it again.
    """
    method, recipe = method_of(config)
    device = str(choose_device(config.device))
    pixels = blake2b(lesson.pixels.tobytes(), digest_size=16).hexdigest()
    made_of = [method.name, method.training(recipe), pixels, lesson.labels.tolist(), list(lesson.frame)]
    place = workspace / FOLDER / f"{method.name}-{digest_json(made_of)[:MARK]}"
    mark = digest_json([*made_of, asdict(recipe), config.seed])[:MARK]
    checkpoint = FolderCheckpoint(place / CHECKPOINT)
    if (place / DESCRIPTION).exists():
        checkpoint.folder.delete_folder()  # it is left where a kill came between saving and this
        progress.say(f"the generator is trained already: {place}")
        found = load_generator(place, device)
        return Learnt(found.changed(**{name: getattr(recipe, name) for name in method.free}), place, mark)
    if checkpoint.folder.names():
        progress.say("continuing the training of the generator that was interrupted")
    classes = len(lesson.class_names)
    generator = method.train(lesson.pixels, lesson.labels, classes, recipe, checkpoint, progress, device)
    generator.save(place)
    checkpoint.folder.delete_folder()
    return Learnt(generator, place, mark)

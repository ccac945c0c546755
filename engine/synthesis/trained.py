"""The generator of a run: trained, or read where an earlier run has left it."""

from dataclasses import asdict
from hashlib import blake2b
from typing import NamedTuple

from gapscope.backbones.backbone import choose_device
from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.core.hashing import digest_json
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.generators import GENERATORS
from gapscope.generators.generator import DESCRIPTION, Generator, load_generator
from gapscope.synthesis.request import Request
from gapscope.synthesis.training_images import TrainingImages

FOLDER, CHECKPOINT, MARK = "generators", "checkpoint", 12


class TrainedGenerator(NamedTuple):
    """A generator, the folder that it is in, and a few letters that differ where its images would."""

    generator: Generator
    place: Location
    mark: str


def trained_generator(
    request: Request, data: TrainingImages, workspace: Location, progress: Progress
) -> TrainedGenerator:
    """The generator, trained on the training images and on nothing else; continues where it was interrupted.

    It is stored by what it was made from, so that other balances, and other settings of sampling, use it again.
    """
    method, recipe = GENERATORS[request.method], request.recipe
    device = str(choose_device(request.backbone.device))
    pixels = blake2b(data.pixels.tobytes(), digest_size=16).hexdigest()
    made_of = [method.name, method.training(recipe), pixels, data.labels.tolist(), list(data.frame)]
    place = workspace / FOLDER / f"{method.name}-{digest_json(made_of)[:MARK]}"
    mark = digest_json([*made_of, asdict(recipe), request.seed])[:MARK]
    checkpoint = FolderCheckpoint(place / CHECKPOINT)
    if (place / DESCRIPTION).exists():
        checkpoint.folder.delete_folder()  # it is left where a kill came between saving and this
        progress.say(f"the generator is trained already: {place}")
        stored = load_generator(place, device)
        return TrainedGenerator(stored.changed(**{name: getattr(recipe, name) for name in method.free}), place, mark)
    if checkpoint.folder.names():
        progress.say("continuing the training of the generator that was interrupted")
    classes = len(data.class_names)
    generator = method.train(data.pixels, data.labels, classes, recipe, checkpoint, progress, device)
    generator.save(place)
    checkpoint.folder.delete_folder()
    return TrainedGenerator(generator, place, mark)

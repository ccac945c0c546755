"""All that is known, and has been checked, before a network begins to learn."""

from typing import Any, NamedTuple

from gapscope.backbones.arguments import parse_backbone_args, split_arguments
from gapscope.cnn.division import check_labels
from gapscope.cnn.recipe import Recipe
from gapscope.core.errors import InputError
from gapscope.data.dataset import Dataset
from gapscope.data.modifications.modification import Modification
from gapscope.data.source import Source
from gapscope.jobs.train_cnn.config import TrainCnnConfig
from gapscope.jobs.train_cnn.settled import modifications_of, recipe_of
from gapscope.jobs.train_cnn.unseen import opened_dataset
from gapscope.jobs.train_cnn.weights import first_weights
from gapscope.networks import NETWORKS
from gapscope.networks.design import Design, State, library_size
from gapscope.networks.frame import Frame, own_frame, peek
from gapscope.schemas.run import Input


class Beginning(NamedTuple):
    """What a training is to be.

    Attributes
    ----------
    source
        The images to learn from and to validate on.
    state
        The tensors to begin with, and where they are from; None for random ones.
    modifications
        What training images go through by chance.
    notes
        Sentences for the user.
    """

    dataset: Dataset
    source: Source
    design: Design
    recipe: Recipe
    state: tuple[State, str] | None
    modifications: tuple[Modification, ...]
    notes: list[str]

    def record(self) -> Input:
        """What the run's manifest says of the images that are learnt from."""
        made = self.source.listing.fingerprint()
        return Input(place=self.dataset.place, config_hash=made.hash, rows=made.count)


def begun(config: TrainCnnConfig) -> Beginning:
    """What a settled configuration asks for, opened and checked; no image is decoded but a few to see their size.

    Raises
    ------
    InputError
        Something is not there, means nothing, or does not fit together.
    """
    recipe, modifications = recipe_of(config), modifications_of(config)
    dataset = opened_dataset(config, config.dataset)
    source = dataset.source(config.split)
    if not len(source.listing):
        raise InputError(f"{config.dataset}/{config.split} lists no image; nothing can be learnt")
    check_labels(source.listing.labels, source.listing, f"{dataset.name}/{config.split}")
    frame, note = _frame(config, source)
    design = Design(config.network, frame, len(source.listing.class_names), arguments(config)[0])
    design.check()
    state = first_weights(config, design)
    return Beginning(dataset, source, design, recipe, state, modifications, [note] * bool(note))


def arguments(config: TrainCnnConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of the network's constructor, and of its input."""
    return split_arguments(parse_backbone_args(config.network_args))


def _frame(config: TrainCnnConfig, source: Source) -> tuple[Frame, str]:
    """What the network's input looks like, and a sentence where images are scaled to it."""
    if config.image_size is not None and config.image_size < 1:
        raise InputError(f"--image-size is {config.image_size}; give a number of pixels, such as 64")
    if config.network in NETWORKS:
        return own_frame(peek(source), config.image_size)
    size = config.image_size or library_size(config.network)
    return Frame(size, size, 3), ""

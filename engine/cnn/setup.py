"""All that is known, and has been checked, before a network is trained."""

from dataclasses import replace
from typing import Any, NamedTuple

from gapscope.backbones.arguments import parse_backbone_args, split_arguments
from gapscope.cnn.division import check_labels
from gapscope.cnn.recipe import Recipe
from gapscope.cnn.request import Request, modifications_of, recipe_of
from gapscope.cnn.weights import first_weights
from gapscope.core.errors import InputError
from gapscope.data.catalogue import opened_by
from gapscope.data.dataset import Dataset
from gapscope.data.modifications.modification import Modification
from gapscope.data.source import Source
from gapscope.networks import NETWORKS
from gapscope.networks.design import Design, State, library_size
from gapscope.networks.frame import Frame, own_frame, peek
from gapscope.schemas.run import Input


class Setup(NamedTuple):
    """What a training is to be.

    Attributes
    ----------
    request
        What was asked for, the split as the data set calls it.
    source
        The images to train on and to validate on.
    state
        The tensors to begin with, and where they are from; None for random ones.
    modifications
        What training images go through by chance.
    notes
        Sentences for the user.
    """

    request: Request
    dataset: Dataset
    source: Source
    design: Design
    recipe: Recipe
    state: tuple[State, str] | None
    modifications: tuple[Modification, ...]
    notes: list[str]

    def record(self) -> Input:
        """What the run's manifest says of the training images."""
        made = self.source.listing.fingerprint()
        return Input(place=self.dataset.place, config_hash=made.hash, rows=made.count)


def set_up(request: Request) -> Setup:
    """What a request asks for, opened and checked; no image is decoded but a few to see their size.

    Raises
    ------
    InputError
        Something is not there, means nothing, or does not fit together.
    """
    recipe, modifications = recipe_of(request), modifications_of(request)
    dataset = opened_by(request, request.dataset)
    request = replace(request, split=dataset.called(request.split))
    if request.split not in dataset.choices:
        for split in dataset.splits:  # images without labels are not divided
            check_labels(dataset.source(split).listing.labels, dataset.source(split).listing, f"{dataset.name}/{split}")
    source = dataset.source(request.split)
    if not len(source.listing):
        raise InputError(f"{request.dataset}/{request.split} lists no image; there is nothing to train on")
    check_labels(source.listing.labels, source.listing, f"{dataset.name}/{request.split}")
    frame, note = _frame(request, source)
    design = Design(request.network, frame, len(source.listing.class_names), arguments(request)[0])
    design.check()
    state = first_weights(request, design)
    return Setup(request, dataset, source, design, recipe, state, modifications, [note] * bool(note))


def arguments(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of the network's constructor, and of its input."""
    return split_arguments(parse_backbone_args(request.network_args))


def _frame(request: Request, source: Source) -> tuple[Frame, str]:
    """What the network's input looks like, and a sentence where images are scaled to it."""
    if request.image_size is not None and request.image_size < 1:
        raise InputError(f"--image-size is {request.image_size}; give a number of pixels, such as 64")
    if request.network in NETWORKS:
        return own_frame(peek(source), request.image_size)
    size = request.image_size or library_size(request.network)
    return Frame(size, size, 3), ""

"""The images that a generator is trained on, which are those that a network would be trained on, and no other."""

from dataclasses import dataclass

import numpy as np

from gapscope.cnn.division import Division, divide
from gapscope.cnn.images import Held, open_images, usable
from gapscope.core.budget import mib
from gapscope.core.errors import BudgetError, InputError
from gapscope.core.progress import Progress
from gapscope.data.dataset import Dataset
from gapscope.data.source import Source
from gapscope.generators.balance import targets
from gapscope.networks.frame import Frame, own_frame, peek
from gapscope.realism.agreement import check_counts
from gapscope.synthesis.request import Request


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """A split of a dataset, decoded and divided.

    Attributes
    ----------
    images
        All of the split, in the frame of the new ones.
    rows
        Those that the generator sees, and those that it must not see.
    wanted : (classes,) int64
        New images of each class.
    notes
        Sentences for the user.
    """

    dataset: Dataset
    source: Source
    images: Held
    rows: Division
    wanted: np.ndarray
    notes: tuple[str, ...]

    @property
    def frame(self) -> Frame:
        """The form of old and new images."""
        return self.images.frame

    @property
    def class_names(self) -> list[str]:
        """By class index."""
        return self.source.listing.class_names

    @property
    def pixels(self) -> np.ndarray:
        """The images to train on, ``(n, h, w, c) uint8``."""
        return self.images.pixels[self.rows.train]

    @property
    def labels(self) -> np.ndarray:
        """Their classes, ``(n,) int64``."""
        return self.source.listing.labels[self.rows.train].astype(np.int64)

    @property
    def counts(self) -> np.ndarray:
        """How many of each class there are, ``(classes,)``."""
        return np.bincount(self.labels, minlength=len(self.class_names))


def real_source(dataset: Dataset, split: str) -> Source:
    """The split to train on; its images are not looked at.

    Raises
    ------
    InputError
        It is not there, lists no image, or has synthetic ones already.
    """
    source = dataset.source(split)
    if not len(source.listing):
        raise InputError(f"{dataset.name}/{split} lists no image; there is nothing to train on")
    if source.listing.synthesis is not None:
        raise InputError(f"{dataset.name} has synthetic images already; train on the real ones alone")
    return source


def training_images(request: Request, dataset: Dataset, progress: Progress) -> TrainingImages:
    """The split decoded, divided as `train-cnn` divides it, and what is missing in each class.

    Raises
    ------
    BudgetError
        The images do not fit into the memory that is allowed.
    InputError
        Nothing is missing, or there are too few images or classes to train on.
    """
    source = real_source(dataset, request.split)
    frame, note = own_frame(peek(source), request.image_size)
    budget, needed = request.memory, len(source.listing) * frame.pixels
    if needed > budget:
        raise BudgetError(
            f"{len(source.listing):,} images of {frame.height} × {frame.width} need {mib(needed)} but --memory is "
            f"{mib(budget)}; give more, or a smaller --image-size"
        )
    name = f"{dataset.name}/{request.split}"
    images = open_images(source, name, frame, budget, progress=progress)
    rows = divide(source.listing, usable(images), request.validation, request.seed, name)
    counts = np.bincount(source.listing.labels[rows.train], minlength=len(source.listing.class_names))
    check_counts(counts, source.listing.class_names)
    wanted = targets(counts, request.balance)
    if not wanted.any():
        raise InputError(
            f"--balance {request.balance} asks for no image: no class of {name} is smaller; give a number or a ratio, "
            "such as 1x"
        )
    return TrainingImages(dataset, source, images, rows, wanted, (note,) if note else ())

"""What a generator learns from, and what it is asked for: the images that a network would learn from, and no other."""

from dataclasses import dataclass

import numpy as np
from gapscope.cnn.division import Division, divide
from gapscope.cnn.images import Held, open_images
from gapscope.core.budget import mib, parse_bytes
from gapscope.core.errors import BudgetError, InputError
from gapscope.core.progress import Progress
from gapscope.data.catalogue import open_dataset
from gapscope.data.dataset import Dataset
from gapscope.data.source import Source
from gapscope.generators.balance import targets
from gapscope.jobs.augment.config import AugmentConfig
from gapscope.networks.frame import Frame, own_frame, peek


@dataclass(frozen=True, eq=False)
class Lesson:
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
        """The images to learn from, ``(n, h, w, c) uint8``."""
        return self.images.pixels[self.rows.train]

    @property
    def labels(self) -> np.ndarray:
        """Their classes, ``(n,) int64``."""
        return self.source.listing.labels[self.rows.train].astype(np.int64)

    @property
    def counts(self) -> np.ndarray:
        """How many of each class there are, ``(classes,)``."""
        return np.bincount(self.labels, minlength=len(self.class_names))


def opened(config: AugmentConfig) -> tuple[Dataset, Source]:
    """The dataset, and the split to learn from; its images are not looked at.

    Raises
    ------
    InputError
        It is not there, lists no image, or has synthetic ones already.
    """
    options = {"classes": config.classes, "labels": config.labels, "seed": config.seed, "workspace": config.workspace}
    dataset = open_dataset(config.dataset, config.data_root, **options)
    source = dataset.source(config.split)
    if not len(source.listing):
        raise InputError(f"{dataset.name}/{config.split} lists no image; nothing can be learnt")
    if source.listing.synthesis is not None:
        raise InputError(f"{config.dataset} has synthetic images already; learn from the real ones alone")
    return dataset, source


def lesson_of(config: AugmentConfig, dataset: Dataset, source: Source, progress: Progress) -> Lesson:
    """The split decoded, divided as `train-cnn` divides it, and what is missing in each class.

    Raises
    ------
    BudgetError
        The images do not fit into the memory that is allowed.
    InputError
        Nothing is missing, or there are too few images or classes to learn from.
    """
    if config.image_size is not None and config.image_size < 1:
        raise InputError(f"--image-size is {config.image_size}; give a number of pixels, such as 64")
    frame, note = own_frame(peek(source), config.image_size)
    budget, needed = parse_bytes(config.memory), len(source.listing) * frame.pixels
    if needed > budget:
        raise BudgetError(
            f"{len(source.listing):,} images of {frame.height} × {frame.width} need {mib(needed)} but --memory is "
            f"{mib(budget)}; give more, or a smaller --image-size"
        )
    name = f"{dataset.name}/{config.split}"
    images = open_images(source, name, frame, budget, progress=progress)
    usable = np.array([row for row in range(len(source.listing)) if row not in images.rejected], np.int64)
    rows = divide(source.listing, usable, config.validation, config.seed, name)
    wanted = targets(np.bincount(source.listing.labels[rows.train], minlength=len(source.listing.class_names)),
                     config.balance)  # fmt: skip
    if not wanted.any():
        raise InputError(
            f"--balance {config.balance} asks for no image: no class of {name} is smaller; give a number or a ratio, "
            "such as 1x"
        )
    return Lesson(dataset, source, images, rows, wanted, (note,) if note else ())

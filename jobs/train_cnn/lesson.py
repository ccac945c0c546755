"""What the networks of a run learn from: images divided into those to learn from and those to validate on."""

from dataclasses import replace

import numpy as np
import torch
from gapscope.backbones.backbone import choose_device
from gapscope.cnn.division import Division, divide
from gapscope.cnn.images import Images
from gapscope.cnn.modified import Modified
from gapscope.cnn.statistics import pixel_statistics
from gapscope.cnn.train import Lesson
from gapscope.core.errors import InputError
from gapscope.jobs.train_cnn.begin import arguments
from gapscope.jobs.train_cnn.work import Work

PRECISIONS = ("auto", "float32", "bfloat16")


def divided(work: Work, images: Images) -> Division:
    """The rows to learn from and those to validate on, without images that cannot be decoded."""
    listing = images.source.listing
    usable = np.array([row for row in range(len(listing)) if row not in images.rejected], np.int64)
    return divide(listing, usable, work.config.validation, work.config.seed, images.name)


def lesson_of(work: Work, images: Images, rows: Division) -> Lesson:
    """The images as they are, and how their pixels become numbers; the same for every seed."""
    device = choose_device(work.config.device)
    design = work.begun.design
    usual = design.normalisation() or pixel_statistics(images, rows.train)
    given = arguments(work.config)[1]
    center, spread = given.get("mean", usual[0]), given.get("std", usual[1])
    precision = _precision(work.config.precision, device)
    return Lesson(images, rows.train, rows.validation, design.classes, center, spread, device, precision)


def modified_for(work: Work, lesson: Lesson, seed: int) -> Lesson:
    """The `lesson` of a seed, whose training images are modified by chance where the user wants that."""
    modifications = work.begun.modifications
    if not modifications:
        return lesson
    return replace(lesson, images=Modified(lesson.images, modifications, work.config.modify_probability, seed))


def said_of(rows: Division, name: str) -> list[str]:
    """What has to be said about a division of the images `name`."""
    if not rows.unwatched:
        return []
    count, first = len(rows.unwatched), rows.unwatched[0]
    return [
        f"{name} has one usable image of {count} of its classes, such as {first!r}; it is learnt from and not "
        "validated on"
    ]


def _precision(name: str, device: torch.device) -> str:
    if name not in PRECISIONS:
        raise InputError(f"no precision named {name!r} for training; choose {', '.join(PRECISIONS)}")
    if name == "bfloat16" and device.type != "cuda":
        raise InputError(f"precision {name} needs a CUDA device; on {device.type} use float32")
    return ("bfloat16" if device.type == "cuda" else "float32") if name == "auto" else name

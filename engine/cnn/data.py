"""Training data of a run: images divided into those to train on and those to validate on."""

from dataclasses import replace

import numpy as np
import torch

from gapscope.backbones.backbone import choose_device
from gapscope.cnn.division import Division, divide
from gapscope.cnn.images import Images, usable
from gapscope.cnn.modified import Modified
from gapscope.cnn.setup import arguments
from gapscope.cnn.train import TrainingData
from gapscope.cnn.training_run import TrainingRun
from gapscope.core.errors import InputError

PRECISIONS = ("auto", "float32", "bfloat16")
LOOKED_AT, RUN, LEAST = 8192, 256, 1 / 255


def division_of(run: TrainingRun, images: Images) -> Division:
    """The rows to train on and those to validate on, without images that cannot be decoded."""
    return divide(images.source.listing, usable(images), run.request.validation, run.request.seed, images.name)


def training_data(run: TrainingRun, images: Images, rows: Division) -> TrainingData:
    """The images as they are, and how their pixels become numbers; the same for every seed."""
    device = choose_device(run.request.device)
    design = run.setup.design
    usual = design.normalisation() or pixel_statistics(images, rows.train)
    given = arguments(run.request)[1]
    center, spread = given.get("mean", usual[0]), given.get("std", usual[1])
    precision = _precision(run.request.precision, device)
    return TrainingData(images, rows.train, rows.validation, design.classes, center, spread, device, precision)


def modified_for(run: TrainingRun, data: TrainingData, seed: int) -> TrainingData:
    """The `data` of a seed, whose training images are modified by chance where the user wants that."""
    modifications = run.setup.modifications
    if not modifications:
        return data
    return replace(data, images=Modified(data.images, modifications, run.request.modify_probability, seed))


def division_notes(rows: Division, name: str) -> list[str]:
    """Sentences about the division of the images `name`."""
    if not rows.unwatched:
        return []
    count, first = len(rows.unwatched), rows.unwatched[0]
    return [
        f"{name} has one usable image of {count} of its classes, such as {first!r}; it is trained on and not "
        "validated on"
    ]


def _precision(name: str, device: torch.device) -> str:
    if name not in PRECISIONS:
        raise InputError(f"no precision named {name!r} for training; choose {', '.join(PRECISIONS)}")
    if name == "bfloat16" and device.type != "cuda":
        raise InputError(f"precision {name} needs a CUDA device; on {device.type} use float32")
    return ("bfloat16" if device.type == "cuda" else "float32") if name == "auto" else name


def pixel_statistics(images: Images, rows: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over 8,192 of the images at `rows`, as fractions of 1.

    A spread below one grey level counts as one, so that an image set of one colour divides by no zero.
    """
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(LOOKED_AT, len(rows))).astype(np.int64))]
    count, total, squares = 0, 0.0, 0.0
    for start in range(0, len(chosen), RUN):
        x = images.batch(chosen[start : start + RUN]).x.astype(np.float64) / 255
        count += x[..., 0].size
        total = total + x.sum(axis=(0, 1, 2))
        squares = squares + (x**2).sum(axis=(0, 1, 2))
    mean = total / count
    std = np.maximum(np.sqrt(np.maximum(squares / count - mean**2, 0)), LEAST)
    return tuple(mean.tolist()), tuple(std.tolist())

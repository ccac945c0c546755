"""How much of the bare network's speed the training loop keeps, beside torchvision's reference loop.

    python benchmarks/training.py                                            Fashion-MNIST and CIFAR-10, minutes
    python benchmarks/training.py --out benchmarks/results/training.json     the figures as a file too
    python benchmarks/training.py --tiny                                     a small check that it runs

Three ways through the same images, in turn and in the same process, each with the same network, optimiser and batch
size: `fit`, without validation images and checkpoints; forward, backward and step on one ready batch again and again;
and torchvision's `references/classification` as people copy it, a DataLoader with worker processes over Pillow images,
`transforms.v2` (padded crop, flip, to float, normalise) and a loop that reads the loss at each step. `fit` flips and
crops as well. Rates are of whole epochs, starting the DataLoader's workers included, as it happens in each. On a GPU
`fit` asks for deterministic algorithms, which the others do not. Where a dataset is not under --data-root, random
images of its size stand for it.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

sys.path.insert(0, str(Path(__file__).parent.parent))

from gapscope.cnn.data import pixel_statistics
from gapscope.cnn.images import Held, open_images
from gapscope.cnn.recipe import Recipe
from gapscope.cnn.train import TrainingData, fit
from gapscope.core.errors import InputError
from gapscope.core.threads import processors
from gapscope.data.catalogue import open_dataset
from gapscope.data.source import Listing
from gapscope.data.sources.arrays import ArraySource
from gapscope.networks.design import Design, train_mode
from gapscope.networks.frame import Frame

WANTED = 0.9
CLASSES, PADDING = 10, 4


class Setting(NamedTuple):
    """A network on a dataset whose images have the shape `frame`."""

    network: str
    dataset: str
    frame: Frame


SETTINGS = (
    Setting("simple-cnn", "fashion-mnist", Frame(28, 28, 1)),
    Setting("resnet-small", "cifar10", Frame(32, 32, 3)),
)


class Course(NamedTuple):
    """What all three ways share."""

    setting: Setting
    lesson: TrainingData
    recipe: Recipe
    workers: int = 0

    def network(self) -> nn.Module:
        """A fresh network on the device, in training mode."""
        network = Design(self.setting.network, self.setting.frame, CLASSES).build(0).to(self.lesson.device)
        train_mode(network, "all", norms_frozen=False)
        return network


def images_of(setting: Setting, data_root: Path, count: int) -> Held:
    """The first `count` training images in memory; random ones where the dataset is not there."""
    try:
        source = open_dataset(f"{setting.dataset}@{count}", data_root).source("train")
        return open_images(source, setting.dataset, setting.frame, 2**33)
    except InputError:
        rng = np.random.default_rng(0)
        shape = setting.frame.size if setting.frame.channels == 1 else setting.frame
        pixels = rng.integers(0, 256, (count, *shape), np.uint8)
        labels = rng.integers(0, CLASSES, count, np.int32)
        listing = Listing([str(row) for row in range(count)], labels, [str(label) for label in range(CLASSES)])
        return open_images(ArraySource(pixels, listing), "random", setting.frame, 2**33)


def course(setting: Setting, data_root: Path, count: int, batch: int, device: torch.device) -> Course:
    """The images of a setting and how they are learnt."""
    images = images_of(setting, data_root, count)
    rows = np.arange(len(images.source.listing))
    mean, std = pixel_statistics(images, rows)
    precision = "bfloat16" if device.type == "cuda" else "float32"
    lesson = TrainingData(images, rows, rows[:0], CLASSES, mean, std, device, precision)
    recipe = Recipe(epochs=1, batch_size=batch, schedule="constant", augment=("flip", f"crop:{PADDING}"))
    return Course(setting, lesson, recipe)


def ours(course: Course) -> float:
    """Images a second of an epoch of `fit`."""
    network = course.network()
    return _rate(course, lambda: fit(network, course.lesson, course.recipe))


def bare(course: Course) -> float:
    """Images a second of forward, backward and step on a batch that is ready."""
    network, lesson, size = course.network(), course.lesson, course.recipe.batch_size
    optimiser = course.recipe.optimiser(network)
    batch = lesson.images.batch(lesson.train[:size])
    x = lesson.normalised(lesson.pixels(batch.x))
    y = torch.from_numpy(batch.y).to(lesson.device)

    def epoch() -> None:
        for _ in range(len(lesson.train) // size):
            _step(network, optimiser, lesson, x, y)

    return _rate(course, epoch, len(lesson.train) // size * size)


class _Pictures(Dataset):
    """Pillow images and labels, transformed one by one."""

    def __init__(self, images: Held, transform: Callable):
        pixels = images.pixels
        self.pictures = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
        self.labels = images.source.listing.labels.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.pictures[row])), self.labels[row]


def reference(course: Course) -> float:
    """Images a second of an epoch of torchvision's reference loop."""
    network, lesson = course.network(), course.lesson
    optimiser = course.recipe.optimiser(network)
    transform = v2.Compose(
        [
            v2.RandomCrop(lesson.images.frame.size, padding=PADDING),
            v2.RandomHorizontalFlip(),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(list(lesson.mean), list(lesson.std)),
        ]
    )
    loader = DataLoader(
        _Pictures(lesson.images, transform),
        batch_size=course.recipe.batch_size,
        shuffle=True,
        num_workers=course.workers,
        pin_memory=lesson.device.type == "cuda",
    )

    def epoch() -> None:
        for x, y in loader:
            x, y = x.to(lesson.device, non_blocking=True), y.to(lesson.device, non_blocking=True)
            _step(network, optimiser, lesson, x, y).item()

    return _rate(course, epoch)


def _step(
    network: nn.Module, optimiser: torch.optim.Optimizer, lesson: TrainingData, x: torch.Tensor, y: torch.Tensor
) -> torch.Tensor:
    with lesson.autocast():
        logits = network(x)
    loss = nn.functional.cross_entropy(logits.float(), y)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return loss.detach()


def _rate(course: Course, epoch: Callable[[], object], images: int | None = None) -> float:
    """Images a second; a GPU has finished before the clock is read."""
    finish = partial(torch.cuda.synchronize, course.lesson.device) if course.lesson.device.type == "cuda" else int
    finish()
    begun = perf_counter()
    epoch()
    finish()
    return (images or len(course.lesson.train)) / (perf_counter() - begun)


WAYS: dict[str, Callable[[Course], float]] = {"fit": ours, "bare": bare, "reference": reference}


def measure(one: Course, repeats: int) -> dict:
    """Median and spread of each way's images a second over `repeats`, taken in turn after a first one, and ratios."""
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    for repeat in range(repeats + 1):
        for name, way in WAYS.items():
            rate = way(one)
            if repeat:
                rates[name].append(rate)
    middle = {name: median(found) for name, found in rates.items()}
    return {
        "network": one.setting.network,
        "images": one.lesson.images.name,
        "rows": len(one.lesson.train),
        "batch_size": one.recipe.batch_size,
        "device": str(one.lesson.device),
        "threads": torch.get_num_threads(),
        "workers": one.workers,
        "repeats": repeats,
        **{f"{name}_images_per_second": rate for name, rate in middle.items()},
        **{f"{name}_spread": [min(found), max(found)] for name, found in rates.items()},
        "share_of_bare": middle["fit"] / middle["bare"],
        "times_reference": middle["fit"] / middle["reference"],
    }


def line(row: dict) -> str:
    """A setting's figures for people."""
    told = []
    for name in WAYS:
        low, high = row[f"{name}_spread"]
        told.append(f"{name} {row[f'{name}_images_per_second']:,.0f} ({low:,.0f} to {high:,.0f})")
    return (
        f"{row['network']} on {row['rows']:,} images of {row['images']}, images/s: {', '.join(told)}; "
        f"{row['share_of_bare']:.0%} of bare (wanted {WANTED:.0%}), {row['times_reference']:.2f} times the reference"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a line for each setting, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="a few random images, to see that it runs")
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--images", type=int, default=10_000, help="training images of each dataset")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workers", type=int, default=processors(), help="processes of the DataLoader")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    options = parser.parse_args(arguments)
    count, batch, repeats = (32, 16, 1) if options.tiny else (options.images, options.batch_size, options.repeats)
    root, workers = (Path("nowhere"), 0) if options.tiny else (options.data_root, options.workers)
    table = []
    for setting in SETTINGS:
        one = course(setting, root, count, batch, options.device)._replace(workers=workers)
        table.append(measure(one, repeats))
        print(line(table[-1]), flush=True)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()

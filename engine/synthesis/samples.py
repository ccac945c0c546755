"""The images that a generator makes, in small files that any worker may write and a killed run finds again."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image

from gapscope.core.errors import DamageError, InputError
from gapscope.core.files import read_array, write_array
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.data.source import Listing
from gapscope.generators.generator import Generator, load_generator
from gapscope.runs.connection import connected
from gapscope.stream import Workers, connect
from gapscope.stream.workers import Shown
from gapscope.synthesis.request import Request, named
from gapscope.synthesis.trained import TrainedGenerator

# Images in a file where the method makes them one by one.
SHARD = 16


class Shard(NamedTuple):
    """Images to be made: those of a class whose numbers are in a range, by the generator in a folder.

    Attributes
    ----------
    settings
        Of sampling, which differ from those in the folder.
    file
        Where they go, ``(m, h, w, c) uint8`` as a NumPy file.
    """

    generator: Location
    settings: tuple[tuple[str, object], ...]
    device: str
    seed: int
    label: int
    start: int
    stop: int
    file: Location


@dataclass(frozen=True, eq=False)
class Samples:
    """All images that were made, as a source; each is read from its file when it is asked for.

    Attributes
    ----------
    label, index : (m,) int64
        Class, and number within the class.
    """

    folder: Location
    size: int
    label: np.ndarray
    index: np.ndarray
    listing: Listing

    def pixels(self, row: int) -> np.ndarray:
        """The image at position `row`, ``(h, w, c) uint8``."""
        label, (number, place) = int(self.label[row]), divmod(int(self.index[row]), self.size)
        return np.load(_file(self.folder, label, number).path, mmap_mode="r")[place]

    def image(self, index: int) -> Image.Image:
        """The image at position `index`, RGB."""
        return picture(self.pixels(index))


def picture(pixels: np.ndarray) -> Image.Image:
    """``pixels : (h, w, 1 or 3) uint8`` as an RGB image."""
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)).convert("RGB")


def usable_classes(generator: Generator, wanted: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """``wanted : (classes,)`` without the classes that the generator cannot make, and a sentence about these.

    Raises
    ------
    InputError
        It can make none of them.
    """
    refused = [label for label in np.flatnonzero(wanted).tolist() if generator.refusal(label)]
    verb = "gets" if len(refused) == 1 else "get"
    who = named([names[label] for label in refused])
    notes = [f"{who} {verb} no synthetic images: {generator.refusal(refused[0])}"] if refused else []
    left = wanted.copy()
    left[refused] = 0
    if not left.any():
        raise InputError(f"no class can be given images; {notes[0]}")
    return left, notes


def sampled(
    request: Request, trained: TrainedGenerator, counts: np.ndarray, names: Sequence[str], progress: Progress
) -> Samples:
    """``counts : (classes,)`` images of each class, made where they are not there yet."""
    size = getattr(trained.generator.recipe, "block", SHARD)
    folder = trained.place / f"samples-{trained.mark}"
    shards = [one for one in _shards(request, trained, folder, counts, size) if not _is_there(one.file)]
    with _makers(request, progress) as workers, progress.task("make images", len(shards), "files") as task:
        workers.each(make_shard, shards, lambda _index: task.advance(), Shown("augment", progress.say))
    label = np.repeat(np.arange(len(counts)), counts)
    index = np.concatenate([np.arange(count) for count in counts])
    paths = [f"{trained.mark}/{one}/{number}" for one, number in zip(label.tolist(), index.tolist(), strict=True)]
    return Samples(folder, size, label, index, Listing(paths, label.astype(np.int32), list(names)))


def _shards(
    request: Request, trained: TrainedGenerator, folder: Location, counts: np.ndarray, size: int
) -> Iterator[Shard]:
    generator = trained.generator
    settings = tuple((name, getattr(generator.recipe, name)) for name in generator.method.free)
    for label in np.flatnonzero(counts).tolist():
        for number in range(-(-int(counts[label]) // size)):
            numbers = number * size, (number + 1) * size
            file = _file(folder, label, number)
            yield Shard(trained.place, settings, generator.form.device, request.seed, label, *numbers, file)


def _is_there(file: Location) -> bool:
    """Whether the images of a shard lie in `file` as they were made; those that are damaged are made again."""
    try:
        read_array(file)
    except (FileNotFoundError, DamageError):
        return False
    return True


def _file(folder: Location, label: int, number: int) -> Location:
    return folder / f"class-{label:05d}" / f"{number:05d}.npy"


@contextmanager
def _makers(request: Request, progress: Progress) -> Iterator[Workers]:
    """The workers of a cluster where one is requested, else this process, which makes one file after another."""
    if request.scheduler or request.cluster or request.workers is not None:
        with connected(request, progress) as workers:
            yield workers
    else:
        with connect(threads=1) as workers:
            yield workers


def make_shard(shard: Shard) -> int:
    """Make the images of a shard and write them, whole or not at all; how many they are."""
    generator = _loaded(shard.generator, shard.device, shard.settings)
    images = generator.sample(shard.label, range(shard.start, shard.stop), shard.seed)
    write_array(shard.file, images)
    return len(images)


@lru_cache(maxsize=1)
def _loaded(place: Location, device: str, settings: tuple[tuple[str, object], ...]) -> Generator:
    """The generator with its settings of sampling; to build its network takes as long as some images of a GAN."""
    return load_generator(place, device).changed(**dict(settings))

"""Images of torchvision's data sets, read by torchvision's own code from files that are there."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gapscope.data.source import FromBytes, Listing, Stamps, Undecodable
from gapscope.data.sources.files import stamps_of

# Where its classes keep the labels, the paths of their images, and the folder of their files.
LABELS = ("targets", "labels", "_labels", "y")
PATHS = ("imgs", "samples", "_samples", "_image_files", "_images")
FOLDERS = ("raw_folder", "_base_folder", "base_folder", "_data_dir")
SAMPLES = ("_samples", "samples")


@dataclass(frozen=True)
class TorchvisionSource(FromBytes):
    """The images of one split of a data set of torchvision; what is sent to other processes is how to open it.

    Attributes
    ----------
    name, root, arguments
        The class in ``torchvision.datasets``, and what it is called with.
    """

    name: str
    root: str
    arguments: tuple[tuple[str, Any], ...]
    listing: Listing

    def read(self, index: int) -> bytes:
        """The size and the pixels of the image at position `index`."""
        try:
            image = opened(self.name, self.root, self.arguments)[index][0].convert("RGB")
        except (OSError, ValueError, SyntaxError) as error:
            raise Undecodable(f"cannot be read by torchvision ({error})") from error
        return np.array(image.size, "<u4").tobytes() + image.tobytes()

    def sizes(self) -> np.ndarray:
        """Bytes of each image's file, (n,) int64; 0 where many images share one."""
        return self.stamps().sizes

    def stamps(self) -> Stamps:
        """Sizes and times of the images' files; of the files of the whole set where many images share one."""
        dataset, count = opened(self.name, self.root, self.arguments), len(self.listing)
        paths = _paths(dataset)
        if len(paths) == count:
            return stamps_of(paths, [1] * count)
        return Stamps(*(np.full(count, value, np.int64) for value in _folder_stamp(dataset, self.root)))

    def decode(self, index: int, data: bytes) -> Image.Image:
        """The image at position `index` from what `read` gives."""
        width, height = np.frombuffer(data[:8], "<u4").tolist()
        return Image.frombytes("RGB", (width, height), data[8:])


@lru_cache(maxsize=8)
def opened(name: str, root: str, arguments: tuple[tuple[str, Any], ...]) -> Any:
    """The data set, opened once in a process; torchvision compares archives and pickles with its own digests."""
    from torchvision import datasets  # here, because it loads torch

    return getattr(datasets, name)(root, **dict(arguments))


def torchvision_source(name: str, root: Path, arguments: Mapping[str, Any], split: str) -> TorchvisionSource:
    """One split of a data set of torchvision; images are named by their numbers, as torchvision orders them."""
    key = tuple(sorted(arguments.items()))
    dataset = opened(name, str(root), key)
    labels = _labels(dataset)
    names = [f"{split}/{index:06d}" for index in range(len(labels))]
    return TorchvisionSource(name, str(root), key, Listing(names, labels, _class_names(dataset, labels)))


def _labels(dataset: Any) -> np.ndarray:
    """Class index of each image, -1 where it has none; read from lists in memory, no image is opened."""
    found = next((getattr(dataset, name) for name in LABELS if getattr(dataset, name, None) is not None), None)
    if found is None:
        found = [sample[1] for sample in next(getattr(dataset, name) for name in SAMPLES if hasattr(dataset, name))]
    labels = np.array([-1 if label is None else int(label) for label in found], np.int32)
    return np.where(labels < 0, -1, labels).astype(np.int32)


def _class_names(dataset: Any, labels: np.ndarray) -> list[str]:
    """The names of the classes, else their numbers."""
    names = getattr(dataset, "classes", None) or getattr(dataset, "categories", None)
    if not names and (indices := getattr(dataset, "class_to_idx", None)):
        names = sorted(indices, key=indices.__getitem__)
    shown = [name if isinstance(name, str) else ", ".join(map(str, name)) for name in names or ()]
    highest = int(labels.max(initial=-1))
    return shown if len(shown) > highest else [str(index) for index in range(highest + 1)]


def _paths(dataset: Any) -> list[str]:
    for name in PATHS:
        entries = getattr(dataset, name, None)
        first = entries[0] if isinstance(entries, list) and entries else None
        first = first[0] if isinstance(first, tuple) else first
        if isinstance(first, (str, Path)):
            return [str(entry[0] if isinstance(entry, tuple) else entry) for entry in entries]
    return []


def _folder_stamp(dataset: Any, root: str) -> tuple[int, int]:
    """Bytes of all files of a set together, and the time of the last change."""
    own = next((str(getattr(dataset, name)) for name in FOLDERS if getattr(dataset, name, None)), "")
    folder = own if os.path.isabs(own) or Path(own).is_dir() else str(Path(root, own))  # noqa: PTH117
    files = [path.stat() for path in Path(folder).rglob("*") if path.is_file()]
    return sum(file.st_size for file in files), max((file.st_mtime_ns for file in files), default=0)

"""Images in idx files, the format of MNIST and its successors."""

import gzip
import re
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from gapscope.core.errors import InputError
from gapscope.data.source import FromBytes, Listing, Stamps
from gapscope.data.sources.files import stamps_of

UNSIGNED_BYTES = 0x08


@dataclass(frozen=True)
class IdxSource(FromBytes):
    """The images of an idx file, gzipped or not; decompressed whole, once per process (47 MB for 60,000 of 28 × 28)."""

    file: str
    listing: Listing

    def read(self, index: int) -> bytes:
        """The pixels of the image at position `index`, row by row."""
        return read_idx(Path(self.file))[index].tobytes()

    def sizes(self) -> np.ndarray:
        """Bytes of each image, (n,) int64: all the same."""
        images = read_idx(Path(self.file))
        return np.full(len(images), images[0].size if len(images) else 0, np.int64)

    def stamps(self) -> Stamps:
        """Size and time of the file of images."""
        return stamps_of([self.file], [len(self.listing)])

    def decode(self, index: int, data: bytes) -> Image.Image:
        """The image whose pixels are `data`."""
        shape = read_idx(Path(self.file)).shape[1:]
        return Image.fromarray(np.frombuffer(data, np.uint8).reshape(shape)).convert("RGB")


IDX_SPLITS = {"train": "train", "t10k": "test", "test": "test", "val": "val"}


def is_idx_name(name: str) -> bool:
    """Whether a file is called like one of images or labels in idx.

    >>> is_idx_name("train-images-idx3-ubyte.gz"), is_idx_name("t10k-labels.idx1-ubyte"), is_idx_name("images.tar")
    (True, True, False)
    """
    return bool(re.search(r"(images|labels)[-.]idx[13]-ubyte", name))


def idx_pairs(folder: Path) -> dict[str, tuple[Path, Path]]:
    """The files of images and labels in `folder`, or in ``raw`` below it, by split, named as those of MNIST are."""
    result: dict[str, tuple[Path, Path]] = {}
    for place in (folder, folder / "raw"):
        for file in sorted(place.glob("*images-idx3-ubyte*")) + sorted(place.glob("*images.idx3-ubyte*")):
            prefix = re.split(r"[-_.]?images", file.name)[0]
            labels = place / file.name.replace("images", "labels").replace("idx3", "idx1")
            split = next((split for word, split in IDX_SPLITS.items() if prefix.endswith(word)), prefix)
            if labels.is_file():
                result.setdefault(split, (file, labels))
    return result


def idx_source(images: Path, labels: Path, split: str, class_names: list[str] | None = None) -> IdxSource:
    """The images and labels of two idx files, named ``split/00000`` and so on; classes not given are numbers."""
    pixels, targets = read_idx(images), read_idx(labels)
    if pixels.ndim not in (3, 4) or targets.ndim != 1 or len(pixels) != len(targets):
        raise InputError(f"{images} holds {pixels.shape} numbers, {labels} {targets.shape}; wanted (n, h, w) and (n,)")
    class_names = class_names or [str(index) for index in range(int(targets.max(initial=0)) + 1)]
    if len(targets) and targets.max() >= len(class_names):
        raise InputError(f"{labels} holds label {targets.max()}, but there are {len(class_names)} classes")
    names = [f"{split}/{index:05d}" for index in range(len(targets))]
    return IdxSource(str(images), Listing(names, targets.astype(np.int32), list(class_names)))


@lru_cache(maxsize=8)
def read_idx(file: Path) -> np.ndarray:
    """The array of unsigned bytes in an idx file.

    Raises
    ------
    InputError
        The file is cut short, or no idx file of unsigned bytes.
    """
    try:
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{file} cannot be read ({error}); fetch it again") from error
    if len(data) < 4 or data[:3] != bytes([0, 0, UNSIGNED_BYTES]):
        raise InputError(f"{file} is no idx file of unsigned bytes, it begins with {data[:4]!r}; fetch it again")
    start = 4 + 4 * data[3]
    shape = tuple(np.frombuffer(data[4:start], ">u4").tolist())
    if len(shape) != data[3] or len(data) - start != int(np.prod(shape)):
        raise InputError(f"{file} should hold {shape} bytes but holds {len(data) - start}; fetch it again")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)

"""Images that are files under one folder."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gapscope.data.decode import Encoded
from gapscope.data.source import Listing, Stamps, Undecodable


@dataclass(frozen=True)
class FileSource(Encoded):
    """The files of `listing` under the folder `root`.

    Attributes
    ----------
    unusual
        For the few listed names that are not valid UTF-8 on the disk, the names there.
    walked
        Sizes and times from when the folder was listed; None where that did not look at them.
    """

    root: str
    listing: Listing
    unusual: dict[str, str] = field(default_factory=dict)
    walked: Stamps | None = None

    def path(self, index: int) -> Path:
        """Where the file at position `index` lies."""
        name = self.listing.names[index]
        return Path(self.root, self.unusual.get(name, name))

    def read(self, index: int) -> bytes:
        """The bytes of the file at position `index`."""
        path = self.path(index)
        try:
            return path.read_bytes()
        except OSError as error:
            if path.is_symlink() and not path.exists():
                raise Undecodable(f"is a broken link to {path.readlink()}") from error
            raise Undecodable(f"cannot be read ({error.strerror})") from error

    def sizes(self) -> np.ndarray:
        """Bytes of each file, (n,) int64, 0 where it is gone; one `stat` per file."""
        return self.stamps().sizes

    def stamps(self) -> Stamps:
        """Sizes and times of the files, from when they were listed, else one `stat` a file."""
        if self.walked is not None:
            return self.walked
        pairs = [_stamp(f"{self.root}/{self.unusual.get(name, name)}") for name in self.listing.names]
        table = np.array(pairs, np.int64).reshape(-1, 2)
        return Stamps(table[:, 0].copy(), table[:, 1].copy())


def stamps_of(files: Sequence[str], counts: Sequence[int]) -> Stamps:
    """The stamps of images of which the first ``counts[0]`` are in ``files[0]``, the next ``counts[1]`` in the next."""
    pairs = np.array([_stamp(file) for file in files], np.int64).reshape(-1, 2)
    return Stamps(*np.repeat(pairs, counts, axis=0).T)


def _stamp(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)  # noqa: PTH116, a Path for each of 100,000 files costs more than their stat
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def subfolders(folder: Path) -> list[str]:
    """Sorted names of the folders in `folder` that are not hidden."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir())


def walk(folder: str, prefix: str) -> Iterator[str]:
    """Every regular file under `folder` that is not hidden, as `prefix` and its relative path; opens no file.

    Files without an image's suffix are walked too: what they are is for the decoder to say, and for the ledger to
    keep. A link to a folder is not followed, so that a loop of links ends.
    """
    with os.scandir(folder) as entries:
        inner = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_file():
                yield prefix + entry.name
            elif entry.is_dir(follow_symlinks=False):
                inner.append(entry.name)
    for name in inner:
        yield from walk(f"{folder}/{name}", f"{prefix}{name}/")


def shown_names(names: list[str]) -> tuple[list[str], dict[str, str]]:
    """`names` as valid UTF-8, and for those that had to change, the way back."""
    try:
        "".join(names).encode()
        return names, {}
    except UnicodeEncodeError:
        shown = [os.fsencode(name).decode("utf-8", "backslashreplace") for name in names]
        return shown, {new: old for new, old in zip(shown, names, strict=True) if new != old}

"""The files under a folder or in archives, listed once, with a number, a size and a time for each."""

import os
import stat
from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from gapscope.core.text import counted
from gapscope.data.source import Stamps
from gapscope.data.vocabulary import Kind, is_debris, kind_of

# Bytes at the beginning of a file that say what it is.
GLANCE_BYTES = 32


@dataclass(frozen=True)
class Tree:
    """Files by number, those of a folder next to each other.

    Attributes
    ----------
    names
        Paths relative to the root, with ``/``; as the disk has them.
    stamps
        Sizes and times; of an archive's members, those of the archive.
    problems
        Why a file has nothing to read, by number: a broken link.
    skipped
        What is no file and was not entered, and why: folders that cannot be read, links that lead back, pipes.
    read
        The first so many bytes of the file with a number; all for -1.
    """

    names: list[str]
    stamps: Stamps
    read: Callable[[int, int], bytes]
    problems: dict[int, str] = field(default_factory=dict)
    skipped: tuple[tuple[str, str], ...] = ()

    @cached_property
    def files(self) -> dict[str, range]:
        """The numbers of the files that lie directly in each folder, by its path; the root is empty."""
        result: dict[str, range] = {}
        start, before = 0, None
        for number, name in enumerate(self.names):
            folder = name.rpartition("/")[0]
            if folder != before:
                if before is not None:
                    result[before] = range(start, number)
                start, before = number, folder
        if before is not None:
            result[before] = range(start, len(self.names))
        return result

    @cached_property
    def children(self) -> dict[str, list[str]]:
        """The sorted paths of the folders in each folder."""
        result: dict[str, set[str]] = {"": set()}
        for folder in self.files:
            while folder and folder not in result.setdefault(parent := folder.rpartition("/")[0], set()):
                result[parent].add(folder)
                folder = parent
        return {folder: sorted(inside) for folder, inside in result.items()}

    @cached_property
    def kinds(self) -> list[Kind]:
        """What each file is, by its name, and by its first bytes where the name says nothing.

        A folder of files without suffixes, of which one of the first few begins like an image, is one of images; so are
        such files that lie beside images. In a debris folder all is debris.
        """
        kinds = [kind_of(name.rpartition("/")[2]) for name in self.names]
        for folder, numbers in self.files.items():
            if any(is_debris(part) for part in folder.split("/") if part):
                kinds[numbers.start : numbers.stop] = [Kind.DEBRIS] * len(numbers)
                continue
            unknown = [number for number in numbers if kinds[number] is Kind.UNKNOWN]
            if unknown:
                images = any(kinds[number] is Kind.IMAGE for number in numbers) or self._any_image(unknown)
                for number in unknown:
                    kinds[number] = Kind.IMAGE if images else Kind.OTHER
        return kinds

    def _any_image(self, numbers: list[int], tries: int = 4) -> bool:
        for number in numbers[:tries]:
            try:
                if begins_like_an_image(self.read(number, GLANCE_BYTES)):
                    return True
            except Exception:  # noqa: BLE001, whatever is wrong with it, it does not show an image
                continue
        return False

    def of_kind(self, kind: Kind) -> list[str]:
        """The names of the files of a kind."""
        return [name for name, one in zip(self.names, self.kinds, strict=True) if one is kind]

    def inside(self, folder: str) -> Iterable[int]:
        """The numbers of all files in `folder` and below."""
        yield from self.files.get(folder, ())
        for child in self.children.get(folder, ()):
            yield from self.inside(child)

    def images(self, folder: str) -> list[int]:
        """The numbers of the images that lie directly in `folder`."""
        return [number for number in self.files.get(folder, ()) if self.kinds[number] is Kind.IMAGE]

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many images lie in each folder and below; only folders that have some."""
        result: dict[str, int] = {}
        for folder in self.files:
            if count := len(self.images(folder)):
                result[folder] = result.get(folder, 0) + count
                while folder:
                    folder = folder.rpartition("/")[0]
                    result[folder] = result.get(folder, 0) + count
        return result

    @property
    def instead(self) -> str:
        """What there is, for a sentence that says that there are no images."""
        suffixes = Counter(PurePosixPath(name).suffix.lower() or "without suffix" for name in self.names)
        some = ", ".join(f"{count:,} {suffix}" for suffix, count in suffixes.most_common(4))
        inside = "; archives in it are not read, unpack it" if self.of_kind(Kind.ARCHIVE) else ""
        return f" ({counted(len(self.names), 'file')}: {some}{inside})" if some else " (it is empty)"

    def holding(self, folder: str) -> list[str]:
        """The folders in `folder` that hold images, at any depth."""
        return [child for child in self.children.get(folder, ()) if child in self.counts]


def begins_like_an_image(data: bytes) -> bool:
    """Whether `data` are the first bytes of an image file."""
    return (
        data.startswith((b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"qoif", b"8BPS", b"DDS "))
        or data.startswith((b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"))
        or (data.startswith(b"RIFF") and data[8:12] == b"WEBP")
        or (data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis", b"mif1"))
        or (data[:1] == b"P" and data[1:2] in b"1234567" and data[2:3].isspace())
    )


def folder_tree(root: str) -> Tree:
    """The files under `root`, folders and names in sorted order; one `stat` a file, none is opened.

    Links to folders are followed where they lead out of the tree, each folder once, so that a loop of links ends.
    """
    walk = _Walk(root, {os.path.realpath(root)})
    walk.enter(root, "")
    stamps = Stamps(np.array(walk.sizes, np.int64), np.array(walk.times, np.int64))
    names = walk.names

    def read(number: int, count: int) -> bytes:
        with Path(root, names[number]).open("rb") as file:
            return file.read(count)

    return Tree(names, stamps, read, walk.problems, tuple(walk.skipped))


@dataclass
class _Walk:
    root: str
    entered: set[str]
    names: list[str] = field(default_factory=list)
    sizes: array = field(default_factory=lambda: array("q"))
    times: array = field(default_factory=lambda: array("q"))
    problems: dict[int, str] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def enter(self, folder: str, prefix: str) -> None:
        """List `folder`. Names and `lstat` take half the time of directory entries, which hold both."""
        try:
            found = sorted(os.listdir(folder))  # noqa: PTH208
        except OSError as error:
            self.skipped.append((prefix.rstrip("/"), f"cannot be listed ({error.strerror})"))
            return
        names, sizes, times, inner = self.names, self.sizes, self.times, []
        for name in found:
            try:
                status = os.lstat(f"{folder}/{name}")
            except FileNotFoundError:
                continue  # gone since
            except OSError as error:
                self.skipped.append((prefix + name, f"cannot be looked at ({error.strerror})"))
                continue
            kind = stat.S_IFMT(status.st_mode)
            if kind == stat.S_IFREG:
                names.append(prefix + name)
                sizes.append(status.st_size)
                times.append(status.st_mtime_ns)
            elif kind == stat.S_IFDIR or (kind == stat.S_IFLNK and not self._link(f"{folder}/{name}", prefix + name)):
                inner.append(name)
            elif kind != stat.S_IFLNK:
                self.skipped.append((prefix + name, "is a pipe, a socket or a device"))
        for name in inner:
            self.enter(f"{folder}/{name}", f"{prefix}{name}/")

    def _link(self, path: str, name: str) -> bool:
        """Whether a link is dealt with: it is, but for one to a folder that is to be entered."""
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError:
            status = None
            self.problems[len(self.names)] = f"is a broken link to {os.readlink(path)}"  # noqa: PTH115
        if status is None or stat.S_ISREG(status.st_mode):
            self.names.append(name)
            self.sizes.append(status.st_size if status else 0)
            self.times.append(status.st_mtime_ns if status else 0)
            return True
        if not stat.S_ISDIR(status.st_mode):
            self.skipped.append((name, "is a link to a pipe, a socket or a device"))
            return True
        real, root = os.path.realpath(path), os.path.realpath(self.root)
        if real in self.entered or f"{real}/".startswith(f"{root}/") or f"{root}/".startswith(f"{real}/"):
            self.skipped.append((name, "is a link to a folder that is listed already"))
            return True
        self.entered.add(real)
        return False

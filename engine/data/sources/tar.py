"""Class folders inside a tar archive, read without unpacking it."""

import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, takewhile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from gapscope.core.errors import InputError
from gapscope.data.classes import ClassMap, map_classes
from gapscope.data.decode import decode
from gapscope.data.source import Listing, Stamps, Undecodable
from gapscope.data.sources.files import is_image_name, shown_names, stamps_of
from indexed_gzip import IndexedGzipFile
from PIL import Image

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")


class Member(NamedTuple):
    """A regular file in an archive: its name, and where its bytes lie in the uncompressed tar."""

    name: str
    offset: int
    length: int


@dataclass(frozen=True)
class TarSource:
    """Members of the archive `file`; ``offsets, lengths : (n,) int64`` say where each lies in the uncompressed tar."""

    file: str
    listing: Listing
    offsets: np.ndarray
    lengths: np.ndarray

    def read(self, index: int) -> bytes:
        """The bytes of the member at position `index`."""
        offset, length = int(self.offsets[index]), int(self.lengths[index])
        try:
            data = _read(self.file, offset, length)
        except Exception as error:
            raise Undecodable(f"cannot be read from the archive ({type(error).__name__})") from error
        if len(data) < length:
            raise Undecodable(f"the archive is cut short: {len(data)} of the image's {length} bytes are there")
        return data

    def sizes(self) -> np.ndarray:
        """Bytes of each member, (n,) int64."""
        return self.lengths

    def stamps(self) -> Stamps:
        """Size and time of the archive."""
        return stamps_of([self.file], [len(self.listing)])

    def decode(self, index: int, data: bytes) -> Image.Image:
        """The image at position `index` from its bytes."""
        return decode(data)

    def image(self, index: int) -> Image.Image:
        """The image at position `index`."""
        return self.decode(index, self.read(index))


def tar_source(file: Path, members: list[Member], within: str, classes: ClassMap | None = None) -> TarSource:
    """The `members` under the folder `within`, which holds one folder per class, ordered by class and then by name."""
    prefix = f"{within}/" if within else ""
    chosen = [member for member in members if member.name.startswith(prefix) and "/" in member.name[len(prefix) :]]
    class_of = [member.name[len(prefix) :].split("/", 1)[0] for member in chosen]
    classes = map_classes(class_of, classes)
    indices = classes.indices()
    rows = sorted((indices[name], member) for name, member in zip(class_of, chosen, strict=True))
    names, _ = shown_names([member.name for _, member in rows])
    labels = np.array([label for label, _ in rows], np.int32)
    offsets = np.array([member.offset for _, member in rows], np.int64)
    lengths = np.array([member.length for _, member in rows], np.int64)
    return TarSource(str(file), Listing(names, labels, shown_names(classes.names)[0]), offsets, lengths)


@lru_cache(maxsize=4)
def tar_members(file: Path) -> tuple[Member, ...]:
    """The regular, visible files in an archive, once per name: where a name occurs twice, the later file replaces the
    earlier.

    Reads the headers of a ``.tar`` and skips the rest; a ``.tar.gz`` is decompressed once from end to end.

    Raises
    ------
    InputError
        The file is no tar archive, or it is cut short.
    """
    found: dict[str, Member] = {}
    try:
        with _stream(file) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            for info in archive:
                archive.members = []  # else the archive keeps 1 kB per member
                name = info.name.removeprefix("./")
                if info.isreg() and not info.issparse() and not _hidden(name):
                    found[name] = Member(name, info.offset_data, info.size)
            stream.seek(archive.offset)
            if stream.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
                raise EOFError("it ends without its end mark")  # tarfile takes a cut between two members for the end
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise InputError(f"{file} cannot be read as a tar archive ({error}); fetch it again") from error
    return tuple(found.values())


def top_folder(members: tuple[Member, ...]) -> str:
    """The path that leads to the class folders: the folders that all images share, short of their own."""
    folders = [PurePosixPath(member.name).parent.parts for member in members if is_image_name(member.name)]
    if not folders:
        return ""
    depth = min(len(parts) for parts in folders) - 1
    first, last = min(folders), max(folders)  # what these two share, all between them share
    shared = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "/".join(part for part, _ in islice(shared, max(depth, 0)))


def _hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)


@contextmanager
def _stream(file: Path) -> Iterator:
    stream = _gzip(str(file), os.getpid()) if _is_gzip(file) else file.open("rb")
    try:
        stream.seek(0)
        yield stream
    finally:
        if not isinstance(stream, IndexedGzipFile):
            stream.close()


def _is_gzip(file: Path | str) -> bool:
    return str(file).endswith("gz")


def _read(file: str, offset: int, length: int) -> bytes:
    if _is_gzip(file):
        return _gzip(file, os.getpid()).pread(length, offset)
    with Path(file).open("rb") as stream:  # opening costs 20 µs, decoding a hundred times that
        stream.seek(offset)
        return stream.read(length)


@lru_cache(maxsize=4)
def _gzip(file: str, process: int) -> IndexedGzipFile:
    """The archive with its index of restart points, one per process: a fork must not share its parent's file position.

    The index grows while the file is read, one restart point per 4 MiB, so a random read decompresses 2 MiB on average.
    """
    return IndexedGzipFile(file, spacing=2**22)

"""The bytes in archives, on this machine and at addresses, whatever compresses them."""

import bz2
import io
import lzma
import os
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import zstandard
from indexed_gzip import IndexedGzipFile

from gapscope.core.errors import InputError
from gapscope.data.addresses import Unreachable, is_address
from gapscope.data.remote import RemoteFile, entry_at, read_bytes
from gapscope.data.source import Stamps, Undecodable

# Formats whose middle cannot be reached are unfolded in memory, once per process, up to this size.
MOST_UNFOLDED = 2**31
# A member that claims more than this holds no image.
MOST_BYTES = 2**30
# A tar of more than 64 MiB that is so many times as large as its compressed file holds no images: they hardly shrink.
MOST_RATIO, RATIO_FROM = 200, 2**26
# What stands before a member of a zip: its header, its name, and what programs add to it, mostly.
ZIP_HEADER = 30 + 2**10
BEGINNINGS = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zst", b"PK": "zip"}
UNFOLDED: dict[str, Callable[[BinaryIO], BinaryIO]] = {
    "bz2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
    "zst": lambda stream: zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True),
}


class Opened(NamedTuple):
    """An archive in a process, as it was when it was opened: a fork must not share its parent's file position, and a
    file that was replaced is another one.
    """

    file: str
    size: int
    time: int
    process: int

    @classmethod
    def of(cls, file: str) -> "Opened":
        """The archive at a path, as it is now, or at an address, as this process has first seen it."""
        if is_address(file):
            return _at_address(file, os.getpid())
        status = Path(file).stat()
        return cls(file, status.st_size, status.st_mtime_ns, os.getpid())

    def raw(self) -> BinaryIO:
        """Its bytes from the beginning."""
        return RemoteFile(self.file, self.size) if is_address(self.file) else Path(self.file).open("rb")


@lru_cache(maxsize=4096)
def _at_address(file: str, process: int) -> Opened:
    entry = entry_at(file)
    return Opened(file, entry.size, entry.mark, process)


def seen_anew(file: str) -> Opened:
    """The archive at `file`, asked about again where it lies at an address."""
    if is_address(file):
        _at_address.cache_clear()
    return Opened.of(file)


def archive_stamps(files: Sequence[str]) -> Stamps:
    """Size and time of each archive; zeros where it is gone."""
    return Stamps(*np.array([_stamp(file) for file in files], np.int64).reshape(-1, 2).T)


def _stamp(file: str) -> tuple[int, int]:
    try:
        opened = Opened.of(file)
    except Unreachable:
        raise
    except (OSError, InputError):
        return 0, 0
    return opened.size, opened.time


def member_bytes(file: str, offset: int, length: int) -> bytes:
    """The bytes of the member of the archive `file` that lies there.

    Raises
    ------
    Undecodable
        It is too large, the archive is cut short, or it cannot be unfolded.
    """
    if length > MOST_BYTES:
        raise Undecodable(f"unfolds to {length:,} bytes, more than the {MOST_BYTES:,} allowed")
    try:
        data = _read(file, offset, length)
    except Unreachable:
        raise
    except Exception as error:
        raise Undecodable(f"cannot be read from the archive ({type(error).__name__})") from error
    if len(data) < length:
        raise Undecodable(f"the archive is cut short: {len(data)} of the image's {length} bytes are there")
    return data


def _read(file: str, offset: int, length: int) -> bytes:
    opened = Opened.of(file)
    form = form_of(opened)
    if form == "zip":
        return _from_zip(opened, offset, length)
    if form == "gz":
        return _gzip(opened).pread(length, offset)
    if form in UNFOLDED:
        return _unfolded(opened)[offset : offset + length]
    return read_bytes(file, offset, offset + length)


def _from_zip(opened: Opened, number: int, length: int) -> bytes:
    archive, file = zip_of(opened)
    info = archive.infolist()[number]
    if isinstance(file, RemoteFile):
        file.prepare(info.header_offset, info.header_offset + ZIP_HEADER + len(info.filename) + info.compress_size)
    with archive.open(info) as member:
        return member.read(length)


@lru_cache(maxsize=4096)
def form_of(opened: Opened) -> str:
    """What an archive is, by its first bytes: a name may say anything."""
    with opened.raw() as stream:
        beginning = stream.read(6)
    usual = "zip" if opened.file.lower().endswith(".zip") and not _is_tar(opened) else "tar"  # behind a program, maybe
    return next((form for start, form in BEGINNINGS.items() if beginning.startswith(start)), usual)


def _is_tar(opened: Opened) -> bool:
    with opened.raw() as stream, suppress(tarfile.TarError, OSError, EOFError):
        tarfile.open(fileobj=stream, mode="r:").close()
        return True
    return False


@contextmanager
def tar_stream(opened: Opened) -> Iterator[BinaryIO]:
    """The uncompressed tar that a file holds."""
    form = form_of(opened)
    if form == "gz":
        with _Measured(_gzip(opened), opened) as stream:
            stream.seek(0)
            yield stream
    elif form in UNFOLDED:
        yield io.BytesIO(_unfolded(opened))
    else:
        with opened.raw() as stream:
            yield stream


class _Measured(io.RawIOBase):
    """A stream that unfolds, and refuses to go on where it unfolds to far more than images do."""

    def __init__(self, stream: BinaryIO, opened: Opened):
        self._stream, self._file = stream, opened.file
        self._most = max(MOST_RATIO * opened.size, RATIO_FROM)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte of what it unfolds to."""
        if whence == io.SEEK_SET and offset > self._most:
            raise InputError(
                f"{self._file} unfolds to more than {MOST_RATIO} times its size, which no images do; it is not read"
            )
        return self._stream.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        """Its next bytes."""
        return self._stream.read(size)

    def tell(self) -> int:
        """Where it stands."""
        return self._stream.tell()

    def close(self) -> None:
        """Leave the stream open: it is used again."""


@lru_cache(maxsize=1)
def _unfolded(opened: Opened) -> bytes:
    with opened.raw() as packed, UNFOLDED[form_of(opened)](packed) as stream:
        data = stream.read(MOST_UNFOLDED + 1)
    if len(data) > MOST_UNFOLDED:
        raise InputError(
            f"{opened.file} unfolds to more than {MOST_UNFOLDED >> 30} GiB, and its format cannot be entered in the "
            "middle; unpack it to a .tar, or pack it as .tar.gz or .zip"
        )
    return data


def zip_of(opened: Opened) -> tuple[zipfile.ZipFile, BinaryIO]:
    """A zip with the stream that it is read from; of one at an address each thread has its own, as it reads ahead."""
    return _zip_of(opened, threading.get_ident() if is_address(opened.file) else 0)


@lru_cache(maxsize=64)
def _zip_of(opened: Opened, thread: int) -> tuple[zipfile.ZipFile, BinaryIO]:
    if is_address(opened.file):
        file = opened.raw()
        return zipfile.ZipFile(file), file
    archive = zipfile.ZipFile(opened.file)
    return archive, archive.fp


@lru_cache(maxsize=8)
def _gzip(opened: Opened) -> IndexedGzipFile:
    """The archive with its index of restart points.

    The index grows while the file is read, one restart point per 4 MiB, so a random read decompresses 2 MiB on average.
    """
    if is_address(opened.file):
        return IndexedGzipFile(fileobj=opened.raw(), spacing=2**22)
    return IndexedGzipFile(opened.file, spacing=2**22)

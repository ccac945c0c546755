"""A folder or file by its path or address, on this machine or in an object store."""

import os
import re
import secrets
import socket
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from gapscope.core.errors import InputError
from gapscope.core.extras import require

# What opens addresses, of those that an extra brings.
LIBRARIES = {
    "s3": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "http": "aiohttp",
    "https": "aiohttp",
    "hf": "huggingface_hub",
}
WEB = ("http", "https")
# The end of a file's name while it is written, which begins with a dot; one that lies there later was left by a kill.
TEMPORARY = ".tmp"


def _unique() -> str:
    """A name that no other host, process or thread has."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:40]
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}"


@lru_cache
def _filesystem(scheme: str) -> fs.FileSystem:
    if scheme in ("", "file"):
        return fs.LocalFileSystem()
    import fsspec  # only where an address has a scheme: importing it costs 0.1 s

    if scheme in LIBRARIES:
        require(f"an address that begins with {scheme}://", LIBRARIES[scheme])
    try:
        return fs.PyFileSystem(fs.FSSpecHandler(fsspec.filesystem(scheme)))
    except (ImportError, ValueError) as error:
        raise InputError(f"addresses that begin with {scheme}:// cannot be opened: {error}") from error


@dataclass(frozen=True)
class Location:
    """A path or address such as ``workspace/embeddings`` or ``s3://bucket/embeddings``; written as it was given.

    Writing is atomic: a reader sees the old content, or the new, or nothing, even when the writer is killed.
    """

    address: str

    @classmethod
    def of(cls, place: "Location | Path | str") -> "Location":
        """`place` itself, or the location that a path or a text names."""
        return place if isinstance(place, cls) else cls(str(place))

    def __truediv__(self, name: str) -> "Location":
        return Location(f"{self.address.rstrip('/')}/{name}")

    def __str__(self) -> str:
        return self.address

    @cached_property
    def scheme(self) -> str:
        """The part before ``://``, empty for a path on this machine."""
        return urlsplit(self.address).scheme if "://" in self.address else ""

    def absolute(self) -> "Location":
        """The same place, named so that a process in another folder finds it."""
        return Location(str(Path(self.path).absolute())) if self.is_local else self

    @property
    def is_local(self) -> bool:
        """Whether this is an ordinary path of this machine."""
        return self.scheme in ("", "file")

    @property
    def path(self) -> str:
        """The path inside its file system; that of the web is the whole address."""
        return self.address if self.scheme in ("", *WEB) else self.address.split("://", 1)[1]

    def at(self, path: str) -> "Location":
        """What lies at another `path` of the same file system."""
        return Location(path if self.scheme in ("", *WEB) else f"{self.scheme}://{path}")

    @property
    def name(self) -> str:
        """The last component."""
        return PurePosixPath(self.path).name

    @property
    def parent(self) -> "Location":
        """The folder that holds this."""
        return Location(self.address.rstrip("/").rsplit("/", 1)[0])

    @property
    def filesystem(self) -> fs.FileSystem:
        """The Arrow file system that serves this address."""
        return _filesystem(self.scheme)

    def _kind(self) -> fs.FileType:
        return self.filesystem.get_file_info([self.path])[0].type

    def exists(self) -> bool:
        """Whether a file or a folder stands here."""
        return self._kind() != fs.FileType.NotFound

    def is_folder(self) -> bool:
        """Whether a folder stands here."""
        return self._kind() == fs.FileType.Directory

    def size(self) -> int:
        """Bytes of the file that stands here."""
        return self.filesystem.get_file_info([self.path])[0].size

    def _inside(self, *, below: bool = False) -> list[fs.FileInfo]:
        """What is in this folder, and in those `below`; nothing where it is a file, or not there."""
        selector = fs.FileSelector(self.path, allow_not_found=True, recursive=below)
        try:
            return self.filesystem.get_file_info(selector)
        except NotADirectoryError:
            return []

    def names(self) -> list[str]:
        """Sorted names of what is in this folder; empty when there is no such folder."""
        return sorted(info.base_name for info in self._inside())

    def folders(self) -> list[str]:
        """Sorted names of the folders in this folder that are not hidden: what file managers leave beside is none."""
        inside = (info.base_name for info in self._inside() if info.type == fs.FileType.Directory)
        return sorted(name for name in inside if not name.startswith("."))

    def filled(self) -> list[str]:
        """Those of `folders` that hold something that is not hidden."""
        return [one for one in self.folders() if any(not name.startswith(".") for name in (self / one).names())]

    def sizes(self) -> dict[str, int]:
        """Bytes of each file in this folder, by name; empty when there is no such folder."""
        return {info.base_name: info.size for info in self._inside() if info.is_file}

    def written(self) -> dict[str, int]:
        """When each file in this folder was written, in ns since 1970, by name; 0 where that is not known."""
        return {info.base_name: info.mtime_ns or 0 for info in self._inside() if info.is_file}

    def files(self) -> list["Location"]:
        """Every file in this folder and in those below it, sorted by address; empty when there is no such folder."""
        return [self.at(path) for path in sorted(info.path for info in self._inside(below=True) if info.is_file)]

    def open_input(self) -> pa.NativeFile:
        """The file as a seekable stream of bytes."""
        return self.filesystem.open_input_file(self.path)

    def read_bytes(self) -> bytes:
        """The whole file."""
        with self.open_input() as file:
            return file.read()

    def read_text(self) -> str:
        """The whole file as UTF-8."""
        return self.read_bytes().decode()

    def write_atomically(self, write: Callable[[BinaryIO], Any]) -> None:
        """Let `write` fill a temporary file, flush it to the disk, then give it this name."""
        (self._write_locally if self.is_local else self._upload)(write)

    def write_bytes(self, content: bytes) -> None:
        """Write `content`, atomically."""
        self.write_atomically(lambda file: file.write(content))

    def write_text(self, text: str) -> None:
        """Write `text` as UTF-8, atomically."""
        self.write_bytes(text.encode())

    def delete(self) -> None:
        """Remove the file that stands here, if any."""
        if self.exists():
            self.filesystem.delete_file(self.path)

    def move(self, target: "Location") -> None:
        """Give the file or folder that stands here the name of `target`, where none stands; one file after the other in
        an object store.
        """
        if self.is_local:
            Path(target.path).parent.mkdir(parents=True, exist_ok=True)
            Path(self.path).rename(target.path)
            return
        for one in self.files() or [self]:
            self.filesystem.move(one.path, target.path + one.path.removeprefix(self.path))

    def tidy(self) -> None:
        """Remove what killed writers have left half-written in this folder and below; for whom nobody else writes."""
        for place in self.files():
            if place.name.startswith(".") and place.name.endswith(TEMPORARY):
                place.delete()

    def delete_if_empty(self) -> None:
        """Remove this folder where nothing is in it; an object store has no such folders."""
        if self.is_local:
            with suppress(OSError):
                Path(self.path).rmdir()

    def delete_folder(self) -> None:
        """Remove this folder and all that is in it, if it is there."""
        if self.is_folder():
            self.filesystem.delete_dir(self.path)

    def _write_locally(self, write: Callable[[BinaryIO], Any]) -> None:
        target = Path(self.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{_unique()}{TEMPORARY}")
        try:
            with temporary.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except OSError as error:
            if error.filename in (None, str(temporary)):  # a message names what was to be written
                error.filename = self.path
            raise
        finally:
            with suppress(OSError):  # of a disk that can only be read, which has been said
                temporary.unlink(missing_ok=True)
        _sync_folder(target.parent)

    def _upload(self, write: Callable[[BinaryIO], Any]) -> None:
        # An object appears whole when its upload ends; spooling first means that a failing `write` uploads nothing.
        with tempfile.TemporaryDirectory() as folder:
            spool = Path(folder) / "spool"
            with spool.open("wb") as file:
                write(file)
            self.filesystem.handler.fs.put_file(str(spool), self.path)


def in_workspace_of(run: Location, recorded: str) -> Location:
    """Where what a run has recorded by its address lies: at the same place of the workspace that holds the run's folder
    now, where it is there, for a workspace may be moved or copied; else as recorded.
    """
    workspace, inside, _ = run.absolute().address.rpartition("/runs/")
    parts = (recorded.rpartition(one) for one in ("/embeddings/", "/runs/"))
    _, kind, below = max(parts, key=lambda one: len(one[0]))
    here = Location(f"{workspace}{kind}{below}")
    return here if inside and kind and here.exists() else Location(recorded)


def full_path(place: str) -> str:
    """`place` by its full path, links followed, where it is a path of this machine; itself otherwise.

    >>> full_path("embedded")
    'embedded'
    """
    return str(Path(place).resolve()) if place and "://" not in place and Path(place).exists() else place


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Folders and files at addresses: listed as a tree, read in pieces, or copied once where pieces do not do."""

import io
import os
import tempfile
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.data.addresses import WEB, Entry, is_address, joined, last_name, mark_of, refusal, scheme_of
from gapscope.data.connection import asked, filesystem
from gapscope.data.source import Stamps, Undecodable
from gapscope.data.tree import Tree

# The folder of a workspace with copies of what cannot be read in pieces.
COPIES = "fetched"
# Bytes that are read ahead: little where a reader jumps, more the longer it goes straight on.
LEAST_AHEAD, MOST_AHEAD = 2**16, 2**23


def read_bytes(place: str, start: int | None = None, stop: int | None = None) -> bytes:
    """The bytes of the file at a path or an address, all or those from `start` up to `stop`.

    Raises
    ------
    Undecodable
        It is gone, or may not be read.
    Unreachable
        The other side does not answer.
    """
    if not is_address(place):
        return _local_bytes(place, start, stop)
    if scheme_of(place) in WEB:
        return _web(place).get(place, start, stop)
    return asked(place, lambda files: files.cat_file(place, start=start, end=stop))


def _local_bytes(place: str, start: int | None, stop: int | None) -> bytes:
    try:
        with Path(place).open("rb") as file:  # opening costs 20 µs, decoding a hundred times that
            file.seek(start or 0)
            return file.read() if stop is None else file.read(stop - (start or 0))
    except ValueError as error:
        raise Undecodable("is no name that a file may have") from error
    except OSError as error:
        path = Path(place)
        broken = path.is_symlink() and not path.exists()
        reason = f"is a broken link to {path.readlink()}" if broken else f"cannot be read ({error.strerror})"
        raise Undecodable("is not there" if isinstance(error, FileNotFoundError) and not broken else reason) from error


def entry_at(address: str) -> Entry:
    """The file at `address`.

    Raises
    ------
    InputError
        It is not there, may not be read, or the other side does not answer.
    """
    try:
        if scheme_of(address) in WEB:
            return _web(address).entry(address, last_name(address))
        info = asked(address, lambda files: files.info(address))
        return Entry(last_name(address), int(info["size"] or 0), mark_of(info))
    except Undecodable as error:
        raise refusal(address, error) from error


def entries_below(root: str) -> list[Entry]:
    """All files below the folder at `root`, the files of a folder next to each other.

    Raises
    ------
    InputError
        There are none, they may not be listed, or the other side does not answer.
    """
    try:
        result = _web(root).listing(root) if scheme_of(root) in WEB else _objects(root)
    except Undecodable as error:
        raise refusal(root, error) from error
    if not result:
        raise InputError(f"there is nothing below {root}; correct the address")
    return sorted(result, key=lambda entry: tuple(entry.name.rpartition("/")[::2]))


def _web(address: str) -> ModuleType:
    """What asks web servers, whose library is optional."""
    filesystem(address)  # which says what is missing
    from gapscope.data import web

    return web


def _objects(root: str) -> list[Entry]:
    """One question for each thousand objects; keys that stand for folders are no files."""
    result = asked(root, lambda files: files.find(root, detail=True))
    prefix = root.split("://", 1)[1].rstrip("/") + "/"
    return [
        Entry(name.removeprefix(prefix), int(info.get("size") or 0), mark_of(info))
        for name, info in result.items()
        if info.get("type") == "file" and name.startswith(prefix) and not name.endswith("/")
    ]


def object_tree(root: str) -> Tree:
    """The files below the folder at `root`."""
    return tree_of(root, entries_below(root))


def tree_of(root: str, entries: Sequence[Entry]) -> Tree:
    """`entries`, the files of a folder next to each other, as a tree that reads them below `root`."""
    names = [entry.name for entry in entries]
    table = np.array([(max(entry.size, 0), entry.mark) for entry in entries], np.int64).reshape(-1, 2)

    def read(number: int, count: int) -> bytes:
        place = joined(root, names[number])
        stop = min(count, entries[number].size)
        return read_bytes(place, 0, stop) if count >= 0 and stop > 0 else read_bytes(place)

    problems = {number: entry.problem for number, entry in enumerate(entries) if entry.problem}
    return Tree(names, Stamps(table[:, 0].copy(), table[:, 1].copy()), read, problems)


class RemoteFile(io.RawIOBase):
    """The file at an address as a stream that can be entered anywhere, of which pieces are read as they are needed."""

    def __init__(self, address: str, size: int):
        self.address, self.size = address, size
        self._at, self._start, self._ahead, self._window = 0, 0, LEAST_AHEAD, b""

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte; nothing is read."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`, as far as there are bytes."""
        stop = min(self._at + len(buffer), self.size)
        if stop <= self._at:
            return 0
        if not (self._start <= self._at and stop <= self._start + len(self._window)):
            end = self._start + len(self._window)
            near = self._start <= self._at <= end + self._ahead
            self._ahead = min(self._ahead * 2, MOST_AHEAD) if near else LEAST_AHEAD
            self.prepare(self._at, max(stop, self._at + self._ahead))
        piece = self._window[self._at - self._start : stop - self._start]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def prepare(self, start: int, stop: int) -> None:
        """Read the bytes from `start` up to `stop` at once, for what follows."""
        try:
            self._window = read_bytes(self.address, start, min(stop, self.size))
        except Undecodable as error:
            raise OSError(f"{self.address} {error}") from error
        self._start = start


# --- copies


def copied(root: str, name: str, workspace: str, address: str = "") -> Path:
    """A copy of the file called `name` below `root`, in the folder of copies of `root`; made where there is none
    of this version, going on where a killed copy has stopped. Its time is the mark of the version.

    Parameters
    ----------
    address
        Where it lies, if that says more than `root` and `name`.

    Raises
    ------
    InputError
        It cannot be read, or is shorter than it was said to be.
    """
    if ".." in name.split("/"):
        raise InputError(f"{root} has a file called {name!r}, which leads out of any folder; name it otherwise")
    address, place = address or joined(root, name), copies_of(root, workspace) / name
    entry = entry_at(address)
    if place.is_file() and _version(place) == (entry.size, entry.mark):
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.{entry.mark:x}.tmp")
    try:
        (_copy_pieces if entry.ranged and entry.size >= 0 else _copy_whole)(address, entry, part)
    except Undecodable as error:
        raise refusal(address, error) from error
    got = part.stat().st_size
    if entry.size not in (-1, got):
        part.unlink()
        raise InputError(f"{address} gave {got:,} bytes, {entry.size:,} were announced; run the same command again")
    os.utime(part, ns=(entry.mark, entry.mark))
    part.replace(place)
    return place


def copies_of(root: str, workspace: str) -> Path:
    """The folder that copies of the files below `root` go to: in the workspace, where that is on this machine."""
    own = Location.of(workspace)
    base = Path(own.path) if own.is_local else Path(tempfile.gettempdir(), f"gapscope-{os.getuid()}")
    return base / COPIES / f"{blake2b(root.encode(), digest_size=6).hexdigest()}-{last_name(root)}"


def _version(place: Path) -> tuple[int, int]:
    status = place.stat()
    return status.st_size, status.st_mtime_ns


def _copy_pieces(address: str, entry: Entry, part: Path) -> None:
    with part.open("ab") as file:
        while file.tell() < entry.size:
            start = file.tell()
            piece = read_bytes(address, start, min(start + MOST_AHEAD, entry.size))
            if not piece:
                return
            file.write(piece)


def _copy_whole(address: str, entry: Entry, part: Path) -> None:
    asked(address, lambda files: files.get_file(address, str(part)))

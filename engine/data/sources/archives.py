"""Images inside tar and zip archives, read without unpacking them."""

import bz2
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import zstandard
from indexed_gzip import IndexedGzipFile
from PIL import Image

from gapscope.core.errors import InputError
from gapscope.data.decode import decode
from gapscope.data.source import Listing, Stamps, Undecodable
from gapscope.data.sources.files import stamps_of
from gapscope.data.tree import Tree

# Formats whose middle cannot be reached are unfolded in memory, once per process, up to this size.
MOST_UNFOLDED = 2**31
# A member that claims more than this holds no image.
MOST_BYTES = 2**30
# Links that lead to links, at most.
LINKS = 8
ERRORS = (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError, ValueError, lzma.LZMAError, zstandard.ZstdError)


class Member(NamedTuple):
    """A file in an archive.

    Attributes
    ----------
    name
        Its path, without what would lead out of the archive: a slash in front, and ``..``.
    offset, length
        Where its bytes lie in the uncompressed tar; of a zip, its number in the directory.
    problem
        Why it cannot be read, empty where it can.
    """

    name: str
    offset: int
    length: int
    problem: str = ""


class Members(NamedTuple):
    """The files in an archive, once per name, and what else is in it, with the reason why that is no file."""

    files: tuple[Member, ...]
    skipped: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ArchiveSource:
    """Members of archives.

    Attributes
    ----------
    files
        The archives.
    which : (n,) int32
        In which of them each image is.
    offsets, lengths : (n,) int64
        As those of a `Member`.
    problems
        Why an image cannot be read, by its position.
    """

    files: tuple[str, ...]
    listing: Listing
    which: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray
    problems: dict[int, str] = field(default_factory=dict)

    def read(self, index: int) -> bytes:
        """The bytes of the member at position `index`."""
        if index in self.problems:
            raise Undecodable(self.problems[index])
        offset, length = int(self.offsets[index]), int(self.lengths[index])
        return _member_bytes(self.files[self.which[index]], offset, length)

    def sizes(self) -> np.ndarray:
        """Bytes of each member, (n,) int64."""
        return self.lengths

    def stamps(self) -> Stamps:
        """Sizes and times of the archives."""
        return stamps_of(self.files, [1] * len(self.files)).rows(self.which)

    def decode(self, index: int, data: bytes) -> Image.Image:
        """The image at position `index` from its bytes."""
        return decode(data)

    def image(self, index: int) -> Image.Image:
        """The image at position `index`."""
        return self.decode(index, self.read(index))


@dataclass(frozen=True)
class ArchiveTree:
    """The files of archives as a tree, and where each of them lies."""

    files: tuple[str, ...]
    tree: Tree
    which: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray

    def source(self, numbers: Sequence[int], listing: Listing) -> ArchiveSource:
        """The images with these numbers in the tree."""
        rows = np.array(numbers, np.int64)
        problems = {at: self.tree.problems[n] for at, n in enumerate(numbers) if n in self.tree.problems}
        return ArchiveSource(self.files, listing, self.which[rows], self.offsets[rows], self.lengths[rows], problems)


def archive_tree(archives: Sequence[tuple[Path, str]]) -> ArchiveTree:
    """The members of `archives`, each below the folder that stands with it; nothing is unpacked.

    Where two archives have a file of one name, its name begins with that of its archive.
    """
    rows: dict[str, tuple[int, Member]] = {}
    skipped: list[tuple[str, str]] = []
    for which, (file, prefix) in enumerate(archives):
        members = archive_members(file)
        skipped += [(f"{prefix}{name}", reason) for name, reason in members.skipped]
        for member in members.files:
            name = f"{prefix}{member.name}"
            if name in rows:
                folder, _, last = name.rpartition("/")
                name = f"{folder}/{file.name}-{last}" if folder else f"{file.name}-{last}"
            rows[name] = which, member
    names = sorted(rows, key=lambda name: tuple(name.rpartition("/")[::2]))
    result = [rows[name] for name in names]
    files = tuple(str(file) for file, _ in archives)
    which = np.array([at for at, _ in result], np.int32)
    offsets, lengths = (np.array([getattr(m, what) for _, m in result], np.int64) for what in ("offset", "length"))
    problems = {number: member.problem for number, (_, member) in enumerate(result) if member.problem}
    stamps = Stamps(lengths, stamps_of(files, [1] * len(files)).times[which])

    def read(number: int, count: int) -> bytes:
        data = _member_bytes(files[which[number]], int(offsets[number]), int(lengths[number]))
        return data if count < 0 else data[:count]

    return ArchiveTree(files, Tree(names, stamps, read, problems, tuple(skipped)), which, offsets, lengths)


class _Opened(NamedTuple):
    """An archive in a process, as it was when it was opened: a fork must not share its parent's file position, and a
    file that was replaced is another one.
    """

    file: str
    size: int
    time: int
    process: int

    @classmethod
    def of(cls, file: str | Path) -> "_Opened":
        status = Path(file).stat()
        return cls(str(file), status.st_size, status.st_mtime_ns, os.getpid())


@lru_cache(maxsize=64)
def _members(opened: _Opened) -> Members:
    return _zip_members(opened) if _form(opened) == "zip" else _tar_members(opened)


def archive_members(file: Path) -> Members:
    """The files in an archive: where a name occurs twice, the later one replaces the earlier. Hard links, and links
    within the archive, are the files that they lead to; archives of the uncompressed kind in a tar are folders.

    Reads the headers of a ``.tar`` and skips the rest; a compressed one is unfolded once from end to end.

    Raises
    ------
    InputError
        The file is no archive, or it is cut short.
    """
    try:
        return _members(_Opened.of(file))
    except ERRORS as error:
        kind = "a zip" if file.name.lower().endswith(".zip") else "a tar"
        raise InputError(f"{file} cannot be read as {kind} archive ({error}); fetch it again") from error


# --- tar


class _Link(NamedTuple):
    """A link: the name of what it leads to, as the archive says it."""

    target: str


def _tar_members(opened: _Opened) -> Members:
    with _stream(opened) as stream:
        result, skipped = _tar_entries(stream, 0)
        return _resolved(result, skipped)


def _tar_entries(stream: BinaryIO, start: int) -> tuple[dict[str, Member | _Link], list[tuple[str, str]]]:
    result: dict[str, Member | _Link] = {}
    skipped: list[tuple[str, str]] = []
    inner: list[tuple[str, int]] = []
    stream.seek(start)
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        for info in archive:
            archive.members = []  # else the archive keeps 1 kB per member
            name = safe_name(info.name)
            if info.isdir() or not name:
                continue
            if name in result:
                skipped.append((name, "is replaced by a later file of the same name"))
                del result[name]
            if info.isreg() and not info.issparse():
                result[name] = Member(name, info.offset_data, info.size)
                if name.lower().endswith(".tar"):
                    inner.append((name, info.offset_data))
            elif info.islnk():
                result[name] = _Link(safe_name(info.linkname))
            elif info.issym():
                result[name] = _Link(_beside(name, info.linkname))
            elif info.issparse():
                result[name] = Member(name, 0, 0, "is a sparse file, which is not read from archives")
            else:
                skipped.append((name, "is a pipe or a device"))
        stream.seek(archive.offset)
        if stream.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
            raise EOFError("it ends without its end mark")  # tarfile takes a cut between two members for the end
    for name, offset in inner:
        _enter(stream, name, offset, result, skipped)
    return result, skipped


def _enter(stream: BinaryIO, name: str, offset: int, result: dict, skipped: list) -> None:
    """The files of the tar that lies at `offset` in place of the tar; it stays a file where it is none."""
    try:
        inside, left = _tar_entries(stream, offset)
    except ERRORS:
        return
    del result[name]
    folder = name[: -len(".tar")]
    for inner, member in inside.items():
        path = f"{folder}/{inner}"
        result[path] = _Link(f"{folder}/{member.target}") if isinstance(member, _Link) else member._replace(name=path)
    skipped += [(f"{folder}/{inner}", reason) for inner, reason in left]


def safe_name(name: str) -> str:
    """A member's name without what leads out of the archive.

    >>> safe_name("/tmp/set/cat/0.jpg"), safe_name("../../cat/./0.jpg"), safe_name("a/../cat/0.jpg")
    ('tmp/set/cat/0.jpg', 'cat/0.jpg', 'cat/0.jpg')
    """
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _beside(name: str, target: str) -> str:
    return safe_name(target if target.startswith("/") else f"{name.rpartition('/')[0]}/{target}")


def _resolved(result: dict[str, Member | _Link], skipped: list[tuple[str, str]]) -> Members:
    """The files, links replaced by what they lead to."""
    files = []
    folders: set[str] | None = None
    for name, member in result.items():
        end = member
        for _ in range(LINKS):
            if not isinstance(end, _Link):
                break
            end = result.get(end.target, end)
        if isinstance(end, Member):
            files.append(end._replace(name=name))
            continue
        folders = folders if folders is not None else {one.rpartition("/")[0] for one in result}
        if any(folder == end.target or folder.startswith(f"{end.target}/") for folder in folders):
            skipped.append((name, "is a link to a folder"))
        else:
            files.append(Member(name, 0, 0, f"is a link to {end.target}, which is not in the archive"))
    return Members(tuple(files), tuple(skipped))


# --- zip


def _zip_members(opened: _Opened) -> Members:
    result: dict[str, Member | _Link] = {}
    skipped: list[tuple[str, str]] = []
    archive = _zip(opened)
    infos = archive.infolist()
    backslashes = any("\\" in info.filename for info in infos) and not any("/" in info.filename for info in infos)
    for number, info in enumerate(infos):
        raw = info.filename.replace("\\", "/") if backslashes else info.filename
        name = safe_name(raw)
        if info.is_dir() or raw.endswith("/") or not name:
            continue
        if name in result:
            skipped.append((name, "is replaced by a later file of the same name"))
            del result[name]
        if stat.S_ISLNK(info.external_attr >> 16) and info.file_size < 4096:
            result[name] = _Link(_beside(name, archive.read(info).decode("utf-8", "replace")))
            continue
        problem = "is encrypted" if info.flag_bits & 1 else ""
        result[name] = Member(name, number, info.file_size, problem)
    return _resolved(result, skipped)


# --- bytes


def _member_bytes(file: str, offset: int, length: int) -> bytes:
    if length > MOST_BYTES:
        raise Undecodable(f"unfolds to {length:,} bytes, more than the {MOST_BYTES:,} allowed")
    try:
        data = _read(file, offset, length)
    except Exception as error:
        raise Undecodable(f"cannot be read from the archive ({type(error).__name__})") from error
    if len(data) < length:
        raise Undecodable(f"the archive is cut short: {len(data)} of the image's {length} bytes are there")
    return data


def _read(file: str, offset: int, length: int) -> bytes:
    opened = _Opened.of(file)
    form = _form(opened)
    if form == "zip":
        archive = _zip(opened)
        with archive.open(archive.infolist()[offset]) as member:
            return member.read(length)
    if form == "gz":
        return _gzip(opened).pread(length, offset)
    if form in UNFOLDED:
        return _unfolded(opened)[offset : offset + length]
    with Path(file).open("rb") as stream:  # opening costs 20 µs, decoding a hundred times that
        stream.seek(offset)
        return stream.read(length)


BEGINNINGS = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zst", b"PK": "zip"}
UNFOLDED: dict[str, Callable[[BinaryIO], BinaryIO]] = {
    "bz2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
    "zst": lambda stream: zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True),
}


@lru_cache(maxsize=256)
def _form(opened: _Opened) -> str:
    """What an archive is, by its first bytes: a name may say anything."""
    with Path(opened.file).open("rb") as stream:
        beginning = stream.read(6)
    return next((form for start, form in BEGINNINGS.items() if beginning.startswith(start)), "tar")


@contextmanager
def _stream(opened: _Opened) -> Iterator[BinaryIO]:
    form = _form(opened)
    if form == "gz":
        stream = _gzip(opened)
        stream.seek(0)
        yield stream
    elif form in UNFOLDED:
        yield io.BytesIO(_unfolded(opened))
    else:
        with Path(opened.file).open("rb") as stream:
            yield stream


@lru_cache(maxsize=1)
def _unfolded(opened: _Opened) -> bytes:
    with Path(opened.file).open("rb") as packed, UNFOLDED[_form(opened)](packed) as stream:
        data = stream.read(MOST_UNFOLDED + 1)
    if len(data) > MOST_UNFOLDED:
        raise InputError(
            f"{opened.file} unfolds to more than {MOST_UNFOLDED >> 30} GiB, and its format cannot be entered in the "
            "middle; unpack it to a .tar, or pack it as .tar.gz or .zip"
        )
    return data


@lru_cache(maxsize=8)
def _zip(opened: _Opened) -> zipfile.ZipFile:
    return zipfile.ZipFile(opened.file)


@lru_cache(maxsize=8)
def _gzip(opened: _Opened) -> IndexedGzipFile:
    """The archive with its index of restart points.

    The index grows while the file is read, one restart point per 4 MiB, so a random read decompresses 2 MiB on average.
    """
    return IndexedGzipFile(opened.file, spacing=2**22)

"""What is in a tar or a zip: its files, links replaced by what they lead to, under names that stay inside."""

import lzma
import stat
import tarfile
import zipfile
import zlib
from typing import BinaryIO, NamedTuple

import zstandard

# Texts beside images, as WebDataset has them, and the bytes up to which they are kept in memory.
TEXT_SUFFIXES, MOST_TEXT = ("cls", "json", "txt"), 2**14
# Links that lead to links, at most.
LINKS = 8
ERRORS = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError),
    *(OSError, EOFError, ValueError, RuntimeError),  # the last is what zipfile says of versions and passwords
)


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
    text
        What it holds, where that is a small text beside an image of a distant archive; None otherwise.
    """

    name: str
    offset: int
    length: int
    problem: str = ""
    text: bytes | None = None


class Members(NamedTuple):
    """The files in an archive, once per name, and what else is in it, with the reason why that is no file."""

    files: tuple[Member, ...]
    skipped: tuple[tuple[str, str], ...] = ()


def tar_members(stream: BinaryIO) -> Members:
    """The files in the tar that `stream` holds; only headers are read, and what lies between them is passed over."""
    result, skipped = _tar_entries(stream, 0)
    return _resolved(result, skipped)


def with_texts(members: Members, stream: BinaryIO) -> Members:
    """`members` with the contents of the small texts beside images, which are read from the same tar in one go: behind
    a network, to read each by itself would take a request an image.
    """
    places = sorted((member.offset, at) for at, member in enumerate(members.files) if _is_text(member))
    files = list(members.files)
    for offset, at in places:
        stream.seek(offset)
        files[at] = files[at]._replace(text=stream.read(files[at].length))
    return members._replace(files=tuple(files))


def _is_text(member: Member) -> bool:
    small = not member.problem and member.length <= MOST_TEXT
    return small and member.name.rpartition(".")[2].lower() in TEXT_SUFFIXES


class _Link(NamedTuple):
    """A link: the name of what it leads to, as the archive says it."""

    target: str


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


def zip_members(archive: zipfile.ZipFile) -> Members:
    """The files in a zip; its directory is read, and what links in it lead to."""
    result: dict[str, Member | _Link] = {}
    skipped: list[tuple[str, str]] = []
    infos = archive.infolist()
    backslashes = any("\\" in info.filename for info in infos) and not any("/" in info.filename for info in infos)
    for number, info in enumerate(infos):
        raw = info.filename.replace("\\", "/") if backslashes else info.filename
        name = safe_name(raw)
        if not name or raw.endswith("/"):
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

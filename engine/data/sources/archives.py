"""Images inside tar and zip archives, read without unpacking them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from gapscope.core.errors import InputError
from gapscope.data.addresses import is_address, last_name
from gapscope.data.decode import Encoded
from gapscope.data.source import Listing, Stamps, Undecodable
from gapscope.data.sources.archive_files import (
    Opened,
    archive_stamps,
    form_of,
    member_bytes,
    seen_anew,
    tar_stream,
    zip_of,
)
from gapscope.data.sources.archive_index import read_index, write_index
from gapscope.data.sources.members import ERRORS, Member, Members, tar_members, with_texts, zip_members
from gapscope.data.tree import Tree

# Archives at addresses whose members are listed at the same time.
TOGETHER = 8


@dataclass(frozen=True)
class ArchiveSource(Encoded):
    """Members of archives.

    Attributes
    ----------
    files
        The archives: paths or addresses.
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

    @property
    def distant(self) -> bool:
        """Whether images are waited for behind a network."""
        return any(map(is_address, self.files[:1]))

    def read(self, index: int) -> bytes:
        """The bytes of the member at position `index`."""
        if index in self.problems:
            raise Undecodable(self.problems[index])
        offset, length = int(self.offsets[index]), int(self.lengths[index])
        return member_bytes(self.files[self.which[index]], offset, length)

    def sizes(self) -> np.ndarray:
        """Bytes of each member, (n,) int64."""
        return self.lengths

    def stamps(self) -> Stamps:
        """Sizes and times of the archives."""
        return archive_stamps(self.files).rows(self.which)


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


def archive_tree(archives: Sequence[tuple[str, str]], workspace: str | None = None) -> ArchiveTree:
    """The members of `archives`, each below the folder that stands with it; nothing is unpacked.

    Where two archives have a file of one name, its name begins with that of its archive.

    Parameters
    ----------
    workspace
        Where it is remembered what large archives hold.
    """
    rows: dict[str, tuple[int, Member]] = {}
    skipped: list[tuple[str, str]] = []
    for which, ((file, prefix), members) in enumerate(zip(archives, _all_members(archives, workspace), strict=True)):
        skipped += [(f"{prefix}{name}", reason) for name, reason in members.skipped]
        for member in members.files:
            name = f"{prefix}{member.name}"
            if name in rows:
                folder, _, last = name.rpartition("/")
                name = f"{folder}/{last_name(file)}-{last}" if folder else f"{last_name(file)}-{last}"
            rows[name] = which, member
    names = sorted(rows, key=lambda name: tuple(name.rpartition("/")[::2]))
    result = [rows[name] for name in names]
    files = tuple(file for file, _ in archives)
    which = np.array([at for at, _ in result], np.int32)
    offsets, lengths = (np.array([getattr(m, what) for _, m in result], np.int64) for what in ("offset", "length"))
    problems = {number: member.problem for number, (_, member) in enumerate(result) if member.problem}
    texts = {number: member.text for number, (_, member) in enumerate(result) if member.text is not None}
    stamps = Stamps(lengths, archive_stamps(files).times[which])

    def read(number: int, count: int) -> bytes:
        known = texts.get(number)
        data = known if known is not None else _bytes_at(number)
        return data if count < 0 else data[:count]

    def _bytes_at(number: int) -> bytes:
        return member_bytes(files[which[number]], int(offsets[number]), int(lengths[number]))

    return ArchiveTree(files, Tree(names, stamps, read, problems, tuple(skipped)), which, offsets, lengths)


def _all_members(archives: Sequence[tuple[str, str]], workspace: str | None) -> list[Members]:
    files = [file for file, _ in archives]
    if not any(map(is_address, files)):
        return [archive_members(file, workspace) for file in files]
    with ThreadPoolExecutor(TOGETHER, "archives") as pool:
        return list(pool.map(lambda file: archive_members(file, workspace), files))


def archive_members(file: str, workspace: str | None = None) -> Members:
    """The files in an archive: where a name occurs twice, the later one replaces the earlier. Hard links, and links
    within the archive, are the files that they lead to; archives of the uncompressed kind in a tar are folders.

    Reads the headers of a ``.tar`` and skips the rest; a compressed one is unfolded once from end to end. What a large
    archive holds is remembered in `workspace`, so that this is done once.

    Raises
    ------
    InputError
        The file is no archive, or it is cut short.
    """
    try:
        opened = seen_anew(file)
        members = read_index(opened, workspace)
        if members is None:
            members = _members(opened)
            write_index(opened, workspace, members)
        return members
    except ERRORS as error:
        kind = "a zip" if last_name(file).lower().endswith(".zip") else "a tar"
        raise InputError(f"{file} cannot be read as {kind} archive ({error}); fetch it again") from error


@lru_cache(maxsize=64)
def _members(opened: Opened) -> Members:
    if form_of(opened) == "zip":
        return zip_members(zip_of(opened)[0])
    with tar_stream(opened) as stream:
        members = tar_members(stream)
        return with_texts(members, stream) if is_address(opened.file) else members

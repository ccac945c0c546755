"""The files of an import: found by name or pattern, told apart by size and samples, opened as plain bytes."""

import gzip
import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from glob import has_magic
from pathlib import Path
from typing import Any, BinaryIO, cast

import zstandard

from gapscope.core.errors import InputError
from gapscope.core.location import WEB, Location
from gapscope.core.splits import split_of

SAMPLES, SAMPLE_BYTES = 16, 2**16


def expand(patterns: Sequence[str], *, folders: bool = False) -> list[Location]:
    """The files, or `folders` too, that names, addresses and patterns stand for; a pattern's matches in natural order
    (2 before 10).
    """
    places = [place for pattern in patterns for place in _matches(str(pattern), folders=folders)]
    for place in places:
        if places.count(place) > 1:
            raise InputError(f"{place} is named twice among the files to import; name each file once")
    if not places:
        raise InputError("no file was named; pass one file, several, or a pattern such as 'train-*.csv.gz'")
    return places


def refuse_words(files: Any) -> None:
    """Refuse words behind a file that are no files, and may be meant as the names of a dataset and of its split."""
    words = [one for one in files[1:] if isinstance(one, str)] if isinstance(files, tuple | list) else []
    words = [one for one in words if re.fullmatch(r"[\w+-]+", one) and not Location(one).exists()]
    if words:
        named = ["NAME", *words] if len(words) == 1 and split_of(words[0]) else words
        options = " ".join(map(" ".join, zip(("--dataset", "--split"), named, strict=False)))
        raise InputError(f"there is no file {words[0]} to import; name the set by options, as in `{options}`")


def _matches(pattern: str, *, folders: bool) -> list[Location]:
    place = Location(pattern)
    if place.exists():
        if place.is_folder() and not folders:
            raise InputError(f"{pattern} is a folder; name its files, for example '{pattern.rstrip('/')}/*.csv'")
        _check_pieces(place)
        return [place]
    result = _glob(place) if has_magic(pattern) else []
    if not result:
        raise InputError(f"no file {pattern}" + (" matches" if has_magic(pattern) else "; check the path"))
    return [Location(name) for name in sorted(result, key=natural)]


def _check_pieces(place: Location) -> None:
    """Refuse a file of a web server that gives whole files alone: rows are read from any position on."""
    if place.scheme not in WEB or place.is_folder():
        return
    try:
        with place.open_input() as file:
            file.seek(max(place.size() - 1, 0))
            file.read(1)
    except ValueError as error:
        raise InputError(
            f"the server of {place} gives no pieces of it (range requests), which reading needs, and never those of a "
            "folder; name a file, or download it and name the copy"
        ) from error


def _glob(place: Location) -> list[str]:
    if place.is_local:
        path = Path(place.path)
        return [str(result) for result in Path(path.anchor).glob(str(path.relative_to(path.anchor)))]
    return [str(place.at(name)) for name in place.filesystem.handler.fs.glob(place.path)]


def natural(name: str) -> list[Any]:
    """A key that sorts numbers in names by their size."""
    return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in re.split(r"(\d+)", name)]


def missing_between(names: Sequence[str]) -> str:
    """A sentence where files that only a number tells apart lack some between the first and the last; else empty.

    Fewer are there than would be missing where the numbers count something else, such as images.
    """
    pieces = [natural(name) for name in names]
    if len({len(one) for one in pieces}) != 1:
        return ""
    others = [column for column in zip(*pieces, strict=True) if len(set(column)) > 1]
    if len(others) != 1 or min(others[0])[0] < 0:
        return ""
    there = sorted({number for number, _ in others[0]})
    lacking = [number for number in range(there[0], there[-1]) if number not in set(there)][: len(there) + 1]
    if not 0 < len(lacking) <= len(there):
        return ""
    more = f", and {len(lacking) - 1:,} more" if len(lacking) > 1 else ""
    return f"of the files from {names[0]} to {names[-1]}, number {lacking[0]} is missing{more}"


def sample_hash(place: Location) -> str:
    """SHA-256 over the size and 16 evenly spaced samples of 64 KiB, first and last bytes included.

    Reading all of 14 GB only to name it would cost as much as half of its import; `modified` guards against the edits
    that this misses.
    """
    size = place.size()
    digest = hashlib.sha256(str(size).encode())
    last = max(size - SAMPLE_BYTES, 0)
    with place.open_input() as file:
        for index in range(SAMPLES):
            file.seek(last * index // (SAMPLES - 1))
            digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()


def stamp(place: Location) -> tuple[int, int]:
    """Bytes of the file, and when it was last written in nanoseconds since 1970; 0 where that is not known."""
    info = place.filesystem.get_file_info([place.path])[0]
    return info.size, info.mtime_ns or 0


def listed(places: Sequence[Location]) -> str:
    """The first of some files, for people."""
    return ", ".join(map(str, places[:3])) + (", …" if len(places) > 3 else "")


@contextmanager
def open_bytes(place: Location) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The file as stored, whose position tells the progress, and decompressed if its name ends in ``.gz`` or ``.zst``.

    Raises
    ------
    InputError
        The compressed file is damaged or ends early.
    """
    with place.open_input() as raw:
        try:
            if place.name.endswith(".gz"):
                with gzip.GzipFile(fileobj=raw) as stream:
                    yield raw, cast(BinaryIO, stream)
            elif place.name.endswith(".zst"):
                with zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True, closefd=False) as stream:
                    yield raw, stream
            else:
                yield raw, raw
        except (EOFError, gzip.BadGzipFile, zstandard.ZstdError) as error:
            raise InputError(f"{place} cannot be decompressed ({error}); it is damaged or not fully copied") from error

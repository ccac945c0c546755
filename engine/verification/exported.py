"""Files that were handed to other tools: in forms of theirs, so that their digests stand in a record beside them."""

from collections.abc import Iterator
from typing import BinaryIO

from gapscope.core.errors import GapscopeError
from gapscope.core.files import BLOCK, damaged, read_json
from gapscope.core.hashing import digest_buffers
from gapscope.core.location import Location

RECORD, FILES = "export.json", "files"


def digests_of(folder: Location) -> dict[str, str]:
    """The digest of each file below an exported folder, by its name there."""
    files = [file for file in folder.files() if file.address != (folder / RECORD).address]
    return {str(file).removeprefix(str(folder)): _digest(file) for file in files}


def _digest(place: Location) -> str:
    with place.open_input() as stream:
        return digest_buffers(_blocks(stream))


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    while block := stream.read(BLOCK):
        yield block


def recorded(places: list[Location]) -> dict[str, str]:
    """The digests of the exported ones among the files at `places`, by address; earlier versions kept none."""
    found: dict[str, str] = {}
    for record in (place for place in places if place.name == RECORD):
        try:
            files = read_json(record).get(FILES)
        except (GapscopeError, AttributeError):
            continue  # the verification says what is wrong with it
        if isinstance(files, dict):
            found |= {Location(f"{record.parent}{name}").address: str(digest) for name, digest in files.items()}
    return found


def check(place: Location, digest: str) -> None:
    """Refuse an exported file that is not what was written.

    Raises
    ------
    DamageError
        It was changed.
    """
    if _digest(place) != digest:
        raise damaged(place, "it is not what `export` wrote")

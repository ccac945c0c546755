"""Files that were handed to other tools: in forms of theirs, so that their digests stand in a record beside them."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from gapscope.core.errors import GapscopeError
from gapscope.core.files import damaged, read_json
from gapscope.core.hashing import digest_file
from gapscope.core.location import Location

RECORD, FILES, COMMAND = "export.json", "files", "command"
# Data, which other tools read; pages and settings may be changed by them and by people.
DATA = frozenset((".json", ".parquet", ".safetensors", ".onnx", ".pt", ".png"))


class Exported(NamedTuple):
    """An exported file: its digest, the folder that it belongs to, and the command that wrote this."""

    digest: str
    folder: Location
    command: Mapping[str, Any]

    def check(self, place: Location) -> None:
        """Refuse the file, which lies at `place`, where it is not what was written.

        Raises
        ------
        DamageError
            It was changed.
        """
        if _digest(place) != self.digest:
            raise damaged(place, "it is not what `export` wrote")


def digests_of(folder: Location) -> dict[str, str]:
    """The digest of each file below an exported folder, by its name there."""
    return {name: _digest(Location(f"{folder}{name}")) for name in names_in(folder)}


def names_in(folder: Location) -> list[str]:
    """The names of all files below an exported folder but that of its record."""
    names = [str(file).removeprefix(str(folder)) for file in folder.files()]
    return [name for name in names if name != f"/{RECORD}"]


def _digest(place: Location) -> str:
    with place.open_input() as stream:
        return digest_file(stream)


def recorded(places: list[Location]) -> dict[str, Exported]:
    """The exported ones among the files at `places` that hold data, by address; earlier versions kept no digests."""
    found: dict[str, Exported] = {}
    for record in (place for place in places if place.name == RECORD):
        try:
            content = read_json(record)
        except GapscopeError:
            continue  # the verification says what is wrong with it
        files = content.get(FILES) if isinstance(content, dict) else None
        for name, digest in files.items() if isinstance(files, dict) else ():
            if PurePosixPath(name).suffix in DATA:
                place = Location(f"{record.parent}{name}")
                found[place.address] = Exported(str(digest), record.parent, content.get(COMMAND, {}))
    return found

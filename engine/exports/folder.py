"""The folder of an export: what lies in it, and that nothing but what the same command has written is overwritten."""

from collections.abc import Callable

from gapscope.core.errors import GapscopeError, InputError
from gapscope.core.files import read_json, write_json
from gapscope.core.location import TEMPORARY, Location
from gapscope.exports.subject import Subject, Written
from gapscope.verification.exported import FILES, RECORD, digests_of


def written(
    export: Callable[[Subject, Location], Written], subject: Subject, place: Location, about: dict[str, str]
) -> Written:
    """What `export` has written into the folder `place`, beside a record `about` it with the digest of each file.

    Raises
    ------
    InputError
        There is nothing of that name, it has not what the form needs, or other files stand in the folder.
    """
    earlier = place.parent / f".{place.name}{TEMPORARY}"
    earlier.delete_folder()
    _set_aside(place, about, earlier)
    write_json(place / RECORD, about | {FILES: None})
    try:
        result = export(subject, place)
    except GapscopeError:
        place.delete_folder()
        if earlier.exists():
            earlier.move(place)
        raise
    write_json(place / RECORD, about | {FILES: digests_of(place)})
    earlier.delete_folder()
    return result


def _set_aside(place: Location, about: dict[str, str], earlier: Location) -> None:
    """Move what the same command has written, whole or up to a kill; refuse a folder with anything else."""
    there = place / RECORD
    known = read_json(there) if there.exists() else {}
    files = known.pop(FILES, [])
    names = {str(file).removeprefix(str(place)) for file in place.files()} - {f"/{RECORD}"}
    if known == about and (files is None or names <= set(files)):
        place.move(earlier)
    elif place.names() or (place.exists() and not place.is_folder()):
        raise InputError(f"{place} holds other files, which are not overwritten; name another folder with --out")

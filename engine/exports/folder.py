"""The folder of an export: what lies in it, and that nothing but what the same command has written is overwritten."""

from collections.abc import Callable

from gapscope.core.errors import GapscopeError, InputError
from gapscope.core.files import read_json, write_json
from gapscope.core.location import Location
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
    _clear(place, about)
    write_json(place / RECORD, about | {FILES: None})
    try:
        result = export(subject, place)
    except GapscopeError:
        place.delete_folder()
        raise
    write_json(place / RECORD, about | {FILES: digests_of(place)})
    return result


def _clear(place: Location, about: dict[str, str]) -> None:
    """Remove what the same command has written, whole or up to a kill; refuse a folder with anything else."""
    there = place / RECORD
    earlier = read_json(there) if there.exists() else {}
    known = earlier.pop(FILES, [])
    names = {str(file).removeprefix(str(place)) for file in place.files()} - {f"/{RECORD}"}
    if earlier == about and (known is None or names <= set(known)):
        place.delete_folder()
    elif place.names() or (place.exists() and not place.is_folder()):
        raise InputError(f"{place} holds other files, which are not overwritten; name another folder with --out")

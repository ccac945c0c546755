"""The folder of an export: what lies in it, and that nothing but what the same command has written is overwritten."""

from collections.abc import Callable, Mapping
from typing import Any

from gapscope.core.errors import GapscopeError, InputError
from gapscope.core.files import read_json, write_json
from gapscope.core.location import TEMPORARY, Location
from gapscope.exports.subject import Subject, Written
from gapscope.verification.exported import COMMAND, FILES, RECORD, digests_of, names_in


def written(
    export: Callable[[Subject, Location], Written],
    subject: Subject,
    place: Location,
    about: Mapping[str, str],
    command: Mapping[str, Any],
) -> Written:
    """What `export` has written into the folder `place`, beside a record `about` it: the digest of each file, and the
    `command` that writes it again.

    Raises
    ------
    InputError
        There is nothing of that name, it has not what the form needs, or other files stand in the folder.
    """
    earlier = place.parent / f".{place.name}{TEMPORARY}"
    _set_aside(place, about, earlier)
    write_json(place / RECORD, {**about, FILES: None})
    try:
        result = export(subject, place)
    except GapscopeError:
        place.delete_folder()
        if earlier.exists():
            earlier.move(place)
        raise
    write_json(place / RECORD, {**about, COMMAND: command, FILES: digests_of(place)})
    earlier.delete_folder()
    return result


def _set_aside(place: Location, about: Mapping[str, str], earlier: Location) -> None:
    """Move what the same command has written to `earlier`, and remove what it had begun when it was killed; refuse a
    folder with anything else.
    """
    there = place / RECORD
    known = read_json(there) if there.exists() else {}
    is_ours = isinstance(known, dict) and {name: known.get(name) for name in about} == about
    files = known.get(FILES, ()) if is_ours else ()
    if is_ours and files is None:
        place.delete_folder()
    elif is_ours and set(names_in(place)) <= {name for name in files if name != f"/{RECORD}"}:
        earlier.delete_folder()
        place.move(earlier)
    elif place.names() or (place.exists() and not place.is_folder()):
        raise InputError(f"{place} holds other files, which are not overwritten; name another folder with --out")

"""The manifest of a store, written again from the parts, each of which says how the store was made."""

import json
from typing import Any

from pydantic import ValidationError

from gapscope.core.errors import GapscopeError
from gapscope.core.files import damage_in, seal_of, write_json
from gapscope.core.location import Location
from gapscope.runs.run import RUNS
from gapscope.schemas import SPEC_VERSION
from gapscope.schemas.embeddings import PART_METADATA, PART_NAME, Provenance
from gapscope.store.read import read_footer
from gapscope.store.write import MANIFEST, StoreWriter

# What a manifest alone knows, so that nothing vouches for it where the manifest was changed.
ITS_OWN = ("place", "command", "underflows", "constant", "vanished", "class_numbers", "files")
LEFT_OUT = "the place of the images and the command, of which no part knows, were left out, for they may be changed"


def is_manifest_of_store(place: Location, owner: Location) -> bool:
    """Whether a file is the manifest of the store `owner`."""
    return place.name == MANIFEST and place.parent == owner and owner.parent.name != RUNS


def written_again(folder: Location) -> str:
    """Write the manifest of the store in `folder` again, and say how; or what to do where that cannot be."""
    names = [name for name in folder.names() if name.startswith("part-") and name.endswith(".parquet")]
    if not names:
        return "no part of the store is there; delete the folder and make it with the command that made it"
    try:
        made = Provenance.model_validate_json(read_footer(folder / PART_NAME.format(0)).about[PART_METADATA])
        if made.spec_version != SPEC_VERSION or made.synthetic is not None:
            return f"its parts do not say all that it said; {_command(made)}"
        try:
            return _written(folder, made, len(names))
        except GapscopeError as error:
            why = damage_in(str(error))
            return f"its parts are no whole store ({why}); {_command(made)}"
    except (GapscopeError, KeyError, ValidationError):
        return "its first part does not say how it was made; delete the folder and run the command that made it"


def _command(made: Provenance) -> str:
    job = "import-features" if made.is_imported else "extract"
    return f"delete the folder and run `{job}` for {made.dataset}/{made.split} again, from {made.source or 'its files'}"


def _written(folder: Location, made: Provenance, parts: int) -> str:
    place = folder / MANIFEST
    known, seal = _content(place), seal_of(place.read_bytes()) if place.exists() else ""
    writer = StoreWriter(folder, made, {name: known[name] for name in ITS_OWN if name in known})
    try:
        _write(writer, place, parts, known.get("seconds", {}))
        if seal_of(place.read_bytes()) == seal:
            return "written again from the parts, as it was"
    except (ValidationError, TypeError, AttributeError):  # what it says of itself is of no such kind
        pass
    _write(StoreWriter(folder, made), place, parts, {})
    return f"written again from the parts; {LEFT_OUT}"


def _write(writer: StoreWriter, place: Location, parts: int, seconds: dict[str, float]) -> None:
    write_json(place, writer.again(parts, seconds).model_dump(mode="json"))


def _content(place: Location) -> dict[str, Any]:
    """What a damaged manifest says; nothing where it cannot be read."""
    try:
        content = json.loads(place.read_bytes()) if place.exists() else {}
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}

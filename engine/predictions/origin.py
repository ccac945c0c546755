"""What predictions were made from: their model and the rows of a store, and whether these are still the same."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from gapscope.core.errors import DamageError, InputError
from gapscope.core.files import damaged, read_object
from gapscope.core.location import Location, in_workspace_of

KEY, PART = b"gapscope.made_from", b"gapscope.part"
STORE_MANIFEST = "manifest.json"
Metadata = Mapping[bytes, bytes] | None


class Origin(NamedTuple):
    """What the predictions for a set were made from; each part of them says so.

    Attributes
    ----------
    model
        Digest of the model, as its description has it; empty where it has none.
    store
        Digest of the stored rows; empty where they are in no store, or in one of version 1.
    place
        Where that store lies.
    rows
        How many rows all parts have together.
    """

    model: str
    store: str
    place: str
    rows: int

    def metadata(self, part: int) -> dict[bytes, bytes]:
        """As the metadata of part `part` of the predictions."""
        return {KEY: json.dumps(self._asdict()).encode(), PART: str(part).encode()}


def origin_of(metadata: Metadata) -> Origin | None:
    """What the metadata of a table say; None where they say nothing."""
    try:
        return Origin(**json.loads((metadata or {})[KEY]))
    except (KeyError, ValueError, TypeError):
        return None


def joined(places: Sequence[Location], tables: Sequence[pa.Table]) -> pa.Table:
    """The parts of the predictions for one set as one table.

    Raises
    ------
    DamageError
        A part is missing, or stands twice, or is one of other predictions; the message names it.
    """
    check_parts(places, [table.schema.metadata for table in tables], sum(map(len, tables)))
    whole = pa.concat_tables([table.replace_schema_metadata() for table in tables])
    return whole.replace_schema_metadata(tables[0].schema.metadata)


def check_parts(places: Sequence[Location], metadata: Sequence[Metadata], rows: int) -> None:
    """Refuse parts at these `places`, with so many `rows` together, that are not the whole predictions for one set.

    Raises
    ------
    DamageError
        A part is missing, or stands twice, or is one of other predictions; the message names it.
    """
    origins = [origin_of(one) for one in metadata]
    for number, (place, one, origin) in enumerate(zip(places, metadata, origins, strict=True)):
        if origin != origins[0]:
            raise damaged(place, f"it was made by another model or from other rows than {places[0].name}")
        if origin is not None and one and one.get(PART) != str(number).encode():
            raise damaged(place, "it is another part of these predictions, or one before it is missing")
    if origins[0] is not None and rows != origins[0].rows:
        raise damaged(places[0].parent, f"it has predictions for {rows:,} rows, {origins[0].rows:,} were made")


def check_origin(metadata: Metadata, place: Location, description: Mapping[str, Any]) -> Origin | None:
    """What the predictions at `place` were made from, if that is known; refused are those of another model than the one
    that is described, or of rows that are there no more.

    Raises
    ------
    InputError
        See above. What is not known, because an earlier version wrote it or it lies elsewhere now, is not checked.
    """
    origin = origin_of(metadata)
    if origin is None:
        return None
    origin = origin._replace(place=_place(origin, place))
    model = description.get("hash", "")
    if origin.model and model and origin.model != model:
        raise InputError(
            f"{place} was predicted by another model than the one that is there now (hash {origin.model[:12]} and now "
            f"{model[:12]}); run `predict`, or the training, again"
        )
    now = _contents(origin.place)
    if origin.store and now and origin.store != now:
        raise InputError(
            f"{place} was predicted from other rows than {origin.place} holds now, which was made again since; run "
            "`predict`, or the training, again"
        )
    return origin


def _place(origin: Origin, predictions: Location) -> str:
    """Where the store lies that these are of: in the workspace of the predictions, unless that one has other rows and
    the recorded place is still there.
    """
    here = str(in_workspace_of(predictions, origin.place))
    return here if _contents(here) == origin.store or not _contents(origin.place) else origin.place


def _contents(store: str) -> str:
    """The digest of the rows that a store has now; empty where there is none, or none that can be read."""
    manifest = Location.of(store) / STORE_MANIFEST
    try:
        return str(read_object(manifest).get("contents", "")) if store and manifest.exists() else ""
    except DamageError:
        return ""  # whoever opens the store says so

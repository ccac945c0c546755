"""What the classes are called: as given, from a file beside the predictions, or by number."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.text import composed

FILE = "classes.json"
KEY = b"class_names"


def names_beside(place: Location, metadata: Mapping[bytes, bytes] | None = None) -> tuple[str, ...]:
    """The class names in the schema of a table at `place`, or else in ``classes.json`` in the same folder; empty where
    there are neither.
    """
    if metadata and KEY in metadata:
        return _names(json.loads(metadata[KEY]), f"the schema of {place}")
    folder = place if place.is_folder() else place.parent
    file = folder / FILE if folder != place or place.is_folder() else Location(FILE)
    if not file.exists():
        return ()
    try:
        return _names(json.loads(file.read_text()), str(file))
    except ValueError as error:
        raise InputError(f"{file} cannot be read as JSON: {error}") from error


def _names(result: Any, where: str) -> tuple[str, ...]:
    """Names by class index from a list of names or of ``{class, name}``; equal names get their class behind them."""
    if not isinstance(result, list):
        raise InputError(f"{where} must hold a list of names or of objects with class and name")
    try:
        pairs = [(one["class"], one["name"]) if isinstance(one, Mapping) else (i, one) for i, one in enumerate(result)]
    except KeyError as error:
        raise InputError(f"{where} has a class without {error}; each needs class and name") from error
    if sorted(index for index, _ in pairs) != list(range(len(pairs))):
        raise InputError(f"{where} must name each class from 0 to {len(pairs) - 1} once")
    names = [composed(str(name)) for _, name in sorted(pairs)]
    times = Counter(names)
    return tuple(f"{name} ({index})" if times[name] > 1 else name for index, name in enumerate(names))


def numbered(classes: int) -> tuple[str, ...]:
    """Names for classes that have none.

    >>> numbered(3)
    ('0', '1', '2')
    """
    return tuple(str(index) for index in range(classes))


def are_numbers(names: Sequence[str]) -> bool:
    """Whether these are the names that `numbered` gives."""
    return tuple(names) == numbered(len(names))


def words_in(columns: Iterable[pa.ChunkedArray]) -> tuple[str, ...]:
    """The words that columns of classes hold, or the numbers among words, sorted; none where all hold numbers."""
    columns = list(columns)
    if not any(_is_text(column.type) for column in columns):
        return ()
    flat = [pc.list_flatten(column) if hasattr(column.type, "value_field") else column for column in columns]
    words = {word for column in flat for word in pc.unique(column.cast(pa.string())).to_pylist()}
    return tuple(sorted(words - {None, ""}))


def _is_text(kind: pa.DataType) -> bool:
    inner = getattr(kind, "value_type", kind)
    return pa.types.is_string(inner) or pa.types.is_large_string(inner)

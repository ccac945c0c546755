"""Labels and names of rows, whatever they are held as, as texts."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gapscope.formats.numbers import features_of, is_flat
from gapscope.formats.table import Values
from gapscope.store.csv.kernel import PADDING, digest_records

LAST_CHARACTER, SURROGATES = 0x10FFFF, (0xD800, 0xDFFF)


class Texts(NamedTuple):
    """A text for each row, and what is wrong with rows that have none."""

    values: pa.StringArray
    wrong: Mapping[int, str]


def labels_of(values: Values, width: int = 1) -> Texts:
    """Labels; a missing one is an empty text, which is no label. Vectors of `width` numbers are one-hot."""
    if is_flat(values):
        return _texts(values, "label")
    vectors = features_of([values], ["label"], width)
    if width == 1:
        return Texts(_of_numbers(vectors.exact[:, 0]), vectors.lacking)
    hot = vectors.exact != 0
    wrong = (hot.sum(axis=1) != 1) | (vectors.exact.max(axis=1) != 1)
    reasons = dict.fromkeys(np.flatnonzero(wrong).tolist(), "has no label: its vector is not a 1 among zeros")
    return Texts(_of_numbers(hot.argmax(axis=1)), {**reasons, **vectors.lacking})


def names_of(values: Values) -> Texts:
    """Names of rows, which all have one."""
    texts = _texts(values, "name")
    missing = np.asarray(values.is_null()) if isinstance(values, pa.Array) and values.null_count else np.array([])
    return texts._replace(wrong={**texts.wrong, **dict.fromkeys(np.flatnonzero(missing).tolist(), "has no name")})


def _texts(values: Values, what: str) -> Texts:
    if isinstance(values, pa.Array):
        return _of_arrow(values, what)
    values = values.reshape(len(values))  # texts may stand in a column
    if values.dtype.kind == "S":
        return _of_bytes(pa.array(values.tolist(), pa.binary()), what)
    if values.dtype.kind == "U":
        return _of_characters(values, what)
    return Texts(_of_numbers(values), {})


def _of_arrow(values: pa.Array, what: str) -> Texts:
    if any(check(values.type) for check in (pa.types.is_string, pa.types.is_large_string)):
        values = values.cast(pa.large_binary() if pa.types.is_large_string(values.type) else pa.binary())
    if any(check(values.type) for check in (pa.types.is_binary, pa.types.is_large_binary)):
        return _of_bytes(values, what)
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    if pa.types.is_integer(values.type):  # as they are: double precision has not all of them
        return Texts(values.cast(pa.string()).fill_null(""), {})
    return Texts(_of_numbers(values.cast(pa.float64()).to_numpy(zero_copy_only=False)), {})


def _of_bytes(values: pa.Array, what: str) -> Texts:
    """Texts in UTF-8; that they are is not to be relied on, as readers of Parquet do not look."""
    try:
        return Texts(values.cast(pa.string()).fill_null(""), {})
    except pa.ArrowInvalid:
        cells = [value or b"" for value in values.to_pylist()]
        texts = [cell.decode(errors="replace") for cell in cells]
        pairs = enumerate(zip(cells, texts, strict=True))
        wrong = {row: f"the {what} is not UTF-8" for row, (cell, text) in pairs if text.encode() != cell}
        return Texts(pa.array(texts, pa.string()), wrong)


def _of_characters(values: np.ndarray, what: str) -> Texts:
    """Texts that NumPy holds as four bytes a character, which may be no characters at all."""
    codes = np.array(values).view(np.dtype(np.uint32).newbyteorder(values.dtype.byteorder))
    codes = codes.reshape(len(values), -1)
    bad = ((codes > LAST_CHARACTER) | ((codes >= SURROGATES[0]) & (codes <= SURROGATES[1]))).any(axis=1)
    codes[bad] = 0
    texts = codes.view(values.dtype).reshape(-1).tolist()
    return Texts(pa.array(texts, pa.string()), dict.fromkeys(np.flatnonzero(bad).tolist(), f"the {what} is no text"))


def _of_numbers(values: np.ndarray) -> pa.StringArray:
    """Numbers as they are written: whole ones without a point, NaN as nothing."""
    known, places = np.unique(values, return_inverse=True)
    whole = known.dtype.kind in "iu"
    known = known.astype(known.dtype.newbyteorder("="))  # which Arrow needs
    texts = pa.array(known).cast(pa.string()) if whole else pa.array(map(_written, known.tolist()), pa.string())
    return texts.take(pa.array(places))


def _written(value: float) -> str:
    if value != value:
        return ""
    return str(int(value)) if abs(value) < 2**63 and value == int(value) else str(value)


def digests_of(texts: pa.StringArray) -> np.ndarray:
    """XXH64 of each text in UTF-8, ``(n,) uint64``."""
    encoded = texts.dictionary_encode()
    _, bounds, data = encoded.dictionary.buffers()
    digests = np.empty(len(encoded.dictionary), np.uint64)
    ends = np.frombuffer(bounds or b"", np.int32)[: len(digests) + 1]
    cells = np.frombuffer((data.to_pybytes() if data else b"") + bytes(PADDING), np.uint8).copy()
    digest_records(cells, np.stack([ends[:-1], ends[1:]], axis=1), digests)
    return digests[encoded.indices.to_numpy()]

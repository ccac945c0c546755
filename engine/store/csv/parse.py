"""A block of CSV records as numbers and texts, with a reason for each row that is no row."""

import json
import re
import shlex
from itertools import pairwise
from time import perf_counter
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gapscope.core.location import Location
from gapscope.core.text import counted
from gapscope.store.csv.blocks import TextBlock
from gapscope.store.csv.kernel import (
    BAD_START,
    BADS,
    FIELDS,
    QUOTE_JUNK,
    SLOT_LABEL,
    SLOT_LINE,
    SLOT_PATH,
    SLOT_RECORD,
    SLOT_START,
    SLOTS,
    digest_records,
    gather_text,
    parse_records,
)
from gapscope.store.half import narrow
from gapscope.store.imports.source import LARGEST, Bad, Rows, Vanished, smallness

SMALLEST_NORMAL = (
    1.1754943508222875e-38  # float32 below this has fewer bits, where the fast path's rounding argument ends
)

DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?")
POINTS = " but one with a decimal comma"


def with_way_out(reason: str, place: Location) -> str:
    """The reason why a row is bad, with the command that writes the file with decimal points where it has commas."""
    if not reason.endswith(POINTS):
        return reason
    read = f'pandas.read_csv({json.dumps(str(place))}, sep=None, engine="python", decimal=",")'
    made = json.dumps(f"{place.name.partition('.')[0]}-points.csv")
    command = shlex.join(["python", "-c", f"import pandas; {read}.to_csv({made}, index=False)"])
    return f"{reason}; `{command}` writes it with points"


class Layout(NamedTuple):
    """How to read the records of one file.

    Attributes
    ----------
    names
        The columns, for messages.
    kinds : (columns,) int64
        What each column is; see `parse_records`.
    delimiter
        Code of the character between fields.
    dim
        Number of feature columns.
    dtype
        Type in which embeddings are kept.
    has_label, has_path
        Whether there are such columns.
    """

    names: tuple[str, ...]
    kinds: np.ndarray
    delimiter: int
    dim: int
    dtype: str
    has_label: bool
    has_path: bool


def parse_block(block: TextBlock, layout: Layout) -> Rows:
    """The rows of `block`; every number equals ``np.float32(float(text))``, then rounded to the layout's dtype."""
    began = perf_counter()
    text, size = block.text, block.size
    # A record of a row has at least one byte for each feature and one for each delimiter and the line break.
    capacity = size // (len(layout.kinds) + layout.dim) + 1
    x = np.empty((capacity, layout.dim), np.float32)
    slots = np.empty((capacity, SLOTS), np.int32)
    slow = np.empty((size // 2 + 1 + layout.dim, 4), np.int32)
    bad = np.empty((block.stop.line - block.start.line + 1, BADS), np.int32)
    largest = LARGEST[layout.dtype]
    rows, cells, bads, records, _ = parse_records(
        text, size, layout.delimiter, layout.kinds, SMALLEST_NORMAL, largest, x, slots, slow, bad
    )
    reasons, lost = _read_slow(text, slow[:cells], x, layout, largest)
    path, no_path = _texts(text, slots[:rows, SLOT_PATH : SLOT_PATH + 2], "path")
    label, no_label = _texts(text, slots[:rows, SLOT_LABEL : SLOT_LABEL + 2], "label")
    parsed = Rows(
        slots[:rows, SLOT_RECORD].copy(),
        slots[:rows, SLOT_LINE].copy(),
        x[:rows].copy() if layout.dtype == "float32" else narrow(x[:rows]),
        label if layout.has_label else None,
        path if layout.has_path else None,
        _digests(text, slots[:rows, SLOT_START : SLOT_START + 2]),
        records,
        _refused(text, bad[:bads], layout),
        smallness(x[:rows]) if layout.dtype == "float16" else None,
        0.0,
        Vanished.of(lost, x[:rows]),
    ).without({**no_label, **no_path, **reasons})
    # Encoded last, so that the dictionary holds no label of a bad row.
    encoded = None if parsed.label is None else parsed.label.dictionary_encode()
    return parsed._replace(label=encoded, seconds=perf_counter() - began)


def _digests(text: np.ndarray, spans: np.ndarray) -> np.ndarray:
    digests = np.empty(len(spans), np.uint64)
    digest_records(text, spans, digests)
    return digests


def _refused(text: np.ndarray, bad: np.ndarray, layout: Layout) -> list[Bad]:
    digests = _digests(text, bad[:, BAD_START : BAD_START + 2]).tolist()
    return [
        Bad(record, line, "", _why(wrong, got, layout), digest)
        for (record, line, wrong, got, _, _), digest in zip(bad.tolist(), digests, strict=True)
    ]


def _why(wrong: int, fields: int, layout: Layout) -> str:
    if wrong == FIELDS:
        halves = 1 < layout.dim == fields - len(layout.names)
        hint = ", as where numbers have decimal commas; export it with decimal points" if halves else ""
        return f"{counted(fields, 'field')}, but the header has {len(layout.names)}{hint}"
    return "text after a closing quote" if wrong == QUOTE_JUNK else "a quote is opened and never closed"


def _read_slow(
    text: np.ndarray, cells: np.ndarray, x: np.ndarray, layout: Layout, largest: float
) -> tuple[dict[int, str], np.ndarray]:
    """Fill the cells that the fast path left; what is wrong with the first bad one of each row, and how many numbers of
    each feature became 0, ``(d,)``.
    """
    reasons: dict[int, str] = {}
    lost = np.zeros(layout.dim, np.int64)
    for row, column, start, stop in cells.tolist():
        if row not in reasons:
            word = text[start:stop].tobytes().decode(errors="replace")
            value, wrong = _read_number(word, largest, layout.dtype)
            x[row, layout.kinds[column]] = value
            lost[layout.kinds[column]] += not (x[row, layout.kinds[column]] or wrong) and _is_not_zero(word)
            if wrong:
                reasons[row] = f"column {layout.names[column]!r} {wrong}"
    return reasons, lost


def _is_not_zero(word: str) -> bool:
    """Whether a number, which may be too small for any float, has a digit that is not 0 before its exponent."""
    return any(digit in "123456789" for digit in word.lower().partition("e")[0])


def _read_number(text: str, largest: float, dtype: str) -> tuple[float, str]:
    """The number that `text` stands for and an empty string, or 0 and what is wrong with it."""
    try:
        value = float("x" if "_" in text else text)
    except ValueError:
        hint = POINTS if DECIMAL_COMMA.fullmatch(text.strip()) else ""
        return 0.0, f"is {_quoted(text)}, not a number{hint}" if text.strip() else "is empty"
    if value != value:
        return 0.0, "is NaN"
    if abs(value) == float("inf"):
        return 0.0, "is infinite"
    with np.errstate(over="ignore"):
        rounded = abs(float(np.float32(value)))
    if rounded > largest:
        hint = "; --dtype float32 holds it" if dtype == "float16" and rounded < float("inf") else ""
        return 0.0, f"is {_quoted(text)}, beyond the largest {dtype} ({largest:g}){hint}"
    return value, ""


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def _texts(text: np.ndarray, spans: np.ndarray, what: str) -> tuple[pa.StringArray, dict[int, str]]:
    ends = np.empty(len(spans) + 1, np.int32)
    data = np.empty(int((spans[:, 1] - spans[:, 0]).sum()), np.uint8)
    used = gather_text(text, spans, ends, data)
    column = pa.StringArray.from_buffers(len(spans), pa.py_buffer(ends), pa.py_buffer(data[:used]))
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return _decoded(ends, data, what)
    return column, {}


def _decoded(ends: np.ndarray, data: np.ndarray, what: str) -> tuple[pa.StringArray, dict[int, str]]:
    cells = [data[start:stop].tobytes() for start, stop in pairwise(ends)]
    texts = [cell.decode(errors="replace") for cell in cells]
    wrong = {
        row: f"the {what} is not UTF-8"
        for row, (cell, text) in enumerate(zip(cells, texts, strict=True))
        if text.encode() != cell
    }
    return pa.array(texts, pa.string()), wrong

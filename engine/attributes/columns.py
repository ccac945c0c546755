"""Columns of two sets side by side, to be compared: attributes of images, and those that the user brought."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gapscope.attributes import ATTRIBUTES
from gapscope.attributes.attribute import Attribute
from gapscope.attributes.photograph import Photograph
from gapscope.blocks.formats import number, percent

Array = np.ndarray
# A user's column of so few different numbers is one of values, as sites and scanners are often numbered.
FEW_NUMBERS = 10
# A column of texts that has more different ones than this share of its rows tells images apart and not sets.
MOST_DIFFERENT = 0.5
ID = "sample_id"


class Column(NamedTuple):
    """One column in two sets.

    Attributes
    ----------
    name
        In `ATTRIBUTES`, or the user's.
    reference : (n,), target : (m,)
        Numbers, NaN where unknown; of a column of values their places in `values`, -1 where unknown.
    values
        Different values in order; empty for a column of numbers.
    """

    name: str
    reference: Array
    target: Array
    values: tuple[str, ...] = ()

    @property
    def wording(self) -> Attribute:
        """How it is worded."""
        return wording(self.name)

    @property
    def sides(self) -> tuple[Array, Array]:
        """Both sets."""
        return self.reference, self.target

    @property
    def known(self) -> tuple[Array, Array]:
        """In which rows of each set it is known, bool."""
        one, other = ((side >= 0) if self.values else ~np.isnan(side) for side in self.sides)
        return one, other

    def rows(self, reference: Array, target: Array) -> "Column":
        """Some rows of either set."""
        return self._replace(reference=self.reference[reference], target=self.target[target])


def wording(name: str) -> Attribute:
    """How a column is worded: as the attribute that it is, or by its name.

    >>> wording("luminance").less, wording("age").more
    ('darker', 'higher in age')
    """
    if name in ATTRIBUTES:
        return ATTRIBUTES[name]
    return Attribute(name, "", f"higher in {name}", f"lower in {name}", _nothing, number)


def than(word: str, share: float) -> str:
    """How much of the reference has less of an attribute, or more.

    >>> than("darker", 0.93), than("darker", 1.0)
    ('darker than 93.0 % of the reference', 'darker than all of the reference')
    """
    return f"{word} than {'all' if share >= 1 else percent(share)} of the reference"


def kind_of(name: str) -> str:
    """What an attribute is one of, such as tones: those of a kind go along with each other."""
    return ATTRIBUTES.targets[name].partition(":")[0] if name in ATTRIBUTES else name


def _nothing(photograph: Photograph) -> float:
    return float("nan")


def columns_of(reference: pa.Table, target: pa.Table) -> list[Column]:
    """The columns that both tables have and in which not all known values are one; a row for each image of a set.

    Columns of texts of which most are different, such as numbers of files, are left out.
    """
    return list(_columns(reference, target))


def _columns(reference: pa.Table, target: pa.Table) -> Iterator[Column]:
    for name in reference.column_names:
        if name == ID or name not in target.column_names:
            continue
        one, other = reference[name], target[name]
        if name in ATTRIBUTES or (_are_numbers(one, other) and _different(one, other) > FEW_NUMBERS):
            column = Column(name, *(side.cast(pa.float64()).to_numpy() for side in (one, other)))
            known = np.concatenate([side[ok] for side, ok in zip(column.sides, column.known, strict=True)])
            if len(known) and np.ptp(known):
                yield column
        else:
            yield from _of_values(name, one, other)


def _are_numbers(*sides: pa.ChunkedArray) -> bool:
    return all(pa.types.is_floating(side.type) or pa.types.is_integer(side.type) for side in sides)


def _different(*sides: pa.ChunkedArray) -> int:
    return len(set().union(*(pc.unique(side).drop_null().to_pylist() for side in sides)))


def _of_values(name: str, one: pa.ChunkedArray, other: pa.ChunkedArray) -> Iterator[Column]:
    texts = [_texts(side) for side in (one, other)]
    values = tuple(sorted(set().union(*(pc.unique(side).drop_null().to_pylist() for side in texts)), key=_rank))
    known = sum(len(side) - side.null_count for side in texts)
    if 1 < len(values) <= max(MOST_DIFFERENT * known, FEW_NUMBERS):
        places = pa.array(values, pa.string())
        codes = (pc.fill_null(pc.index_in(side, places), -1).to_numpy().astype(np.int64) for side in texts)
        yield Column(name, *codes, values)


def _texts(side: pa.ChunkedArray) -> pa.ChunkedArray:
    if not (pa.types.is_floating(side.type) or pa.types.is_integer(side.type)):
        return side.cast(pa.string())
    words = [None if one is None or one != one else number(float(one)) for one in side.to_pylist()]
    return pa.chunked_array([pa.array(words, pa.string())])


def _rank(word: str) -> tuple[bool, float, str]:
    """Numbers first, by size, then words."""
    try:
        return False, float(word.replace(",", "")), word
    except ValueError:
        return True, 0.0, word

"""Which rows of which part a chunk takes: arithmetic on row counts that opens no file."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple


class Span(NamedTuple):
    """Rows ``start <= i < stop`` of one part."""

    part: int
    start: int
    stop: int


class Piece(NamedTuple):
    """Rows ``start <= i < stop`` of a store, counted over all its parts in order."""

    start: int
    stop: int

    @property
    def rows(self) -> int:
        """How many rows the piece has."""
        return self.stop - self.start


def pieces_of(start: int, stop: int, rows: int) -> list[Piece]:
    """The rows ``start <= i < stop`` as consecutive pieces of at most `rows` rows each.

    >>> pieces_of(0, 5, 2)
    [Piece(start=0, stop=2), Piece(start=2, stop=4), Piece(start=4, stop=5)]
    """
    return [Piece(low, min(low + rows, stop)) for low in range(start, stop, rows)]


def spans_of(piece: Piece, part_rows: Sequence[int]) -> list[Span]:
    """The spans that make up `piece` in a store whose parts have `part_rows` rows.

    >>> spans_of(Piece(3, 9), [4, 0, 4, 4])
    [Span(part=0, start=3, stop=4), Span(part=2, start=0, stop=4), Span(part=3, start=0, stop=1)]
    """
    if piece.rows <= 0:
        return []
    bounds = [0, *accumulate(part_rows)]
    first = bisect_right(bounds, piece.start) - 1
    spans = []
    for part, (low, high) in enumerate(pairwise(bounds[first:]), first):
        if low >= piece.stop:
            break
        if high > low:
            spans.append(Span(part, max(piece.start, low) - low, min(piece.stop, high) - low))
    return spans

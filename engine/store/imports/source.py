"""What an import reads: rows in blocks, from any position on, whatever their format."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from gapscope.store.smallness import Smallness

LARGEST = {"float16": 65504.0, "float32": float(np.finfo(np.float32).max)}


class Bad(NamedTuple):
    """A record that gives no row: its number in the block, its place there, its path if known, why, and the digest of
    what it holds (None where there is nothing to take it of).
    """

    record: int
    line: int
    path: str
    reason: str
    digest: int | None


class Vanished(NamedTuple):
    """Numbers of each feature that are too small for any float32 and became 0, and those that are not 0, ``(d,)``."""

    lost: np.ndarray
    kept: np.ndarray

    @classmethod
    def of(cls, lost: np.ndarray, x: np.ndarray) -> "Vanished | None":
        """With the ``lost : (d,)`` of the rows ``x : (n, d)``; None where nothing is lost."""
        return cls(lost, (x != 0).sum(axis=0)) if lost.any() else None

    def merge(self, other: "Vanished") -> "Vanished":
        """Those of both together."""
        return Vanished(np.add(self.lost, other.lost), np.add(self.kept, other.kept))

    def spoilt(self) -> list[int] | None:
        """How many numbers of how many features that lost most of theirs; None where no feature has."""
        most = self.lost > self.kept
        return [int(self.lost[most].sum()), int(most.sum())] if most.any() else None


class Rows(NamedTuple):
    """What a block holds.

    Attributes
    ----------
    record : (n,) int
        Number of each row's record in the block.
    line : (n,) int
        Where it stands in the block, from 0: its physical line in a text, its row elsewhere.
    x : (n, d) float16 or float32
    label : dictionary of strings that are all in use, or None
    path : strings, or None
    digest : (n,) uint64
        A hash of what each row was made from.
    records
        Records in the block: rows and bad ones.
    bad
        The records that gave no row, in order.
    smallness
        Which features are too small for float16; None where that is not stored.
    seconds
        Time it took.
    vanished
        What became 0; None where nothing did.
    """

    record: np.ndarray
    line: np.ndarray
    x: np.ndarray
    label: pa.DictionaryArray | pa.StringArray | None
    path: pa.StringArray | None
    digest: np.ndarray
    records: int
    bad: list[Bad]
    smallness: Smallness | None
    seconds: float
    vanished: Vanished | None = None

    def without(self, reasons: dict[int, str]) -> "Rows":
        """The rows but those numbered in `reasons`, which join the bad ones."""
        if not reasons:
            return self
        more = [self._bad(row, why) for row, why in reasons.items()]
        keep = np.ones(len(self.record), bool)
        keep[list(reasons)] = False
        label, path = (column and column.filter(pa.array(keep)) for column in (self.label, self.path))
        return self._replace(
            record=self.record[keep],
            line=self.line[keep],
            x=self.x[keep],
            label=label,
            path=path,
            digest=self.digest[keep],
            bad=sorted(self.bad + more, key=lambda one: one.record),
        )

    def _bad(self, row: int, why: str) -> Bad:
        path = self.path[row].as_py() if self.path is not None else ""
        return Bad(int(self.record[row]), int(self.line[row]), path, why, int(self.digest[row]))


def smallness(x: np.ndarray) -> Smallness:
    """Which columns of ``x : (n, d) float32`` are too small for float16."""
    counts = Smallness(x.shape[1])
    counts.add(x)
    return counts


class Block(Protocol):
    """A run of records as they were read, to be parsed by any thread."""

    @property
    def stop(self) -> Sequence[int]:
        """The position of the next block."""

    @property
    def size(self) -> int:
        """Bytes of records."""

    @property
    def advanced(self) -> int:
        """How far the reading got, in what `Source.left` counts."""

    def parse(self) -> Rows:
        """The rows, and what is wrong with the others."""

    def where(self, line: int) -> str:
        """What messages call the record at `line`: its file and its line or row."""

    def name(self, line: int) -> str:
        """What the list of rejected rows calls a record at `line` without a path."""

    def release(self) -> None:
        """The buffer may be filled again."""


class Source(Protocol):
    """Rows of features to import; a position is a few whole numbers, from which reading goes on after a kill."""

    @property
    def decoder(self) -> str:
        """The format, as the provenance names it."""

    @property
    def dim(self) -> int:
        """Numbers in a row."""

    @property
    def has_path(self) -> bool:
        """Whether rows have names of their own."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes by index, where the format tells them; else empty."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences about what was assumed."""

    @property
    def origin(self) -> str:
        """Where the rows come from, for people."""

    @property
    def others(self) -> Sequence[str]:
        """Names of columns that are no feature, label or path, and may be kept beside the rows."""

    def read_others(self, names: Sequence[str]) -> pa.Table:
        """Such columns, a row for each record."""

    def preprocessing(self) -> dict[str, Any]:
        """What decides the rows: the files by size and samples, the columns."""

    def stamps(self) -> list[tuple[int, int]]:
        """Bytes of each file, and when it was last written in nanoseconds since 1970; 0 where that is not known."""

    def left(self, position: Sequence[int]) -> tuple[int | None, str]:
        """How much there is to read from `position` on (of the beginning: empty), and its unit."""

    def blocks(self, position: Sequence[int], dtype: str) -> Iterator[Block]:
        """The records from `position` on, whose features are to be stored as `dtype`."""

"""The parts of a page: an answer, headings, sentences, warnings, tables, figures and galleries, as plain values."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from gapscope.core.location import Location

# How the values of a column are written. A share, a change and a number may be an `Estimate` with its interval.
Kind = Literal["text", "count", "share", "change", "number", "p"]


class Estimate(NamedTuple):
    """A value with its 95 % interval, where it has one."""

    value: float | None
    low: float | None = None
    high: float | None = None


Cell: TypeAlias = str | int | float | Estimate | None


@dataclass(frozen=True)
class Answer:
    """What a page begins with: one sentence without its full stop, and a few named parts of one or two sentences.

    Parts without a text are left out.
    """

    headline: str
    parts: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, headline: str, parts: Mapping[str, str | Sequence[str]]) -> "Answer":
        """The answer whose parts may be several sentences each, of which some may be empty."""
        joined = {
            name: text if isinstance(text, str) else " ".join(one for one in text if one)
            for name, text in parts.items()
        }
        return cls(headline, tuple((name, text) for name, text in joined.items() if text))


@dataclass(frozen=True)
class Heading:
    """The beginning of a section, which ends before the next one; `name` is its anchor.

    Attributes
    ----------
    folded
        Whether a page shows only its title until a reader opens it; nothing is lost, for search and print find it.
    """

    name: str
    title: str
    folded: bool = False


@dataclass(frozen=True)
class Sentence:
    """A finding or an explanation; a command stands between backticks.

    Attributes
    ----------
    headline
        Whether it is among the few that a terminal shows without ``--all``.
    """

    text: str
    headline: bool = False


@dataclass(frozen=True)
class Warning:
    """A sentence that has to be read before anything is relied on; it is never hidden."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table whose ``columns[name]`` is a `Kind`; the first column names its row.

    Attributes
    ----------
    headline
        Whether a terminal shows it (its first rows) without ``--all``.
    whole
        Whether it then shows all rows: of a list that was asked for.
    """

    caption: str
    columns: Mapping[str, Kind]
    rows: Sequence[Sequence[Cell]]
    headline: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Figure:
    """A PNG that a run has saved, or that is drawn when it is shown; `alt` says what it shows and what follows from it.

    Attributes
    ----------
    place
        The file, or the function that draws it.
    caption
        What stands below it; `alt` when not given.
    """

    name: str
    place: Location | Callable[[], bytes]
    alt: str
    caption: str = ""

    def png(self) -> bytes:
        """The picture."""
        return self.place.read_bytes() if isinstance(self.place, Location) else self.place()


class Picture(NamedTuple):
    """One image of a gallery: a ``data:`` address, None where it cannot be decoded, and what is said of it.

    `given` is the predicted class, empty where nothing is predicted, `label` the right one or what else is said of it,
    `confidence` a share, `name` the file.
    """

    src: str | None
    name: str
    label: str
    given: str
    confidence: float | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gallery:
    """Images side by side."""

    title: str
    images: tuple[Picture, ...]


Block: TypeAlias = Answer | Heading | Sentence | Warning | Table | Figure | Gallery


def estimate(value: Any, low: Any = None, high: Any = None) -> Estimate:
    """An estimate of finite numbers; what is not finite is not there.

    >>> estimate(0.5, float("nan"), None)
    Estimate(value=0.5, low=None, high=None)
    """
    return Estimate(_finite(value), _finite(low), _finite(high))


def of_row(row: Mapping[str, Any]) -> Estimate:
    """The estimate in a row with ``value``, ``low`` and ``high``."""
    return estimate(row["value"], row["low"], row["high"])


def sections(blocks: Iterable[Block]) -> list[tuple[Heading | None, list[Block]]]:
    """The blocks by section; what stands before the first heading has none."""
    grouped: list[tuple[Heading | None, list[Block]]] = [(None, [])]
    for block in blocks:
        if isinstance(block, Heading):
            grouped.append((block, []))
        else:
            grouped[-1][1].append(block)
    return [(heading, below) for heading, below in grouped if below]


def _finite(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)

"""What points may be coloured by: a category for each, with its name and colour."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from gapscope.blocks.formats import number
from gapscope.draw.points.shade import shades
from gapscope.explorer.palette import RIGHT, RISING, UNEXPLAINED, UNKNOWN, WRONG, colours_of
from gapscope.gaps.words import reason
from gapscope.schemas.reasons import CODES

Array = np.ndarray
STEPS = len(RISING)
NO_LABEL, NOT_PREDICTED, NOT_KNOWN = "no label", "not predicted", "not known"
SURE = tuple(f"{100 * step // STEPS}-{100 * (step + 1) // STEPS} %" for step in range(STEPS))
# Codes of `gap`, the one that explains most first: a row with several is shown by the first of them.
RANKED = (
    *("likely_label_error", "ambiguous_label", "confusable_pair", "very_far_from_training", "far_from_training"),
    *("hard_slice", "near_boundary", "unusual_image", "domain_direction"),
)


@dataclass(frozen=True, eq=False)
class Colouring:
    """One way of colouring n points.

    Attributes
    ----------
    title
        What people choose it by.
    code : (n,) int32
        Category of each point.
    names, colours
        By category, ``#rrggbb``.
    values : (n,) float32 or None
        The numbers behind the categories, NaN where unknown.
    """

    title: str
    code: Array
    names: tuple[str, ...]
    colours: tuple[str, ...]
    values: Array | None = None

    @cached_property
    def rgb(self) -> Array:
        """The colours as ``(k, 3) uint8``."""
        return shades(self.colours)

    def index(self, name: str) -> int | None:
        """The category that is called `name`, None where there is none."""
        return self.names.index(name) if name in self.names else None

    def counts(self, chosen: Array | None = None) -> Array:
        """Points of each category, ``(k,) int64``; of those ``chosen : (n,) bool`` if given."""
        return np.bincount(self.code if chosen is None else self.code[chosen], minlength=len(self.names))


def by_class(title: str, code: Array, names: Sequence[str], unknown: str) -> Colouring:
    """Class indices ``code : (n,)``; -1, and what has no name, is the last category, called `unknown`, if there is any.

    >>> by_class("label", np.array([0, -1]), ["cat", "dog"], "no label").names
    ('cat', 'dog', 'no label')
    """
    code, names = np.asarray(code, np.int32), distinct(names)
    stray = (code < 0) | (code >= len(names))
    if not stray.any():
        return Colouring(title, code, tuple(names), tuple(colours_of(len(names))))
    code = np.where(stray, len(names), code).astype(np.int32)
    return Colouring(title, code, (*names, unknown), (*colours_of(len(names)), UNKNOWN))


def distinct(names: Sequence[str]) -> list[str]:
    """The names, numbered where several categories share one, so that a name means a single category.

    >>> distinct(["crane", "cat", "crane"])
    ['crane', 'cat', 'crane (2)']
    """
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result


def by_answer(title: str, right: Array, known: Array) -> Colouring:
    """Right or wrong, both ``(n,) bool``; rows that are not ``known`` are neither."""
    code = np.where(known, np.where(right, 0, 1), 2).astype(np.int32)
    return _trimmed(Colouring(title, code, ("right", "wrong", NOT_KNOWN), (RIGHT, WRONG, UNKNOWN)))


def by_confidence(title: str, confidence: Array) -> Colouring:
    """Probabilities ``(n,)`` in ten equal steps; NaN is not known.

    >>> by_confidence("sure", np.array([0.05, 1.0, np.nan])).code.tolist()
    [0, 9, 10]
    """
    sure = np.asarray(confidence, np.float32)
    step = np.clip(np.nan_to_num(sure * STEPS), 0, STEPS - 1).astype(np.int32)
    code = np.where(np.isnan(sure), STEPS, step).astype(np.int32)
    return _trimmed(Colouring(title, code, (*SURE, NOT_KNOWN), (*RISING, UNKNOWN)))


def by_number(title: str, values: Array, show: Callable[[float], str] = number, unit: str = "") -> Colouring:
    """Numbers ``(n,)`` in up to ten steps that hold as many points each; NaN is not known.

    >>> by_number("age", np.arange(20.0)).names[:2]
    ('up to 1.9', '1.9 to 3.8')
    """
    known = ~np.isnan(values)
    cuts = np.unique(np.quantile(values[known], np.arange(1, STEPS) / STEPS)) if known.any() else np.empty(0)
    cuts = cuts[(cuts < values[known].max())] if known.any() else cuts
    code = np.where(known, np.searchsorted(cuts, values, "left"), len(cuts) + 1).astype(np.int32)
    shown = [show(float(cut)) for cut in cuts]
    between = [f"{low} to {high}" for low, high in pairwise(shown)]
    names = (f"up to {shown[0]}", *between, f"above {shown[-1]}") if shown else (title,)
    names = tuple(f"{name} {unit}".rstrip() for name in names)
    places = np.linspace(0, STEPS - 1, len(names)).round().astype(int)
    colours = (*(RISING[place] for place in places), UNKNOWN)
    return _trimmed(Colouring(title, code, (*distinct(names), NOT_KNOWN), colours, values.astype(np.float32)))


def answered(label: Array, predicted: Array, names: Sequence[str], model: str = "") -> dict[str, Colouring]:
    """By prediction, and by right or wrong where there are labels; titles name the model where there are several.

    ``label, predicted : (n,)`` are indices of `names`, -1 where unknown.
    """
    suffix = f" of {model}" if model else ""
    key = f"-{model}" if model else ""
    result = {f"prediction{key}": by_class(f"prediction{suffix}", predicted, names, NOT_PREDICTED)}
    known = (label >= 0) & (predicted >= 0)
    if known.any():
        result[f"right{key}"] = by_answer(f"right or wrong{suffix}", label == predicted, known)
    return result


def by_reason(title: str, flags: Array, right: Array, known: Array) -> Colouring:
    """The first of `RANKED` that a wrong row has.

    Parameters
    ----------
    flags : (n, len(CODES)) bool
        In the order of `CODES`.
    right, known : (n,) bool
        Whether the answer is right; whether anything is known of the row.
    """
    ranked = flags[:, [CODES.index(code) for code in RANKED]]
    first = np.where(ranked.any(axis=1), ranked.argmax(axis=1), len(RANKED))
    code = np.where(known, np.where(right, len(RANKED) + 1, first), len(RANKED) + 2).astype(np.int32)
    names = (*map(reason, RANKED), "wrong, no reason", "right", NOT_KNOWN)
    taken = (RIGHT, UNEXPLAINED, UNKNOWN)
    of_codes = [one for one in colours_of(len(RANKED) + len(taken)) if one not in taken][: len(RANKED)]
    return _trimmed(Colouring(title, code, names, (*of_codes, UNEXPLAINED, RIGHT, UNKNOWN)))


def _trimmed(colouring: Colouring) -> Colouring:
    """Without a last category that no point has."""
    last = len(colouring.names) - 1
    if (colouring.code == last).any():
        return colouring
    return replace(colouring, names=colouring.names[:-1], colours=colouring.colours[:-1])

"""The figures of a map: what its table of coordinates can show, one after the other."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gapscope.attributes import ATTRIBUTES
from gapscope.draw.canvas import PAGE, Size
from gapscope.draw.points.categories import answers, categories
from gapscope.draw.points.density import density
from gapscope.draw.points.multiples import multiples
from gapscope.draw.points.shift import shift
from gapscope.draw.points.values import values
from gapscope.store.workspace import slug


def figures(
    columns: Mapping[str, np.ndarray],
    class_names: Sequence[str],
    set_names: Sequence[str],
    *,
    colours: Sequence[str] = (),
    note: str = "",
    size: Size = PAGE,
) -> Iterator[tuple[str, Figure]]:
    """Names of files and figures; those for which the columns know nothing are not among them.

    Parameters
    ----------
    columns
        By name, ``(n,)`` each: x; y; label, an index of `class_names`, -1 for none; set, an index of `set_names`; and,
        where predictions are known, right, 1 or 0 or NaN, and confidence, NaN where unknown.
    colours
        Further columns that the points are coloured by: numbers with NaN, or texts with None.
    note
        How the map is to be read, for the captions.
    """
    x, y, label, of = (columns[name] for name in ("x", "y", "label", "set"))
    style = {"note": note, "size": size}
    yield "density", density(x, y, **style)
    if (label >= 0).any():
        yield "classes", categories(x, y, label, class_names, **style)
        yield "each-class", multiples(x, y, label, class_names, **style)
    if len(set_names) > 1:
        yield "sets", categories(x, y, of, set_names, named=False, **style)
    for number in range(1, len(set_names)):
        one, other = ((x[of == which], y[of == which]) for which in (0, number))
        called = "shift" if number == 1 else f"shift-{number}"
        yield called, shift(one, other, (set_names[0], set_names[number]), **style)
    if "right" in columns and np.isfinite(columns["right"]).any():
        yield "answers", answers(x, y, columns["right"], **style)
    if "confidence" in columns and np.isfinite(columns["confidence"]).any():
        yield "confidence", values(x, y, columns["confidence"], unit="confidence", **style)
    for name in colours:
        yield f"by-{slug(name)}", _by(x, y, columns[name], name, style)


def _by(x: np.ndarray, y: np.ndarray, column: np.ndarray, name: str, style: dict[str, Any]) -> Figure:
    """The points by an attribute or a column."""
    if np.issubdtype(column.dtype, np.floating):
        known = ATTRIBUTES[name] if name in ATTRIBUTES else None
        unit = " in ".join(filter(None, (known.label, known.unit))) if known else name
        return values(x, y, column, unit=unit, **style)
    there = column != np.array(None)
    names, codes = np.unique(column[there].astype(str), return_inverse=True)
    every = np.full(len(column), -1)
    every[there] = codes
    return categories(x, y, every, names.tolist(), named=False, **style)

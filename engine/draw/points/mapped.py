"""The figures of a map: what its table of coordinates can show, one after the other."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from gapscope.draw.canvas import PAGE, Size
from gapscope.draw.points.categories import answers, categories
from gapscope.draw.points.density import density
from gapscope.draw.points.multiples import multiples
from gapscope.draw.points.shift import shift
from gapscope.draw.points.values import values


def figures(
    columns: Mapping[str, np.ndarray],
    class_names: Sequence[str],
    set_names: Sequence[str],
    *,
    note: str = "",
    size: Size = PAGE,
) -> Iterator[tuple[str, Figure]]:
    """Names of files and figures; those for which the columns know nothing are not among them.

    Parameters
    ----------
    columns
        By name, ``(n,)`` each: x; y; label, an index of `class_names`, -1 for none; set, an index of `set_names`; and,
        where predictions are known, right, 1 or 0 or NaN, and confidence, NaN where unknown.
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

"""Which classes had no training rows or no held-out rows, as a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

# Classes that a sentence names; of more it says how many.
SHOWN = 5


def missing(details: Mapping[str, Any], class_names: Sequence[str]) -> str:
    """Classes without training rows, and among the others those without held-out rows; empty where all had some.

    >>> missing({"class_rows": [5, 1, 0], "not_held_out": [1]}, ["cat", "dog", "fox"])
    'no training rows of fox, which is never predicted; no held-out rows of dog, for which nothing was chosen'
    >>> missing({"class_rows": [5]}, ["cat"])
    'all training rows are of cat, which is always predicted'
    """
    untrained = [index for index, rows in enumerate(details.get("class_rows", ())) if not rows]
    absent = details.get("not_held_out", ())
    verb = "is" if len(untrained) == 1 else "are"
    never = f"no training rows of {named(untrained, class_names)}, which {verb} never predicted"
    unchosen = f"no held-out rows of {named(absent, class_names)}, for which nothing was chosen"
    alone = len(details.get("class_rows", ())) == 1
    one = f"all training rows are of {named([0], class_names)}, which is always predicted"
    return "; ".join([one] * alone + [never] * bool(untrained) + [unchosen] * bool(absent))


def named(classes: Sequence[int], names: Sequence[str]) -> str:
    """The first names of some classes, and how many more there are."""
    shown = ", ".join(names[index] if index < len(names) else str(index) for index in classes[:SHOWN])
    return shown if len(classes) <= SHOWN else f"{shown} and {len(classes) - SHOWN:,} more"

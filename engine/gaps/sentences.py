"""What the terms of a gap breakdown mean, in words that fit their numbers."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from gapscope.core.text import counted
from gapscope.gaps.classes import ClassDrops
from gapscope.gaps.exchanged import Exchange
from gapscope.gaps.likeness import Likeness
from gapscope.gaps.mix import Counts

NOTHING = "nothing beyond what sets of this size show by chance"
NEGLIGIBLE = 0.0005
# The terms that rest on which inputs both sets have.
INPUTS = ("x_shift", "novel_x", "y_given_x")
# For each term what it says when it costs accuracy, and when it wins some.
MEANINGS = {
    "label_noise": (
        "this much of the gap goes when predictions are scored with right labels",
        "scored with right labels the gap is larger",
    ),
    "class_mix": (
        "the target has more rows of the classes that are harder",
        "the target has more rows of the classes that are easier",
    ),
    "common_drop": ("what all classes lost alike", "what all classes gained alike"),
    "class_drop": (
        "what single classes lost beyond the common drop, sampling error taken out",
        "what single classes lost less than the common drop, sampling error taken out",
    ),
    "x_shift": (
        "of the inputs that both sets have, the target has more of the hard ones",
        "of the inputs that both sets have, the target has more of the easy ones",
    ),
    "novel_x": (
        "the target has inputs that the reference hardly has, and they are classified worse",
        "inputs that only one set has make the target easier",
    ),
    "y_given_x": (
        "inputs with alike features are classified worse: their labels follow other rules, or the features miss "
        "what differs",
        "inputs with alike features are classified better",
    ),
}


class Context(NamedTuple):
    """What sentences need to know beside their term."""

    drops: ClassDrops
    counts: list[Counts]
    exchanges: Sequence[Exchange] = ()
    class_names: Sequence[str] = ()
    alike: Likeness | None = None
    suspects: Sequence[Exchange] = ()


class _Term(Protocol):
    name: str
    value: float
    low: float
    high: float


def meaning(term: _Term, context: Context) -> str:
    """The sentence of a term."""
    if term.name == "sampling_noise":
        return _noise(context.drops)
    if term.name == "exchanged_labels":
        return exchanged(context.exchanges, context.class_names)
    if term.name == "class_mix" and np.array_equal(*(one.share for one in context.counts)):
        return "both sets have their classes in the same proportions"
    if context.alike is not None and context.alike.refused and term.name in INPUTS:
        return _unseparated(term, context.alike)
    if not np.isfinite(term.low) or term.low <= 0 <= term.high:
        return NOTHING
    if abs(term.value) < NEGLIGIBLE:
        return "next to nothing"
    if term.name == "class_mix":
        return _mix(term, context)
    return MEANINGS[term.name][0 if term.value > 0 else 1]


def exchanged(found: Sequence[Exchange], names: Sequence[str]) -> str:
    """Which labels seem exchanged, and what else it may be."""
    one = found[0]
    more = f", and so for {counted(len(found) - 1, 'other pair')} of classes" if len(found) > 1 else ""
    return (
        f"as if {one.rows:,} images of {names[one.seeming]} were labelled {names[one.label]}: the target has fewer of "
        f"the first and more of the second, and the model takes these for {names[one.seeming]}{more}; a class mix that "
        "changed while this confusion grew would look the same, so look at these images"
    )


def _mix(term: _Term, context: Context) -> str:
    """The sentence of a class mix, with what cannot be told from it."""
    if context.suspects:
        return _mix_or_labels(context.suspects[0], context.class_names)
    new = int(((context.counts[0].rows == 0) & (context.counts[1].rows > 0)).sum())
    unknown = (
        f"; the reference has no row of {counted(new, 'class', 'classes')} of the target, so whether the class or its "
        "images are harder cannot be known"
    )
    return MEANINGS["class_mix"][0 if term.value > 0 else 1] + (unknown if new else "")


def _mix_or_labels(one: Exchange, names: Sequence[str]) -> str:
    """The sentence of a class mix that may be labels that seem exchanged."""
    return (
        f"the labels name other classes more often; about {one.rows:,} of {names[one.label]} are taken for "
        f"{names[one.seeming]}, as if labelled otherwise, which so few rows cannot tell from a class mix"
    )


def _unseparated(term: _Term, alike: Likeness) -> str:
    """The sentence of a term about inputs where nothing can be said of shared ones."""
    if term.name != "novel_x":
        return "cannot be separated; all that the classes lost stands together"
    if alike.differ:
        return (
            "all that the classes lost goes with inputs unlike those of the reference, and what other labels add to it "
            "cannot be known"
        )
    return "all that the classes lost: too few rows to tell other inputs from other labels"


def _noise(drops: ClassDrops) -> str:
    if drops.tested < 2:
        return "a single class cannot be separated from sampling error"
    largest = 100 * float(np.nanmax(np.abs(drops.raw - drops.shrunk)))
    return f"the drops that classes only seem to have: up to {largest:.1f} points in one class, cancelling in the sum"

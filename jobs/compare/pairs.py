"""What is written and told of the pairs of models on one set."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from gapscope.jobs.compare.results import accuracies
from gapscope.predictions import Predictions
from gapscope.runs.result import Table

if TYPE_CHECKING:  # this loads much of SciPy, and `--help` has to be instant
    from gapscope.evaluation.comparison import Difference

LEVEL = 0.05
SHOWN = 30
DIFFERENCES = pa.schema(
    [
        *((name, pa.string()) for name in ("dataset", "split", "one", "other")),
        *((name, pa.float64()) for name in ("value", "low", "high", "p", "adjusted_p")),
        *((name, pa.int64()) for name in ("only_one", "only_other", "n")),
    ]
)


def rows_of(place: Predictions, pairs: "Sequence[Difference]") -> list[dict[str, Any]]:
    """The rows of the table of differences, in the fields of `DIFFERENCES`."""
    return [{"dataset": place.dataset, "split": place.split, **asdict(pair)} for pair in pairs]


def tables_of(side: Sequence[Predictions], pairs: "Sequence[Difference]") -> list[Table]:
    """Accuracies, then the pairs where there are several models."""
    return [_accuracy_table(side), *([_pair_table(side[0], pairs)] if pairs else [])]


def _accuracy_table(side: Sequence[Predictions]) -> Table:
    results = sorted(accuracies(side), key=lambda result: -result.value)
    rows = [(one.model, one.n, f"{one.value:.2%}", f"{one.low:.2%} - {one.high:.2%}") for one in results]
    return Table(f"Accuracy on {side[0].name}", ("model", "images", "accuracy", "95 % interval"), rows)


def _pair_table(place: Predictions, pairs: "Sequence[Difference]") -> Table:
    """The pairs, closest first where there are too many to show."""
    shown = sorted(pairs, key=lambda pair: abs(pair.value))[:SHOWN] if len(pairs) > SHOWN else pairs
    rows = [
        (
            pair.one,
            pair.other,
            f"{100 * pair.value:+.2f}",
            f"{100 * pair.low:+.2f} - {100 * pair.high:+.2f}",
            pair.only_one,
            pair.only_other,
            f"{pair.p:.2g}",
            f"{pair.adjusted_p:.2g}",
        )
        for pair in shown
    ]
    some = f", the {len(shown)} closest of {len(pairs)} pairs" if len(shown) < len(pairs) else ""
    columns = (
        "one",
        "other",
        "difference, points",
        "95 % interval",
        "only one right",
        "only other right",
        "p",
        "p, Holm",
    )
    return Table(f"Differences on {place.name}{some}", columns, rows)


def said_of_pairs(place: Predictions, pairs: "Sequence[Difference]") -> str:
    """How many pairs differ beyond chance, or which of two models is better."""
    if not pairs:
        return ""
    differ = sum(pair.adjusted_p <= LEVEL for pair in pairs)
    if len(pairs) == 1:
        pair = pairs[0]
        better, worse = (pair.one, pair.other) if pair.value >= 0 else (pair.other, pair.one)
        if differ:
            return f"{better} is better than {worse} on {place.name} (p {pair.p:.2g})"
        return f"{place.name} shows no difference between {pair.one} and {pair.other} beyond chance (p {pair.p:.2g})"
    return f"{place.name}: {differ:,} of {len(pairs):,} pairs of models differ at 5 % after Holm's correction"

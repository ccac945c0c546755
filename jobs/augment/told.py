"""What a run tells machines and people: results, a table of classes, sentences."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from gapscope.inference import Verdict
from gapscope.runs.result import Table
from gapscope.schemas.results import Result

if TYPE_CHECKING:
    from gapscope.jobs.augment.judged import Judged

# Share of the real rows that a classifier must recognise for its word on synthetic ones to be worth much.
TRUSTED = 0.5


def results_of(place: Mapping[str, Any], found: "Judged", table: pa.Table, names: Sequence[str]) -> list[Result]:
    """A row for each verdict, and how many images or rows were made and kept, in all and of each class.

    Parameters
    ----------
    place
        Dataset, split and model of all results.
    names
        By class index.
    """
    label, kept = table["class"].to_numpy(), table["kept"].to_numpy()
    counts = [
        Result(**place, metric=metric, class_name=name, value=float(n), n=len(mine))
        for name, mine in [(None, kept), *((names[one], kept[label == one]) for one in np.unique(label))]
        for metric, n in (("made", len(mine)), ("kept", mine.sum()))
    ]
    return [*(_result(place, verdict) for verdict in found.verdicts), *counts]


def _result(place: Mapping[str, Any], verdict: Verdict) -> Result:
    ends = {name: _finite(getattr(verdict, name)) for name in ("value", "low", "high")}
    return Result(**place, metric=verdict.statistic, class_name=verdict.class_name, **ends, n=verdict.n)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and isfinite(value) else None


def classes_table(
    table: pa.Table, names: Sequence[str], counts: np.ndarray, wanted: np.ndarray, what: str = "images"
) -> Table:
    """Each class: how many real ones the generator saw (`counts`), how many were wanted, made and kept."""
    label, kept = table["class"].to_numpy(), table["kept"].to_numpy()
    made = np.bincount(label, minlength=len(wanted))
    good = np.bincount(label[kept], minlength=len(wanted))
    columns = (counts, wanted, made, good)
    rows = [(names[one], *(int(column[one]) for column in columns)) for one in np.flatnonzero(made)]
    return Table(f"Synthetic {what}", ("class", "real", "wanted", "made", "kept"), rows)


def _weak(found: "Judged") -> list[str]:
    """A warning where the classifier that is asked for the classes of images does not know the real ones."""
    accuracy = found.filtered.agreement.real_right.mean()
    if accuracy >= TRUSTED:
        return []
    return [
        f"warning: by features of {found.backbone} only {accuracy:.0%} of the real rows are recognised, so that little "
        "is known of the new ones; name a better --backbone"
    ]


def notes_of(found: "Judged", counts: Mapping[str, int], short: Sequence[str], what: str = "images") -> list[str]:
    """What the checks say of all images or rows, why some were left out, and which classes did not get enough."""
    left_out = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in counts.items())
    notes = [verdict.sentence for verdict in found.verdicts if verdict.class_name is None]
    notes += _weak(found)
    notes.append(f"Checked with features of {found.backbone}. Of {sum(counts.values()):,} {what}: {left_out}.")
    if not counts["kept"]:
        return [*notes, f"None of the {what} passed, so the set adds nothing; a longer training may, or another method"]
    if short:
        more = f" and {len(short) - 1} more" if len(short) > 1 else ""
        notes.append(f"{short[0]}{more} got fewer {what} than were wanted; --surplus makes more to choose from")
    return notes

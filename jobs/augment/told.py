"""What a run tells machines and people: results, a table of classes, sentences."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
import pyarrow as pa

from engine.inference import Verdict
from jobs.augment.judged import Judged
from jobs.augment.lesson import Lesson
from jobs.report import Table
from schemas.results import Result


def results_of(place: Mapping[str, Any], found: Judged, table: pa.Table, lesson: Lesson) -> list[Result]:
    """A row for each verdict, and how many images were made and kept, in all and of each class.

    Parameters
    ----------
    place
        Dataset, split and model of all rows.
    """
    label, kept = table["class"].to_numpy(), table["kept"].to_numpy()
    counts = [
        Result(**place, metric=metric, class_name=name, value=float(n), n=len(mine))
        for name, mine in [(None, kept), *((lesson.class_names[one], kept[label == one]) for one in np.unique(label))]
        for metric, n in (("made", len(mine)), ("kept", mine.sum()))
    ]
    return [*(_result(place, verdict) for verdict in found.verdicts), *counts]


def _result(place: Mapping[str, Any], verdict: Verdict) -> Result:
    ends = {name: _finite(getattr(verdict, name)) for name in ("value", "low", "high")}
    return Result(**place, metric=verdict.statistic, class_name=verdict.class_name, **ends, n=verdict.n)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and isfinite(value) else None


def classes_table(table: pa.Table, lesson: Lesson, wanted: np.ndarray) -> Table:
    """Each class: how many it had, how many were wanted, made and kept."""
    label, kept = table["class"].to_numpy(), table["kept"].to_numpy()
    made = np.bincount(label, minlength=len(wanted))
    good = np.bincount(label[kept], minlength=len(wanted))
    columns = (lesson.counts, wanted, made, good)
    rows = [(lesson.class_names[one], *(int(column[one]) for column in columns)) for one in np.flatnonzero(made)]
    return Table("Synthetic images", ("class", "real", "wanted", "made", "kept"), rows)


def notes_of(found: Judged, counts: Mapping[str, int], short: Sequence[str]) -> list[str]:
    """What the checks say of all images, why some were left out, and which classes did not get what they wanted."""
    left_out = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in counts.items())
    notes = [verdict.sentence for verdict in found.verdicts if verdict.class_name is None]
    notes.append(f"Checked with features of {found.backbone}. Of {sum(counts.values()):,} images: {left_out}.")
    if not counts["kept"]:
        return [*notes, "No image passed, so the set adds nothing; a longer training may, or another method"]
    if short:
        more = f" and {len(short) - 1} more" if len(short) > 1 else ""
        notes.append(f"{short[0]}{more} got fewer images than were wanted; --surplus makes more to choose from")
    return notes

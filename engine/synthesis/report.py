"""What a run says of a synthetic set: its results, and what its page is made of."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from gapscope.blocks.formats import percent
from gapscope.inference import Verdict
from gapscope.runs.result import finite
from gapscope.schemas.results import Result
from gapscope.synthesis.image_set import counted
from gapscope.synthesis.quality import Quality

# What a reader who does not know the other measures understands.
PLAIN = ("class_agreement", "copies_of_training", "copies_of_test")
# Share of the real rows that a classifier must recognise for its word on synthetic ones to be worth much.
TRUSTED = 0.5


def results_of(place: Mapping[str, Any], quality: Quality, table: pa.Table, names: Sequence[str]) -> list[Result]:
    """A row for each verdict, and how many images or rows were made and passed, in all and of each class.

    Parameters
    ----------
    place
        Dataset, split and model of all results.
    names
        By class index.
    """
    label, passed = table["class"].to_numpy(), table["kept"].to_numpy()
    counts = [
        Result(**place, metric=metric, class_name=name, value=float(n), n=len(mine))
        for name, mine in [(None, passed), *((names[one], passed[label == one]) for one in np.unique(label))]
        for metric, n in (("made", len(mine)), ("kept", mine.sum()))
    ]
    return [*(_result(place, verdict) for verdict in quality.verdicts), *counts]


def _result(place: Mapping[str, Any], verdict: Verdict) -> Result:
    ends = {name: finite(getattr(verdict, name)) for name in ("value", "low", "high")}
    return Result(**place, metric=verdict.statistic, class_name=verdict.class_name, **ends, n=verdict.n)


def summary_of(
    quality: Quality, table: pa.Table, names: Sequence[str], real: np.ndarray, wanted: np.ndarray, what: str
) -> dict[str, Any]:
    """What the page needs beside the results, as JSON.

    Parameters
    ----------
    real, wanted : (classes,)
        How many real images or rows of each class the generator saw, and how many new ones were wanted.
    what
        ``images`` or ``rows``.
    """
    label, passed = table["class"].to_numpy(), table["kept"].to_numpy()
    columns = (real, wanted, *(np.bincount(one, minlength=len(wanted)) for one in (label, label[passed])))
    made = np.flatnonzero(columns[2]).tolist()
    return {
        "what": what,
        "backbone": quality.backbone,
        "quality": [verdict.sentence for verdict in quality.verdicts if verdict.class_name is None],
        "plainly": [one.sentence for one in quality.verdicts if one.class_name is None and one.statistic in PLAIN],
        "copies_kept": int((quality.filtered.copies.of_train & passed).sum()),
        "reasons": counted(table),
        "classes": [[names[one], *(int(column[one]) for column in columns)] for one in made],
    }


def warnings_of(quality: Quality) -> list[str]:
    """A warning where the classifier that is asked for the classes of images does not know the real ones."""
    accuracy = quality.filtered.agreement.real_right.mean()
    if accuracy >= TRUSTED:
        return []
    return [
        f"warning: by features of {quality.backbone} only {percent(accuracy)} of the real rows are recognised, so that "
        "little is known of the new ones; name a better --backbone"
    ]

"""The pictures of a study of augmentation; their titles say what was found."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gapscope.draw.canvas import PAGE, Size
from gapscope.draw.modification_matrix import numbers
from gapscope.studies.augmentation.findings import FIRST, HEADLINE, LEVEL, by_headline, is_sure
from gapscope.studies.augmentation.measures import MEASURES
from gapscope.studies.modifications.pictures import short
from matplotlib.figure import Figure

Found = Mapping[str, Any]
# Classes up to which all are shown; of more, the rarest and the most frequent.
SHOWN = 16
# Measures that say something of their own: weighted recall is accuracy.
TOLD = ("accuracy", "macro_precision", "macro_recall", "macro_f1", "weighted_f1", "rare_recall", "common_recall")


def pictures(found: Found, size: Size = PAGE) -> dict[str, Figure]:
    """A figure for each section of the page, by the name of its file."""
    return {"gains": _gains(found, size), "classes": _classes(found, size)}


def _gains(found: Found, size: Size) -> Figure:
    """What each training gains over the first, by measure, the best first."""
    order = [row for row in by_headline(found) if row != FIRST] or [FIRST]
    columns = [found["measures"].index(name) for name in TOLD]
    gained = found["gained"]
    values = 100 * gained["value"][np.ix_(order, columns)]
    sure = np.nan_to_num(gained["adjusted_p"][np.ix_(order, columns)], nan=1.0) <= LEVEL
    return numbers(
        [found["trainings"][row] for row in order],
        [MEASURES[name] for name in TOLD],
        values,
        title=_title(found, order),
        unit="gain, points",
        diverging=True,
        framed=list(zip(*np.nonzero(sure), strict=True)),
        size=size,
    )


def _title(found: Found, order: list[int]) -> str:
    better = [row for row in order if is_sure(found, "gained", row) > 0]
    if not better:
        return "No training gains macro F1 for sure"
    gain = 100 * found["gained"]["value"][better[0], found["measures"].index(HEADLINE)]
    return f"{found['trainings'][better[0]]} gains most: {gain:+.1f} points of macro F1 (framed: sure)"


def _classes(found: Found, size: Size) -> Figure:
    """Recall by class, the rarest classes first."""
    order = by_headline(found)
    known = np.flatnonzero(np.isfinite(found["recall"]["value"][FIRST]))
    rank = known[np.argsort(found["counts"][known], kind="stable")]
    chosen = rank if len(rank) <= SHOWN else np.concatenate([rank[: SHOWN // 2], rank[-SHOWN // 2 :]])
    values = 100 * found["recall"]["value"][np.ix_(order, chosen)]
    return numbers(
        [f"{short(found['class_names'][index], 20)} ({found['counts'][index]})" for index in chosen],
        [found["trainings"][row] for row in order],
        values.T,
        title="Recall by class, the rarest first (training images in brackets)",
        unit="recall, %",
        size=size,
    )

"""The pictures of a study of augmentation; their titles say what was found."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gapscope.draw.canvas import PAGE, Size
from gapscope.draw.modification_matrix import numbers
from gapscope.studies.augmentation.findings import FIRST, HEADLINE, LEVEL, by_headline, is_sure
from gapscope.studies.augmentation.measures import MEASURES
from gapscope.studies.modifications.pictures import short

Findings = Mapping[str, Any]
# Classes up to which all are shown; of more, the rarest and the most frequent.
SHOWN = 16
# Measures that say something of their own: weighted recall is accuracy.
TOLD = ("accuracy", "macro_precision", "macro_recall", "macro_f1", "weighted_f1", "rare_recall", "common_recall")


def pictures(findings: Findings, size: Size = PAGE) -> dict[str, Figure]:
    """A figure for each section of the page, by the name of its file."""
    return {"gains": _gains(findings, size), "classes": _classes(findings, size)}


def _gains(findings: Findings, size: Size) -> Figure:
    """What each training gains over the first, by measure, the best first."""
    order = [row for row in by_headline(findings) if row != FIRST] or [FIRST]
    columns = [findings["measures"].index(name) for name in TOLD]
    gained = findings["gained"]
    values = 100 * gained["value"][np.ix_(order, columns)]
    sure = np.nan_to_num(gained["adjusted_p"][np.ix_(order, columns)], nan=1.0) <= LEVEL
    return numbers(
        [findings["trainings"][row] for row in order],
        [MEASURES[name] for name in TOLD],
        values,
        title=_title(findings, order),
        unit="gain, points",
        diverging=True,
        framed=list(zip(*np.nonzero(sure), strict=True)),
        size=size,
    )


def _title(findings: Findings, order: list[int]) -> str:
    better = [row for row in order if is_sure(findings, "gained", row) > 0]
    if not better:
        return "No training gains macro F1 for sure"
    gain = 100 * findings["gained"]["value"][better[0], findings["measures"].index(HEADLINE)]
    return f"{findings['trainings'][better[0]]} gains most: {gain:+.1f} points of macro F1 (framed: sure)"


def _classes(findings: Findings, size: Size) -> Figure:
    """Recall by class, the rarest classes first."""
    order = by_headline(findings)
    known = np.flatnonzero(np.isfinite(findings["recall"]["value"][FIRST]))
    rank = known[np.argsort(findings["counts"][known], kind="stable")]
    chosen = rank if len(rank) <= SHOWN else np.concatenate([rank[: SHOWN // 2], rank[-SHOWN // 2 :]])
    values = 100 * findings["recall"]["value"][np.ix_(order, chosen)]
    return numbers(
        [f"{short(findings['class_names'][index], 20)} ({findings['counts'][index]})" for index in chosen],
        [findings["trainings"][row] for row in order],
        values.T,
        title="Recall by class, the rarest first (training images in brackets)",
        unit="recall, %",
        size=size,
    )

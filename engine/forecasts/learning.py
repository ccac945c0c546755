"""Recommendations for the models of a panel: made shifts of rows and of features, scored and learnt from."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gapscope.core.progress import Progress
from gapscope.forecasts.made_shifts import FEWEST, MOST, MadeShift, feature_changes, shifts_of_rows
from gapscope.forecasts.recommended import LearnedErrors, learn
from gapscope.forecasts.scored import Panel, Scored, score
from gapscope.forecasts.strangeness import Strangeness
from gapscope.store import Changed, View
from gapscope.stream import Workers
from gapscope.summaries import Moments


def learnt_from_rows(known: Sequence[Scored], seed: int) -> list[LearnedErrors | None]:
    """For each model what shifts of the reference's rows teach; None of fewer than 200 rows."""
    return [learn(shifts_of_rows(one, seed)) if one.n >= FEWEST else None for one in known]


def learnt_from_features(
    known: Sequence[Scored],
    reference: View,
    panel: Panel,
    classes: np.ndarray,
    moments: Moments,
    workers: Workers,
    progress: Progress,
    *,
    seed: int,
) -> list[LearnedErrors | None]:
    """The same from shifts of rows and of features; reads 2,000 rows of the reference's second half for each."""
    half = reference.start + (reference.rows + 1) // 2
    view = View(reference.store, half, min(reference.stop, half + min(MOST, reference.rows // 4)))
    made = [list(shifts_of_rows(one, seed)) if one.n >= FEWEST else [] for one in known]
    if not any(made) or not view.rows:
        return [None] * len(known)
    rows = view.read()
    ids = rows.sample_id
    means = np.array([rows.x[rows.y == one].mean(axis=0) for one in np.unique(rows.y[rows.y >= 0])], np.float64)
    others = [one.taken(np.flatnonzero(~np.isin(one.sample_id, ids))) for one in known]
    strange = panel.strange.anywhere() if isinstance(panel.strange, Strangeness) else None
    asked = replace(panel, strange=strange)
    for change in feature_changes(moments.mean, np.sqrt(moments.variance(ddof=0)), means, seed):
        changed = Changed(view.store, change).view(view.start, view.stop)
        scored = score(changed, asked, classes, workers, labelled_only=True, progress=progress)
        for shifts, source, target in zip(made, others, scored, strict=True):
            shifts.append(MadeShift(change.kind, source, target))
    return [learn(shifts) if shifts else None for shifts in made]

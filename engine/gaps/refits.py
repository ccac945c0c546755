"""How much what a remedy regains depends on the very rows that it was fitted to.

A bootstrap of the rows that are judged holds the remedy fixed, and a remedy fitted to a hundred rows is itself a matter
of chance. So on small sets each remedy is fitted again to rows drawn from both sets with replacement, and the variance
of what it then regains on all rows is added. Leaving rows out (a jackknife) would overstate it, because a share of
correct predictions moves in steps.

References
----------
Efron and Tibshirani (1993), "An introduction to the bootstrap".
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gapscope.core.random import stream
from gapscope.remedies import REMEDIES
from gapscope.remedies.fitted import moments_of_both
from gapscope.store import ArrayStore, View, in_memory
from gapscope.stream import Workers

Array = np.ndarray
REFITS = 6
# Rows of both sets together and features, at most: all refits of all remedies take about half a minute.
MOST_ROWS, MOST_FEATURES = 5000, 1536


class Judged(NamedTuple):
    """Labelled target rows ``x : (n, d)``, their labels and whether the model as it is gets them right."""

    x: Array
    label: Array
    before: Array


def refit_errors(
    model: Any, reference: View, target: View, classes: Array, names: Sequence[str], workers: Workers, seed: int = 0
) -> Array:
    """Standard errors ``(r,)`` of what the remedies `names` regain, for the rows that they are fitted to; zeros where
    the sets are larger than 5,000 rows together or have more than 1,536 features.
    """
    if reference.rows + target.rows > MOST_ROWS or reference.store.dim > MOST_FEATURES:
        return np.zeros(len(names))
    views = [in_memory(view) for view in (reference, target)]
    chunk = views[1].read()
    known = chunk.y >= 0
    label = classes[chunk.y[known]]
    judged = Judged(chunk.x[known], label, model.predict(chunk.x[known]) == label)
    rng = stream(seed, "refits")
    drawn = [[_drawn(view, rng) for view in views] for _ in range(REFITS)]
    return np.std([_regained(model, names, some, judged, workers) for some in drawn], axis=0, ddof=1)


def _drawn(view: View, rng: np.random.Generator) -> View:
    """As many rows of a view in memory, drawn with replacement."""
    chunk, some = view.read(), rng.integers(0, view.rows, view.rows)
    return ArrayStore(chunk.x[some], chunk.y[some], view.store.class_names, view.store.name).view()


def _regained(model: Any, names: Sequence[str], views: Sequence[View], judged: Judged, workers: Workers) -> list[float]:
    """What each remedy regains when it is fitted to these rows."""
    moments = moments_of_both(*views, workers)
    fitted = (REMEDIES[name].fit(model, *views, workers, moments=moments) for name in names)
    after = (remedy.scores(model, judged.x).argmax(axis=1) == judged.label for remedy in fitted)
    return [float(one.mean() - judged.before.mean()) for one in after]

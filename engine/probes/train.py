"""Train a member of the family on a view: what is the same for all of them."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from gapscope.core.checkpoint import NO_CHECKPOINT, Checkpoint
from gapscope.core.chunk import Chunk
from gapscope.core.errors import unknown_name
from gapscope.core.progress import SILENT, Progress
from gapscope.probes import PROBES
from gapscope.probes.imbalance import check_treatment, check_weighing
from gapscope.probes.model import Classifier, scaled, unit_rows
from gapscope.probes.options import ProbeOptions
from gapscope.probes.rules.linear import NEVER, Linear
from gapscope.store import Changed, View
from gapscope.stream import CHUNK_ROWS, Workers

# Features whose largest lies within these bounds are trained on as they are; others are multiplied by a power of two,
# so that neither squares in float32 nor the absolute thresholds of other libraries depend on the unit.
LEAST, MOST = 2.0**-10, 2.0**20
# Members whose answers do not depend on the unit, and the baseline, which takes features as people hand them over.
UNITLESS = ("knn", "sgd")
VIEWS = ("", "raw", "standardised", "whitened", "normalised")


def train(
    name: str,
    rows: View,
    holdout: View | Chunk,
    options: ProbeOptions,
    workers: Workers,
    progress: Progress = SILENT,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Classifier:
    """The classifier that the member `name` of `PROBES` makes of the rows of a view; `holdout` is there to choose by.

    Raises
    ------
    InputError
        An option has no meaning for this member, or see its own ``fit``.
    """
    fit = PROBES[name]
    check_treatment(name, options.class_weight)
    if getattr(rows.store, "is_weighted", False):
        check_weighing(name)
    if options.view not in VIEWS:
        raise unknown_name("view of the features", options.view, VIEWS[1:])
    scale = 1.0 if name in UNITLESS else scale_of(rows)
    if scale != 1:
        change = partial(scaled, scale=scale)  # one for both, which tells that the held-out rows stand behind
        rows, holdout = _changed(rows, change), _changed(holdout, change)
        options = _in_units(options, scale)
    normalised = options.view == "normalised"
    if normalised:
        rows, holdout = _changed(rows, unit_rows), _changed(holdout, unit_rows)
    model = fit(rows, holdout, options, workers, progress, checkpoint)
    if options.class_weight == "logit-adjustment":
        model = adjusted(model)
    return unscaled(replace(model, normalised=normalised or model.normalised, scale=scale))


def _in_units(options: ProbeOptions, scale: float) -> ProbeOptions:
    """The options with the penalty on features as stored as one on features times `scale`."""
    if options.penalised != "raw":
        return options
    c, l2 = options.c, options.l2
    return replace(options, c=None if c is None else c / scale**2, l2=None if l2 is None else l2 * scale**2)


def unscaled(model: Classifier) -> Classifier:
    """The same `model` with its scale in the weights of a linear rule, where these stay within float32."""
    if model.scale == 1 or not isinstance(model.rule, Linear):
        return model
    if model.normalised:
        return replace(model, scale=1.0)
    with np.errstate(over="ignore"):
        weight = model.rule.weight * np.float32(model.scale)
    if not np.isfinite(weight).all():
        return model
    return replace(model, rule=Linear(weight, model.rule.bias), scale=1.0)


def scale_of(rows: View) -> float:
    """The power of two that brings the largest feature of the first rows to about one; 1 where it is not extreme."""
    sample = rows.store.view(rows.start, min(rows.stop, rows.start + CHUNK_ROWS)).read().x
    largest = float(np.abs(sample).max(initial=0.0, where=np.isfinite(sample)))
    return 1.0 if largest == 0 or LEAST <= largest <= MOST else 2.0 ** -int(np.floor(np.log2(largest)))


def _changed(rows: View | Chunk, change: Callable[[np.ndarray], np.ndarray]) -> View | Chunk:
    if isinstance(rows, Chunk):
        return rows._replace(x=change(rows.x))
    return Changed(rows.store, change).view(rows.start, rows.stop)


def adjusted(model: Classifier) -> Classifier:
    """The linear `model` answering as if all its classes were equally frequent; see `gapscope.probes.imbalance`."""
    counts = np.asarray(model.details["class_rows"], np.float64)
    known = counts > 0
    shift = np.where(known, np.log(np.where(known, counts, 1) / counts.sum()), 0) * model.temperature
    bias = np.where(known, model.rule.bias - shift, NEVER).astype(np.float32)
    return replace(model, rule=Linear(model.rule.weight, bias))

"""Train a member of the family on a view: what is the same for all of them."""

from dataclasses import replace

import numpy as np
from gapscope.core.checkpoint import NO_CHECKPOINT, Checkpoint
from gapscope.core.chunk import Chunk
from gapscope.core.errors import unknown_name
from gapscope.core.progress import SILENT, Progress
from gapscope.probes import PROBES
from gapscope.probes.imbalance import check_treatment
from gapscope.probes.model import Classifier, unit_rows
from gapscope.probes.options import ProbeOptions
from gapscope.probes.rules.linear import NEVER, Linear
from gapscope.store import Changed, View
from gapscope.stream import Workers

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
    if options.view not in VIEWS:
        raise unknown_name("view of the features", options.view, VIEWS[1:])
    normalised = options.view == "normalised"
    if normalised:
        rows, holdout = _unit(rows), _unit(holdout)
    model = fit(rows, holdout, options, workers, progress, checkpoint)
    if options.class_weight == "logit-adjustment":
        model = adjusted(model)
    return replace(model, normalised=normalised or model.normalised)


def _unit(rows: View | Chunk) -> View | Chunk:
    if isinstance(rows, Chunk):
        return rows._replace(x=unit_rows(rows.x))
    return Changed(rows.store, unit_rows).view(rows.start, rows.stop)


def adjusted(model: Classifier) -> Classifier:
    """The linear `model` answering as if all its classes were equally frequent; see `gapscope.probes.imbalance`."""
    counts = np.asarray(model.details["class_rows"], np.float64)
    known = counts > 0
    shift = np.where(known, np.log(np.where(known, counts, 1) / counts.sum()), 0) * model.temperature
    bias = np.where(known, model.rule.bias - shift, NEVER).astype(np.float32)
    return replace(model, rule=Linear(model.rule.weight, bias))

"""Linear discriminant analysis with a shrunk covariance: one pass over the rows, then closed form.

With the same shrinkage it is scikit-learn's ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage=s)``: the pooled
within-class covariance ``S`` (divided by n) becomes ``(1 - s) S + s tr(S)/d I``.
"""

from time import perf_counter

import numpy as np

from engine.core.checkpoint import NO_CHECKPOINT, Checkpoint
from engine.core.chunk import Chunk
from engine.core.errors import InputError
from engine.core.progress import SILENT, Progress
from engine.probes.discriminant import Discriminant, tempered_path
from engine.probes.model import Classifier
from engine.probes.options import ProbeOptions
from engine.probes.rules.linear import Linear
from engine.probes.training import Holdout, labels_of, moments_of, with_holdout
from engine.store import View
from engine.stream import Workers

# The first is taken when there are no held-out rows to choose by.
SHRINKAGES = (0.01, 0.0, 0.0001, 0.001, 0.003, 0.03, 0.1, 0.3, 0.6, 1.0)


def shrunk(eigenvalues: np.ndarray, shrinkage: float) -> np.ndarray:
    """Eigenvalues of ``(1 - s) S + s tr(S)/d I``."""
    return (1 - shrinkage) * eigenvalues + shrinkage * eigenvalues.mean()


def fit(
    train: View,
    holdout: View | Chunk,
    options: ProbeOptions,
    workers: Workers,
    progress: Progress = SILENT,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Classifier:
    """Train on `train`; the shrinkage with the least log-loss on `holdout` is taken unless `options` names one.

    Once it is chosen, the held-out rows join the others, for the price of one more eigendecomposition.

    About 15 s for a million rows of 1024 features on two cores, most of it the moments.

    Raises
    ------
    InputError
        The shrinkage asked for is outside 0…1, no row has a label, or a feature is not finite.
    """
    if options.shrinkage is not None and not 0 <= options.shrinkage <= 1:
        raise InputError(f"shrinkage {options.shrinkage} is outside 0…1; 0 keeps the covariance, 1 ignores it")
    start = perf_counter()
    moments = moments_of(train, workers, progress, checkpoint)
    labels = labels_of(moments, train)
    held = Holdout.of(holdout, labels)
    discriminant = Discriminant.of(moments)
    strengths = SHRINKAGES if options.shrinkage is None else (options.shrinkage,)
    table = list(tempered_path(discriminant, strengths, shrunk, held))
    shrinkage, temperature, _ = min(table, key=lambda row: row[2]["log_loss"])
    rest = with_holdout(train, holdout)
    if rest.stop > train.stop:
        moments = moments.merge(moments_of(rest.store.view(train.stop, rest.stop), workers, progress))
        labels, discriminant = labels_of(moments, rest), Discriminant.of(moments)
    weight, bias = discriminant.solve(shrunk(discriminant.eigenvalues, shrinkage))
    details = {
        "shrinkage": shrinkage,
        "temperature": temperature,
        "holdout": [{"shrinkage": s, "temperature": t, **result} for s, t, result in table],
        "holdout_rows": len(held.y),
        "rows": moments.total.n,
        "unlabelled": moments.classes.unlabelled,
        "passes": 1,
        "seconds": perf_counter() - start,
    }
    rule = Linear.over_all(weight.T, bias, labels.present, labels.classes)
    return Classifier("lda", rule, temperature=1 / temperature, details=details)

"""Linear discriminant analysis with a shrunk covariance: one pass over the rows, then closed form.

With the same shrinkage it is scikit-learn's ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage=s)``: the pooled
within-class covariance ``S`` (divided by n) becomes ``(1 - s) S + s tr(S)/d I``.

``ledoit-wolf`` computes the shrinkage from the rows (Ledoit and Wolf 2004, "A well-conditioned estimator for
large-dimensional covariance matrices"): that of ``S``, with features in units of their pooled within-class deviation.
scikit-learn's ``shrinkage="auto"`` does so for each class by itself and averages the covariances by class size, which
for a thousand classes would be a thousand matrices. It takes a second pass, for the fourth powers of the rows' lengths.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from gapscope.core.checkpoint import NO_CHECKPOINT, Checkpoint
from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.probes.discriminant import Discriminant, tempered_path
from gapscope.probes.metric import CONSTANT, scales
from gapscope.probes.model import Classifier
from gapscope.probes.options import ProbeOptions
from gapscope.probes.rules.linear import Linear
from gapscope.probes.training import Holdout, labels_of, moments_of, with_holdout
from gapscope.probes.units import RAW, STANDARDISED, scale_of, seen_as
from gapscope.store import View
from gapscope.stream import Workers, fold
from gapscope.summaries import FourthPowers, LabelledMoments

Array = np.ndarray
LEDOIT_WOLF = "ledoit-wolf"
# The first is taken when there are no held-out rows to choose by.
SHRINKAGES = (0.01, 0.0, 0.0001, 0.001, 0.003, 0.03, 0.1, 0.3, 0.6, 1.0)


@dataclass(frozen=True)
class Setting:
    """A shrinkage, and the units in which it shrinks: `RAW`, `STANDARDISED`, or `LEDOIT_WOLF` for its own."""

    view: str
    shrinkage: float

    def scale(self, moments: LabelledMoments) -> Array | None:
        """What the features are divided by, ``(d,)``."""
        return within_scales(moments) if self.view == LEDOIT_WOLF else scale_of(self.view, moments)


def shrunk(eigenvalues: Array, shrinkage: float) -> Array:
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

    Once it is chosen, the held-out rows join the others, for the price of one more eigendecomposition. Ledoit and
    Wolf's is that of the training rows alone; it is among those to choose from where a grid is asked for.

    About 15 s for a million rows of 1024 features on two cores, most of it the moments.

    Raises
    ------
    InputError
        The shrinkage asked for is not known or outside 0…1, no row has a label, or a feature is not finite.
    """
    start = perf_counter()
    view, wanted = seen_as("lda", options.view, RAW), shrinkage_of(options.shrinkage)
    moments = moments_of(train, workers, progress, checkpoint)
    labels = labels_of(moments, train)
    held = Holdout.of(holdout, labels)
    held_out = held.summary(labels)
    settings = [] if wanted == LEDOIT_WOLF else settings_of(view, wanted, options)
    computed = wanted == LEDOIT_WOLF or (wanted is None and options.grid)
    if computed:
        settings.append(Setting(LEDOIT_WOLF, ledoit_wolf(train, moments, workers, progress, checkpoint)))
    scales_of = {one.view: one.scale for one in settings}
    discriminants = {view: Discriminant.of(moments, scale(moments)) for view, scale in scales_of.items()}
    table = list(tried(discriminants, settings, held))
    best = min(range(len(table)), key=lambda row: table[row]["log_loss"])
    setting, temperature = settings[best], table[best]["temperature"]
    discriminant, rest = discriminants.pop(setting.view), with_holdout(train, holdout)
    if rest.stop > train.stop:
        tail = rest.store.view(train.stop, rest.stop)
        moments = moments.merge(moments_of(tail, workers, progress, checkpoint, "held-out-moments"))
        labels = labels_of(moments, rest)
        discriminant = Discriminant.of(moments, setting.scale(moments))
    weight, bias = discriminant.solve(shrunk(discriminant.eigenvalues, setting.shrinkage))
    details = {
        "shrinkage": setting.shrinkage,
        "view": setting.view,
        "temperature": temperature,
        "settings": table,
        **held_out,
        "rows": moments.total.n,
        "unlabelled": moments.classes.unlabelled,
        "class_rows": moments.classes.count.tolist(),
        "passes": 2 if computed else 1,
        "seconds": perf_counter() - start,
    }
    rule = Linear.over_all(weight.T, bias, labels.present, labels.classes)
    return Classifier("lda", rule, temperature=temperature, details=details)


def shrinkage_of(wanted: str | float | None) -> str | float | None:
    """The shrinkage asked for as a number, `LEDOIT_WOLF`, or None for one that suits the held-out rows.

    Raises
    ------
    InputError
        It is neither.
    """
    if wanted is None or wanted == LEDOIT_WOLF:
        return wanted
    try:
        number = float(wanted)
    except ValueError:
        raise InputError(f"shrinkage {wanted!r} is neither a number from 0 to 1 nor {LEDOIT_WOLF}") from None
    if not 0 <= number <= 1:
        raise InputError(f"shrinkage {wanted} is outside 0…1; 0 keeps the covariance, 1 ignores it")
    return number


def settings_of(view: str, wanted: float | None, options: ProbeOptions) -> list[Setting]:
    """What to try; the first serves when there are no held-out rows to choose by."""
    shrinkages = SHRINKAGES if wanted is None else (wanted,)
    views = [RAW, STANDARDISED] if options.grid and not options.view else [view]
    return [Setting(view, shrinkage) for view in views for shrinkage in shrinkages]


def tried(
    discriminants: Mapping[str, Discriminant], settings: Sequence[Setting], held: Holdout
) -> Iterator[dict[str, Any]]:
    """For each setting: its fields, the temperature that suits the held-out rows, and how they are then classified."""
    for view, discriminant in discriminants.items():
        path = tempered_path(discriminant, [one.shrinkage for one in settings if one.view == view], shrunk, held)
        for shrinkage, factor, result in path:
            yield {"view": view, "shrinkage": shrinkage, "temperature": 1 / factor, **result}


def within_scales(moments: LabelledMoments) -> Array:
    """Deviation ``(d,)`` of each feature within its class; of all rows where that is nought; infinite for constants."""
    spread, total = np.sqrt(np.maximum(np.diagonal(moments.within_covariance()), 0)), scales(moments.total)
    return np.where(spread > CONSTANT * np.abs(moments.total.mean), spread, total)


def ledoit_wolf(
    train: View, moments: LabelledMoments, workers: Workers, progress: Progress, checkpoint: Checkpoint
) -> float:
    """The shrinkage with the least expected squared error of the pooled within-class covariance; one more pass."""
    stage = "fourth-powers"
    saved, scale = checkpoint.load(stage), within_scales(moments)
    if saved:
        powers = FourthPowers(**saved.about)
    else:
        of = partial(FourthPowers.of, means=moments.classes.mean, scale=scale)
        powers = fold(train, of, workers, progress=progress, description=stage)
        checkpoint.save(stage, {}, powers._asdict())
    return least_error(Discriminant.of(moments, scale).eigenvalues, powers)


def least_error(eigenvalues: Array, powers: FourthPowers) -> float:
    """Ledoit and Wolf's shrinkage for a covariance with these eigenvalues; 0 where it is a multiple of the identity.

    The squared error of the covariance is ``sum |z|^4 / n - |S|²``, over n, and its distance from the identity's
    multiple is ``|S|² - d mean²``; the shrinkage is their ratio, at most one.
    """
    if len(eigenvalues) == 1:
        return 0.0
    squared = float(eigenvalues @ eigenvalues)
    error = (powers.total / powers.n - squared) / powers.n
    distance = squared - len(eigenvalues) * float(eigenvalues.mean()) ** 2
    return float(np.clip(error / distance, 0, 1)) if min(error, distance) > 0 else 0.0

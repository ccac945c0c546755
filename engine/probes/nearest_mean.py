"""The class whose mean is nearest: one pass over the rows, nothing to choose.

On features as they are it is scikit-learn's ``NearestCentroid``; on standardised ones the distance is measured in
deviations of each feature, on whitened ones in those of the pooled within-class covariance (Mahalanobis).
"""

from dataclasses import replace
from time import perf_counter
from typing import NamedTuple

import numpy as np

from gapscope.core.checkpoint import NO_CHECKPOINT, Checkpoint
from gapscope.core.chunk import Chunk
from gapscope.core.progress import SILENT, Progress
from gapscope.probes.class_means import by_class, labels_in
from gapscope.probes.discriminant import Discriminant
from gapscope.probes.metric import CONSTANT
from gapscope.probes.model import Classifier
from gapscope.probes.options import ProbeOptions
from gapscope.probes.rules.linear import Linear
from gapscope.probes.training import Holdout, moments_of, with_holdout
from gapscope.store import View
from gapscope.stream import Workers
from gapscope.summaries import ClassMeans, ClassMoments, LabelledMoments

Array = np.ndarray


class Centres(NamedTuple):
    """Class means and the distances between rows.

    Attributes
    ----------
    means
        Counts and means by class.
    weight, bias : (d, p), (p,) float64
        Scores on the features as they are stored: minus half the squared distance from each mean, plus what is common
        to all classes of a row. Measured from the mean of all rows, where float32 has digits to spare.
    """

    means: ClassMeans
    weight: Array
    bias: Array


def fit(
    train: View,
    holdout: View | Chunk,
    options: ProbeOptions,
    workers: Workers,
    progress: Progress = SILENT,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Classifier:
    """Train on `train`; held-out rows decide the temperature, and then join the others.

    As fast as the rows are read; whitened features cost as much as lda.

    Raises
    ------
    InputError
        No row has a label, or a feature is not finite.
    """
    start = perf_counter()
    summary = summary_of(options.view, train, workers, progress, checkpoint, "means")
    labels = labels_in(means_of(summary), train)
    held = Holdout.of(holdout, labels)
    held_out = held.summary(labels)
    result = centres(summary)
    scores = held.scores(result.weight, result.bias)
    temperature = held.temperature(scores)
    judged = held.judge(scores / np.float32(temperature))
    rest = with_holdout(train, holdout)
    if rest.stop > train.stop:
        tail = rest.store.view(train.stop, rest.stop)
        summary = summary.merge(summary_of(options.view, tail, workers, progress, checkpoint, "held-out-means"))
        result = centres(summary)
        labels = labels_in(result.means, rest)
    view = options.view or "raw"
    details = {
        "view": view,
        "settings": [{"view": view, "temperature": temperature, **judged}],
        **held_out,
        "rows": result.means.n,
        "unlabelled": result.means.unlabelled,
        "class_rows": result.means.count.tolist(),
        "passes": 1,
        "seconds": perf_counter() - start,
    }
    rule = Linear.over_all(result.weight.T, result.bias, labels.present, labels.classes)
    return Classifier("nearest-mean", rule, probabilistic=len(held.y) > 0, temperature=temperature, details=details)


def summary_of(
    view: str, rows: View, workers: Workers, progress: Progress, checkpoint: Checkpoint, stage: str
) -> ClassMeans | ClassMoments | LabelledMoments:
    """As much as the distance of a view of the features asks for."""
    if view == "whitened":
        return moments_of(rows, workers, progress, checkpoint, stage)
    kind = ClassMoments if view == "standardised" else ClassMeans
    return by_class(kind, rows, workers, progress, checkpoint, stage)


def means_of(summary: ClassMeans | ClassMoments | LabelledMoments) -> ClassMeans:
    """The class means in a summary."""
    if isinstance(summary, LabelledMoments):
        return summary.classes
    return ClassMeans(summary.count, summary.mean, summary.unlabelled)


def centres(summary: ClassMeans | ClassMoments | LabelledMoments) -> Centres:
    """Scores from a summary, with the distance that goes with its kind."""
    means = means_of(summary)
    if isinstance(summary, LabelledMoments):
        discriminant = Discriminant.of(summary)
        equal = replace(discriminant, log_priors=np.zeros_like(discriminant.log_priors))
        return Centres(means, *equal.solve(discriminant.eigenvalues))
    count, mean = means.count[means.count > 0], means.mean[means.count > 0]
    origin = count @ mean / count.sum()
    precision = precisions(summary, origin) if isinstance(summary, ClassMoments) else np.ones(len(origin))
    offset = mean - origin
    weight = offset * precision
    return Centres(means, weight.T, -weight @ origin - 0.5 * np.einsum("pd,pd->p", weight, offset))


def precisions(moments: ClassMoments, origin: Array) -> Array:
    """One over the variance of each feature, ``(d,)``; zero for a constant one."""
    between = moments.count @ np.square(moments.mean - origin)
    deviation = np.sqrt((moments.squares.sum(axis=0) + between) / moments.count.sum())
    varies = deviation > CONSTANT * np.abs(origin)
    return np.where(varies, 1 / np.where(varies, deviation, 1) ** 2, 0)

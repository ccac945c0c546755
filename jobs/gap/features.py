"""What the features of two sets say beside the predictions: domain scores, attribution, reasons, repairs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import Progress
from gapscope.gaps.mix import Counts
from gapscope.jobs.gap.config import GapConfig
from gapscope.jobs.gap.found import Features, StoredSet
from gapscope.probes.model import Classifier
from gapscope.runs.folder import RunFolder
from gapscope.store import View
from gapscope.stream import Workers, each, fold


def features_of(
    config: GapConfig, model: Classifier, sides: list[StoredSet], made: RunFolder, workers: Workers, progress: Progress
) -> tuple[Features, list[str]]:
    """What the features say; a part that cannot be had becomes a sentence."""
    views = [side.view for side in sides]
    notes: list[str] = []

    def part(name: str, make: Callable[[], Any]) -> Any:
        if name in config.skip:
            return None
        try:
            with made.timed(name):
                return make()
        except InputError as error:
            notes.append(f"no {name}: {error}")
            return None

    domain = part("domain", lambda: _domain(config, model, views, workers, progress))
    return Features(
        domain,
        None if domain is None else _mix_odds(model, sides, workers, progress),
        part("features", lambda: _attribution(model, sides, workers, progress)),
        part("reasons", lambda: _reasons(model, views, domain, workers, progress)),
        part("repairs", lambda: _repairs(config, model, views, workers, progress)) or (),
    ), notes


def _domain(config: GapConfig, model: Classifier, views: list[View], workers: Workers, progress: Progress) -> Any:
    """Domain scores from the features and, where the model says it, from how sure it is: rows that are harder for it
    lie along no single feature.
    """
    from gapscope.shifts.confidence import WithConfidence
    from gapscope.shifts.domain import domain_scores

    where = {"seed": config.seed, "workers": workers, "progress": progress}
    if not model.probabilistic:
        return domain_scores(*views, **where)
    seen = WithConfidence(model.probabilities)
    return domain_scores(*views, change=seen, emphasis=seen.emphasis(views[0].store.dim), **where)


def _mix_odds(
    model: Classifier, sides: list[StoredSet], workers: Workers, progress: Progress
) -> tuple[np.ndarray, np.ndarray] | None:
    """What the class mix alone says of a row's set, by the model's probabilities; None where it gives none."""
    if not model.probabilistic:
        return None
    p, q = (Counts(*side.predictions.counts()).share for side in sides)
    ratio = np.divide(q, p, out=np.ones_like(p), where=(p > 0) & (q > 0))
    of = _MixOdds(model, ratio)
    first, second = (
        np.concatenate(each(side.view, of, workers, progress=progress, description=f"class odds of {side.store.name}"))
        for side in sides
    )
    return first, second


@dataclass(frozen=True, eq=False)
class _MixOdds:
    """Picklable: the mean of a ratio of class shares over the class probabilities of each row."""

    model: Classifier
    ratio: np.ndarray

    def __call__(self, _index: int, chunk: Chunk) -> np.ndarray:
        return self.model.probabilities(chunk.x) @ self.ratio


def _reasons(model: Classifier, views: list[View], domain: Any, workers: Workers, progress: Progress) -> pa.Table:
    from gapscope.gaps.reasons import reasons

    return reasons(model, *views, workers=workers, progress=progress, domains=domain)


def _repairs(config: GapConfig, model: Classifier, views: list[View], workers: Workers, progress: Progress) -> tuple:
    from gapscope.gaps.ladder import ladder

    return ladder(model, *views, workers=workers, progress=progress, replicates=config.replicates, seed=config.seed)


def _attribution(model: Classifier, sides: list[StoredSet], workers: Workers, progress: Progress) -> Any:
    """By feature, of a linear rule; another kind has no weights to speak of."""
    from gapscope.gaps.attribution import attribution
    from gapscope.probes.rules.linear import Linear

    if not isinstance(model.rule, Linear):
        raise InputError(f"{model.name} is no linear model, so no feature has a weight")
    classes = len(model.class_names)
    of = _ClassMoments(classes, normalised=model.normalised)
    moments = [
        fold(side.view, of, workers, progress=progress, description=f"class means of {side.store.name}")
        for side in sides
    ]
    answers = sides[1].predictions.labelled()
    pairs = answers.label.astype(np.int64) * classes + answers.predicted
    confusion = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
    return attribution(model.rule.weight, model.rule.bias, *moments, confusion)


@dataclass(frozen=True)
class _ClassMoments:
    """Picklable: class moments of a chunk as the model's head sees it."""

    classes: int
    normalised: bool

    def __call__(self, chunk: Chunk) -> Any:
        from gapscope.probes.model import unit_rows
        from gapscope.summaries import ClassMoments

        x = unit_rows(chunk.x) if self.normalised else chunk.x
        return ClassMoments.of(x, chunk.y, self.classes)

"""What the features of two sets say beside the predictions: domain scores, attribution, reasons, remedies."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import Progress
from gapscope.gaps.analysis import Evidence
from gapscope.gaps.attribution import Attribution, attribution
from gapscope.gaps.exchanged import shares_as_seen
from gapscope.gaps.images import image_evidence
from gapscope.gaps.reasons import reasons
from gapscope.gaps.sides import Side
from gapscope.gaps.trials import try_remedies
from gapscope.predictions.confusions import confusion_counts
from gapscope.probes.model import Classifier, unit_rows
from gapscope.probes.rules.linear import Linear
from gapscope.runs.folder import RunFolder
from gapscope.shifts.confidence import Sureness, WithConfidence
from gapscope.shifts.domain import DomainScores, domain_scores
from gapscope.shifts.looks import Looks, looks
from gapscope.store import View
from gapscope.stream import Workers, each, fold
from gapscope.summaries import ClassMoments

PARTS = ("domain", "features", "attributes", "reasons", "remedies")


def evidence_of(
    model: Classifier,
    sides: Sequence[Side],
    parts: Collection[str],
    made: RunFolder,
    workers: Workers,
    progress: Progress,
    *,
    replicates: int,
    seed: int,
) -> tuple[Evidence, list[str]]:
    """The evidence of those of `PARTS` that are in `parts`; one that cannot be had becomes a sentence."""
    views = [side.view for side in sides]
    where = {"workers": workers, "progress": progress}
    notes: list[str] = []

    def part(name: str, make: Callable[[], Any]) -> Any:
        if name not in parts:
            return None
        try:
            with made.timed(name):
                return make()
        except InputError as error:
            what = "domain scores" if name == "domain" else name
            notes.append(f"There are no {what}: {error}.")
            return None

    domain = part("domain", lambda: _domain(model, sides, workers, progress, seed))
    images = part("attributes", lambda: image_evidence(sides, replicates=replicates, seed=seed))
    return Evidence(
        domain,
        None if domain is None else _mix_odds(model, sides, workers, progress),
        None if domain is None else _looks(model, views, made, seed),
        part("features", lambda: _attribution(model, sides, workers, progress)),
        part("reasons", lambda: reasons(model, *views, **where, domains=domain, images=images)),
        part("remedies", lambda: try_remedies(model, *views, **where, replicates=replicates, seed=seed)) or (),
        images,
    ), notes


def _domain(model: Classifier, sides: Sequence[Side], workers: Workers, progress: Progress, seed: int) -> DomainScores:
    """Domain scores from the features and, where the model says it, from how sure it is: rows that are harder for it
    lie along no single feature.
    """
    views = [side.view for side in sides]
    where = {"seed": seed, "workers": workers, "progress": progress}
    if not model.probabilistic:
        return domain_scores(*views, **where)
    seen = WithConfidence(model.probabilities)
    return domain_scores(*views, change=seen, emphasis=seen.emphasis(views[0].store.dim), **where)


def _looks(model: Classifier, views: Sequence[View], made: RunFolder, seed: int) -> Looks:
    with made.timed("looks"):
        return looks(*views, seed=seed, confidence=Sureness(model.probabilities) if model.probabilistic else None)


def _mix_odds(
    model: Classifier, sides: Sequence[Side], workers: Workers, progress: Progress
) -> tuple[np.ndarray, np.ndarray] | None:
    """What the class mix alone says of a row's set, by the model's probabilities; None where it gives none."""
    if not model.probabilistic:
        return None
    p, q = shares_as_seen(*(side.predictions for side in sides))
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


def _attribution(model: Classifier, sides: Sequence[Side], workers: Workers, progress: Progress) -> Attribution:
    """By feature, of a linear rule; another kind has no weights to speak of."""
    if not isinstance(model.rule, Linear):
        raise InputError(f"{model.name} is no linear model, so no feature has a weight")
    of = _ClassMoments(len(model.class_names), normalised=model.normalised)
    moments = [
        fold(side.view, of, workers, progress=progress, description=f"class means of {side.store.name}")
        for side in sides
    ]
    return attribution(model.rule.weight, model.rule.bias, *moments, confusion_counts(sides[1].predictions))


@dataclass(frozen=True)
class _ClassMoments:
    """Picklable: class moments of a chunk as the model's head sees it."""

    classes: int
    normalised: bool

    def __call__(self, chunk: Chunk) -> ClassMoments:
        return ClassMoments.of(unit_rows(chunk.x) if self.normalised else chunk.x, chunk.y, self.classes)

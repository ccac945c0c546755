"""What the features of two sets say beside the predictions: domain scores, attribution, reasons, remedies."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logit, softmax

from gapscope.blocks.formats import listed
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
from gapscope.probes.model import RECORDED, Classifier, unit_rows
from gapscope.probes.rules.linear import Linear
from gapscope.runs.folder import RunFolder
from gapscope.shifts.confidence import Sureness, WithConfidence, sureness
from gapscope.shifts.domain import DomainScores, domain_scores
from gapscope.shifts.looks import Looks, looks
from gapscope.store.arrays import Widened
from gapscope.stream import Workers, each, fold
from gapscope.summaries import ClassMoments

BothScores = tuple[np.ndarray, np.ndarray]
PARTS = ("domain", "features", "attributes", "reasons", "remedies")
# Parts that compute with the model, and one that its probabilities of all classes serve as well.
NEED_MODEL, NEED_PROBABILITIES = ("features", "remedies"), ("reasons",)
LACKING = {"features": "weights of features"}


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

    answers = _answers_of(model, sides)
    if lacking := [one for one in PARTS if one in parts and one in _lacking(model, answers)]:
        parts = {*parts} - {*lacking}
        notes.append(
            f"There are no {listed([LACKING.get(one, one) for one in lacking])}: of {model.name} predictions alone are "
            "known; `fit-incremental` trains a head on features, which has them."
        )
    domain = part("domain", lambda: _domain(model, sides, workers, progress, seed))
    images = part("attributes", lambda: image_evidence(sides, replicates=replicates, seed=seed))
    return Evidence(
        domain,
        None if domain is None else _mix_odds(model, sides, workers, progress),
        None if domain is None else _looks(model, sides, made, seed),
        part("features", lambda: _attribution(model, sides, workers, progress)),
        part("reasons", lambda: reasons(model, *views, **where, domains=domain, images=images, answers=answers)),
        part("remedies", lambda: try_remedies(model, *views, **where, replicates=replicates, seed=seed)) or (),
        images,
    ), notes


def _domain(model: Classifier, sides: Sequence[Side], workers: Workers, progress: Progress, seed: int) -> DomainScores:
    """Domain scores from the features and, where the model says it, from how sure it is: rows that are harder for it
    lie along no single feature.
    """
    views = [side.view for side in sides]
    where = {"seed": seed, "workers": workers, "progress": progress}
    if sure := _sureness_of(model, sides):
        wide = [Widened(view.store, one).view() for view, one in zip(views, sure, strict=True)]
        return domain_scores(*wide, emphasis=WithConfidence.emphasis(views[0].store.dim, sure[0].shape[1]), **where)
    if not model.probabilistic:
        return domain_scores(*views, **where)
    seen = WithConfidence(model.probabilities)
    return domain_scores(*views, change=seen, emphasis=seen.emphasis(views[0].store.dim), **where)


def _answers_of(model: Classifier, sides: Sequence[Side]) -> BothScores | None:
    """Logarithms of the probabilities that a model of which predictions alone are known has given the rows of both
    sets; None of another, or where they are not known.
    """
    first, second = (side.predictions.scores for side in sides)
    return (first, second) if model.rule.kind == RECORDED and first is not None and second is not None else None


def _lacking(model: Classifier, answers: BothScores | None) -> tuple[str, ...]:
    """The parts for which too little of the model is known."""
    if model.rule.kind != RECORDED:
        return ()
    return NEED_MODEL if answers else (*NEED_MODEL, *NEED_PROBABILITIES)


def _sureness_of(model: Classifier, sides: Sequence[Side]) -> tuple[np.ndarray, np.ndarray] | None:
    """How sure a model of which predictions alone are known is of the rows of both sets, as columns ``(n, q)``; None
    where it does not say, or the model does.
    """
    both = [side.predictions for side in sides]
    if model.rule.kind != RECORDED or any(one.confidence is None for one in both):
        return None
    answers = _answers_of(model, sides)
    if answers is None:
        columns = [logit(np.clip(one.confidence, 1e-6, 1 - 1e-6))[:, None] for one in both]
    else:
        columns = [sureness(softmax(np.asarray(one, np.float64), axis=1)) for one in answers]
    first, second = (one.astype(np.float32) for one in columns)
    return first, second


def _looks(model: Classifier, sides: Sequence[Side], made: RunFolder, seed: int) -> Looks:
    sure = Sureness(model.probabilities) if model.probabilistic else _sureness_of(model, sides)
    with made.timed("looks"):
        return looks(*(side.view for side in sides), seed=seed, confidence=sure)


def _mix_odds(
    model: Classifier, sides: Sequence[Side], workers: Workers, progress: Progress
) -> tuple[np.ndarray, np.ndarray] | None:
    """What the class mix alone says of a row's set, by the model's probabilities; None where it gives none."""
    answers = _answers_of(model, sides)
    if not model.probabilistic and answers is None:
        return None
    p, q = shares_as_seen(*(side.predictions for side in sides))
    ratio = np.divide(q, p, out=np.ones_like(p), where=(p > 0) & (q > 0))
    if answers is not None:
        first, second = (softmax(np.asarray(one, np.float64), axis=1) @ ratio for one in answers)
        return first, second
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

"""Every remedy on a sample of the images: what it brings back, what it costs, how many labels and how long it takes.

What a remedy is fitted to, or its strength chosen by, is the first half of the images; it is judged on the second. No
label is fitted to of an image that the other set's second half shows too, as a set and its modified copy do.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from gapscope.causes.analysis import Analysis
from gapscope.causes.candidates import Candidate
from gapscope.causes.features import Features
from gapscope.causes.proof import Measure, correct, measured
from gapscope.causes.samples import Images, Sample
from gapscope.core.chunk import Chunk
from gapscope.cures.undo import rows_undone, undoing
from gapscope.probes.model import Classifier
from gapscope.probes.rules.linear import Linear
from gapscope.repairs.criterion import ROWS
from gapscope.repairs.fit import NOTHING, chosen_without_labels, signed, without_labels
from gapscope.repairs.labelled import Rows, anchored_logistic
from gapscope.repairs.seen import LabelledBy, SeenBy, prepared
from gapscope.repairs.words import words

Array = np.ndarray
LEAST_LABELS = 10


@dataclass(frozen=True)
class Cure:
    """One remedy.

    Attributes
    ----------
    name, words
        What it is.
    back, cost
        How many more images of the target, and of the reference, are classified correctly, as shares; None where
        there are no labels to say it.
    labels
        Of the target, which it was fitted to.
    seconds
        That it took on the sample.
    judged
        Labelled images of the target by which `back` is known.
    """

    name: str
    words: str
    back: Measure | None
    cost: Measure | None
    labels: int
    seconds: float
    judged: int

    def as_json(self) -> dict[str, Any]:
        """For the findings."""
        measures = {name: one._asdict() if one else None for name, one in (("back", self.back), ("cost", self.cost))}
        return asdict(self) | measures


class Sides(NamedTuple):
    """What is known of either set, and the model."""

    features: Features
    target: Sample
    images: Images
    model: Classifier

    @property
    def reference(self) -> Sample:
        """The other set."""
        return self.features.sample

    def judged(self, name: str, text: str, labels: int, seconds: float, after: Callable[[Sample], Array]) -> Cure:
        """A remedy by which rows of the second half of a sample are classified correctly ``after`` it, ``(n,)``."""
        back, cost = (_change(self.model, one, after) for one in (self.target, self.reference))
        return Cure(name, text, back, cost, labels, seconds, _judging(self.target))


def _judging(sample: Sample) -> int:
    """How many images of the second half have a label."""
    return int((sample.label[sample.halves[1]] >= 0).sum())


def _change(model: Classifier, sample: Sample, after: Callable[[Sample], Array]) -> Measure | None:
    rows = sample.halves[1]
    known = sample.label[rows] >= 0
    if not known.any():
        return None
    before = correct(model, sample.x[rows], sample.label[rows])
    return measured((after(sample) - before)[known])


def cures(analysis: Analysis, features: Features, images: Images, model: Classifier) -> list[Cure]:
    """Remedies for the best cause, doing nothing first; empty where no cause is named."""
    best = analysis.proofs[0] if analysis.proofs else None
    if best is None or not best.is_named or best.explanation.main is None:
        return []
    sides, main = Sides(features, analysis.target, images, model), best.explanation.main
    nothing = Cure(
        NOTHING, words(NOTHING), *map(_unchanged, (sides.target, sides.reference)), 0, 0.0, _judging(sides.target)
    )
    return [nothing, *_undone(sides, main), *(_of_head(sides, main) if isinstance(model.rule, Linear) else ())]


def _unchanged(sample: Sample) -> Measure | None:
    return Measure(0.0, 0.0, 0.0) if (sample.label[sample.halves[1]] >= 0).any() else None


def _undone(sides: Sides, main: Candidate) -> Iterator[Cure]:
    """The cause undone in the images, before the model sees them."""
    begun = time.perf_counter()
    families = list(dict.fromkeys(step.cause.kind.family for step in main.steps))
    best = undoing(sides.features, sides.target, sides.images, families)
    if best is None:
        return
    pixels = {sides.target.set: sides.images.pixels, sides.reference.set: sides.features.images.pixels}

    def after(sample: Sample) -> Array:
        rows = sample.halves[1]
        (x,) = rows_undone(sides.features, pixels[sample.set][rows], [best])
        return correct(sides.model, x[:, : sample.x.shape[1]], sample.label[rows])

    seconds = time.perf_counter() - begun
    text = f"{best.inverse.words} before the model sees them, strength {best.strength:g}"
    yield sides.judged("undo", text, 0, seconds, after)


def _of_head(sides: Sides, main: Candidate) -> Iterator[Cure]:
    """Remedies that change the linear head alone."""
    fits = {"align": _aligned, "train": lambda one: _trained(one, main), "labels": _labelled}
    for name, fit in fits.items():
        begun = time.perf_counter()
        fitted = fit(sides)
        if fitted is not None:
            head, text, labels = fitted
            yield sides.judged(name, text, labels, time.perf_counter() - begun, _by(sides.model, head))


def _by(model: Classifier, head: Linear) -> Callable[[Sample], Array]:
    def after(sample: Sample) -> Array:
        rows = sample.halves[1]
        scores = head.scores(prepared(model, sample.x[rows]))
        return (scores.argmax(axis=1) == sample.label[rows]).astype(np.float64)

    return after


Fitted = tuple[Linear, str, int]


def _aligned(sides: Sides) -> Fitted | None:
    """The repair without labels that `repair` would choose; None where that is none."""
    model, reference, target = sides.model, _first(sides.reference), _first(sides.target)
    known = reference.take(reference.y >= 0)
    fitted = without_labels(model, LabelledBy(model)(known), [SeenBy(model)(target)])
    tried = signed(model, fitted, known.rows(0, ROWS), target)
    name = chosen_without_labels(tried, len(target.y))
    chosen = next(one for one in tried if one.name == name)
    return None if name == NOTHING else (chosen.head, words(name), 0)


def _trained(sides: Sides, main: Candidate) -> Fitted | None:
    """The head fitted anew to the reference's images as they are and after the cause, with the reference's labels."""
    sample = sides.reference
    rows = sample.halves[0]
    known = _usable(sample, sides.target)
    if known.sum() < LEAST_LABELS:
        return None
    (after,) = sides.features.of([main], rows)
    x = np.concatenate([sample.x[rows][known], after[known, : sample.x.shape[1]]])
    y = np.tile(sample.label[rows][known], 2)
    return (
        _anchored(sides.model, x, y),
        f"train on images of the reference after {','.join(map(str, main.steps))} too",
        0,
    )


def _labelled(sides: Sides) -> Fitted | None:
    """The head fitted to labels of the first half of the target."""
    sample = sides.target
    rows = sample.halves[0]
    known = _usable(sample, sides.reference)
    if known.sum() < LEAST_LABELS:
        return None
    labels = int(known.sum())
    return _anchored(sides.model, sample.x[rows][known], sample.label[rows][known]), words("logistic"), labels


def _usable(sample: Sample, other: Sample) -> Array:
    """Which rows of a first half have a label, and an image by whose name the other set is not judged."""
    rows, judged = sample.halves[0], set(other.names[other.halves[1]])
    return (sample.label[rows] >= 0) & np.array([name not in judged for name in sample.names[rows]], bool)


def _anchored(model: Classifier, x: Array, y: Array) -> Linear:
    return anchored_logistic(model.rule, model.temperature, Rows(prepared(model, x), y)).head


def _first(sample: Sample) -> Chunk:
    """The first half as rows of a store."""
    rows = sample.halves[0]
    return Chunk(sample.sample_id[rows], sample.x[rows], sample.label[rows].astype(np.int32))

"""The gap breakdown: an accuracy gap as a sum of causes, each by class, each with an interval.

The terms follow each other. *Label noise* is what vanishes when predictions are scored with better labels. *Class
mix* is Kitagawa's first part. What happens within classes, at the mean of both class mixes, is split by the features of
the rows into X-shift on inputs that both sets have, inputs that the reference hardly has, and other labels for the same
inputs (DISDE). From the last, the *sampling noise* of each class is taken: what its observed drop contains beyond the
posterior mean. Where the two sets share hardly any inputs, nothing can be separated and all but the noise is called
novel X. Without features, what is within classes is the noise, a drop that all classes share, and what single classes
lost beyond it. Whatever is left out of a term is in another: they sum to the gap.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array
from scipy.special import expit, logit

from gapscope.core.errors import InputError
from gapscope.gaps.classes import ClassDrops, class_drops
from gapscope.gaps.difference import newcombe
from gapscope.gaps.disde import Disde, Rows, disde
from gapscope.gaps.labels import check_both_sides, rescored
from gapscope.gaps.mix import Counts, Mix, differing_classes, mix_of
from gapscope.gaps.sentences import Context, meaning
from gapscope.inference import interval_of, poisson_weights
from gapscope.inference.bootstrap import BLOCK, REPLICATES
from gapscope.predictions import Predictions
from gapscope.predictions.valid_labels import ValidLabels

Array = np.ndarray
Interval = tuple[float, float]
UNKNOWN = (float("nan"), float("nan"))


@dataclass(frozen=True, eq=False)
class Term:
    """One cause.

    Attributes
    ----------
    name
        Such as ``class_mix``.
    value
        Share of the rows that it costs; below 0 it helps.
    low, high
        95 % interval by the keyed Poisson bootstrap; NaN where it has none.
    by_class : (k,)
        Sums to `value`.
    sentence
        What it means.
    """

    name: str
    value: float
    low: float
    high: float
    by_class: Array
    sentence: str = ""

    @classmethod
    def of(cls, name: str, by_class: Array, interval: Interval) -> "Term":
        """The term with these parts."""
        return cls(name, float(by_class.sum()), *interval, by_class)


@dataclass(frozen=True, eq=False)
class GapBreakdown:
    """A gap and its causes.

    Attributes
    ----------
    accuracy, rows
        Of the reference and of the target, labelled rows only.
    low, high
        95 % interval of the gap: Newcombe's, or that of the paired bootstrap where both sets are the same images.
    terms
        They sum to the gap.
    counts
        Correct predictions and rows by class of both sides, scored with the better labels where there are some.
    drops
        Of the classes, shrunk and tested.
    split
        DISDE's account, where features were given.
    same
        Whether both sides are the same images with the same labels and predictions.
    notes
        Sentences on what has to be known about the terms.
    """

    accuracy: tuple[float, float]
    rows: tuple[int, int]
    low: float
    high: float
    terms: tuple[Term, ...]
    counts: tuple[Counts, Counts]
    drops: ClassDrops
    split: Disde | None
    same: bool
    notes: tuple[str, ...]

    @property
    def gap(self) -> float:
        """Reference accuracy less target accuracy."""
        return self.accuracy[0] - self.accuracy[1]

    @property
    def significant(self) -> bool:
        """Whether the interval of the gap leaves out 0."""
        return not self.same and not self.low <= 0 <= self.high

    @property
    def largest(self) -> Term:
        """The term that explains most of the gap, in its direction."""
        return max(self.terms, key=lambda term: term.value * np.sign(self.gap))

    def term(self, name: str) -> Term:
        """The term of this name."""
        return next(term for term in self.terms if term.name == name)


def break_down(
    reference: Predictions,
    target: Predictions,
    *,
    domain: tuple[Array, Array] | None = None,
    mix_odds: tuple[Array, Array] | None = None,
    labels: tuple[ValidLabels | None, ValidLabels | None] = (None, None),
    replicates: int = REPLICATES,
    seed: int = 0,
) -> GapBreakdown:
    """The causes of the gap between the labelled rows of two sets.

    Parameters
    ----------
    domain
        For each row of the reference and of the target, the cross-fitted probability that a row with its features is
        the target's, at the sets' own sizes.
    mix_odds
        For each row how much likelier the target is by its class mix alone, ``sum_c P(c | x) q_c / p_c``. The domain
        scores are freed of it, so that a class mix is not taken for an X-shift. Without it the row's own label stands
        for its class probabilities, which errs for rows that look like another class.
    labels
        Better labels for either side.

    Raises
    ------
    InputError
        The two sets have different classes, or one has no labelled row.
    """
    if reference.class_names != target.class_names:
        raise InputError(differing_classes(reference, target))
    k = len(reference.class_names)
    scores = _domain_logits(domain, mix_odds)
    sides = [_Side.of(*one, k) for one in zip((reference, target), labels, scores, strict=True)]
    check_both_sides((reference, target), tuple(side.mentioned for side in sides))
    plain, better = ([_counts(getattr(side, which)) for side in sides] for which in ("given", "cleaned"))
    copies = [[_Copies(side, which, seed, replicates) for side in sides] for which in ("given", "cleaned")]
    drops = class_drops(*better[0], *better[1], seed=seed)
    split = None if domain is None else _split(sides, domain, replicates, seed, freed=mix_odds is not None)
    terms = [
        *_label_noise(sides, plain, better, copies),
        *_within(mix_of(*better), drops, split, [one.counts for one in copies[1]]),
    ]
    accuracy, rows = tuple(float(one.overall) for one in plain), tuple(int(one.rows.sum()) for one in plain)
    same, paired = _same(reference, target)
    span = _gap_interval(plain, [one.counts for one in copies[0]], paired=paired)
    context = Context(drops, better, inseparable=split is not None and bool(split.refused))
    terms = tuple(replace(term, sentence=meaning(term, context)) for term in terms)
    notes = tuple(_notes(sides, better, split, reference.class_names))
    return GapBreakdown(accuracy, rows, *span, terms, tuple(better), drops, split, same, notes)


@dataclass(frozen=True, eq=False)
class _Scored:
    """Rows that count, and whether they are right."""

    sample_id: Array
    label: Array
    right: Array
    classes: int


@dataclass(frozen=True, eq=False)
class _Side:
    """One set: its rows as given and under better labels."""

    name: str
    given: _Scored
    cleaned: _Scored
    logits: Array | None
    mentioned: Array
    relabelled: bool

    @classmethod
    def of(cls, one: Predictions, labels: ValidLabels | None, logits: Array | None, classes: int) -> "_Side":
        again = rescored(one, labels)
        given = _scored(one, one.right, one.known, classes)
        cleaned = _scored(one, again.right, again.kept, classes)
        for rows, what in ((given, "no labelled row"), (cleaned, "no row that the better labels keep")):
            if not len(rows.label):
                raise InputError(f"{one.name} has {what}, so its accuracy is unknown; give it labels")
        scores = None if logits is None else logits[again.kept]
        return cls(one.name, given, cleaned, scores, again.mentioned, labels is not None)


def _scored(one: Predictions, right: Array, kept: Array, classes: int) -> _Scored:
    return _Scored(one.sample_id[kept], one.label[kept], right[kept], classes)


def _counts(rows: _Scored) -> Counts:
    right = np.bincount(rows.label[rows.right], minlength=rows.classes)
    return Counts(right, np.bincount(rows.label, minlength=rows.classes))


class _Copies:
    """The counts of a side's bootstrap replicates, made when first asked for."""

    def __init__(self, side: _Side, which: str, seed: int, replicates: int):
        self.rows, self.seed, self.replicates = getattr(side, which), seed, replicates

    @cached_property
    def counts(self) -> Counts:
        """Correct predictions and rows by class, ``(b, k)`` each; exact, and the same in any order of rows."""
        rows, k = self.rows, self.rows.classes
        total = np.zeros((self.replicates, 2 * k))
        for start, stop in pairwise([*range(0, len(rows.label), BLOCK), len(rows.label)]):
            part = slice(start, stop)
            weights = poisson_weights(self.seed, self.replicates, rows.sample_id[part]).astype(np.float64)
            total += weights @ _indicators(rows.label[part], rows.right[part], k)
        return Counts(total[:, :k], total[:, k:])


def _indicators(label: Array, right: Array, classes: int) -> csr_array:
    """For each row, a one in the column of its class if it is right, and in that of its class's rows; ``(n, 2k)``."""
    rows = np.arange(len(label))
    at = (np.concatenate([rows[right], rows]), np.concatenate([label[right], label + classes]))
    return csr_array((np.ones(len(at[0])), at), shape=(len(label), 2 * classes))


def _span(drawn: Array) -> Interval:
    return interval_of(drawn) if np.isfinite(drawn).any() else UNKNOWN


def _overall(copies: Counts) -> Array:
    """Accuracy of each replicate, NaN for one without rows."""
    return np.where(copies.rows.sum(axis=-1) > 0, copies.overall, np.nan)


def _gap_interval(plain: list[Counts], copies: list[Counts], *, paired: bool) -> Interval:
    if paired:
        return _span(_overall(copies[0]) - _overall(copies[1]))
    right, rows = (tuple(getattr(one, which).sum() for one in plain) for which in ("right", "rows"))
    low, high = newcombe(right, rows)
    return float(low), float(high)


def _label_noise(sides: list[_Side], plain: list[Counts], better: list[Counts], copies: list) -> list[Term]:
    """The part of the gap that goes when predictions are scored with better labels; no term without such labels."""
    if not any(side.relabelled for side in sides):
        return []
    shares = [[one.right / one.rows.sum() for one in both] for both in (plain, better)]
    by_class = (shares[0][0] - shares[0][1]) - (shares[1][0] - shares[1][1])
    gaps = [_overall(one.counts) - _overall(other.counts) for one, other in copies]
    return [Term.of("label_noise", by_class, _span(gaps[0] - gaps[1]))]


def _within(mix: Mix, drops: ClassDrops, split: Disde | None, copies: list[Counts]) -> list[Term]:
    """Class mix, sampling noise, and what is left within classes."""
    drawn = mix_of(*copies)
    valid = (copies[0].rows.sum(axis=-1) > 0) & (copies[1].rows.sum(axis=-1) > 0)
    noise = np.nan_to_num(mix.weight * (drops.raw - drops.shrunk))
    spans = _drawn_within(drops, drawn, copies, valid)
    terms = [
        Term.of("class_mix", mix.mix, _span(np.where(valid, drawn.mix.sum(axis=-1), np.nan))),
        Term.of("sampling_noise", noise, spans["sampling_noise"]),
    ]
    if split is None:
        common = np.where(np.isfinite(drops.raw), mix.weight * np.nan_to_num(drops.mean), 0.0)
        return [
            *terms,
            Term.of("common_drop", common, spans["common_drop"]),
            Term.of("class_drop", mix.within - noise - common, spans["class_drop"]),
        ]
    return [*terms, *_by_features(mix, noise, split)]


def _by_features(mix: Mix, noise: Array, split: Disde) -> list[Term]:
    size = mix.weight.sum()
    if split.refused:
        nothing = np.zeros_like(noise)
        return [
            Term.of("x_shift", nothing, UNKNOWN),
            Term.of("novel_x", mix.within - noise, _scaled(split.novel_x_interval, size, float(noise.sum()))),
            Term.of("y_given_x", nothing, UNKNOWN),
        ]
    x_shift, novel = size * split.x_shift_shared, size * split.novel_x
    y_given_x = mix.within - noise - x_shift - novel
    taken = float(noise.sum())
    return [
        Term.of("x_shift", x_shift, _scaled(split.x_shift_shared_interval, size)),
        Term.of("novel_x", novel, _scaled(split.novel_x_interval, size)),
        Term.of("y_given_x", y_given_x, _scaled(split.y_given_x_interval, size, taken)),
    ]


def _scaled(interval: Interval, size: float, less: float = 0.0) -> Interval:
    return size * interval[0] - less, size * interval[1] - less


def _drawn_within(drops: ClassDrops, drawn: Mix, copies: list[Counts], valid: Array) -> dict[str, Interval]:
    """Intervals of noise, common drop and class drops, with the shrinking as it is."""
    tested = np.isfinite(drops.raw)
    if not tested.any():
        return dict.fromkeys(("sampling_noise", "common_drop", "class_drop"), (0.0, 0.0))
    raw = copies[0].accuracy[:, tested] - copies[1].accuracy[:, tested]
    known = np.isfinite(raw)
    raw = np.where(known, raw, 0.0)
    weight = known / (drops.error[tested] ** 2 + drops.spread**2)
    mean = (weight * raw).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-300)
    apart = np.where(known, raw - mean[:, None], 0.0)
    share, keep = drawn.weight[:, tested], drops.keep[tested]
    sums = {
        "sampling_noise": (share * (1 - keep) * apart).sum(axis=1),
        "common_drop": share.sum(axis=1) * mean,
        "class_drop": (share * keep * apart).sum(axis=1),
    }
    return {name: _span(np.where(valid, one, np.nan)) for name, one in sums.items()}


def _domain_logits(
    domain: tuple[Array, Array] | None, mix_odds: tuple[Array, Array] | None
) -> tuple[Array | None, Array | None]:
    """The domain scores as logits, freed of the class mix where its odds are known."""
    if domain is None:
        return None, None
    odds = mix_odds or (1.0, 1.0)
    first, second = (logit(np.asarray(one, np.float64)) - np.log(by) for one, by in zip(domain, odds, strict=True))
    return first, second


def _split(sides: list[_Side], domain: tuple[Array, Array], replicates: int, seed: int, *, freed: bool) -> Disde | None:
    """DISDE of the rows of classes that both sets have, weighted so that both have the mean of their class mixes."""
    counts = [_counts(side.cleaned) for side in sides]
    weight = mix_of(*counts).weight
    if not weight.sum() > 0:
        return None
    alpha = len(domain[1]) / (len(domain[0]) + len(domain[1]))
    scale = [np.divide(weight, one.share, out=np.zeros_like(weight), where=one.share > 0) for one in counts]
    undone = _by_label(scale, counts) if freed else np.zeros_like(weight)
    rows = []
    for side, by_class in zip(sides, scale, strict=True):
        scored = side.cleaned
        each = by_class[scored.label]
        kept = each > 0
        scores = expit(side.logits - undone[scored.label])
        columns = (scored.sample_id, scored.label, scored.right, scores, each)
        rows.append(Rows(*(column[kept] for column in columns)))
    return disde(*rows, replicates=replicates, seed=seed, classes=len(weight), alpha=alpha)


def _by_label(scale: list[Array], counts: list[Counts]) -> Array:
    """By how much `disde` moves the logits of a class because of its weights, ``(k,)``."""
    both = scale[0] > 0
    each = [one / np.average(one[both], weights=side.rows[both]) for one, side in zip(scale, counts, strict=True)]
    return np.log(np.divide(each[1], each[0], out=np.ones_like(each[0]), where=both))


def _same(reference: Predictions, target: Predictions) -> tuple[bool, bool]:
    """Whether both are the same images with the same predictions; and whether at least the images are the same ones."""
    if reference.n != target.n:
        return False, False
    order = [np.argsort(one.sample_id, kind="stable") for one in (reference, target)]
    pairs = zip((reference, target), order, strict=True)
    columns = [(one.sample_id[by], one.label[by], one.predicted[by]) for one, by in pairs]
    alike = [np.array_equal(a, b) for a, b in zip(*columns, strict=True)]
    return all(alike), alike[0] and alike[1]


def _notes(sides: list[_Side], counts: list[Counts], split: Disde | None, names: tuple[str, ...]) -> list[str]:
    notes = [
        sentence
        for side, rows, other in zip(sides, counts, reversed(counts), strict=True)
        for sentence in (_missing(side, rows, other, names), _relabelled(side))
    ]
    return [*filter(None, notes), *([split.refused] if split is not None and split.refused else [])]


def _missing(side: _Side, counts: Counts, other: Counts, names: tuple[str, ...]) -> str:
    missing = np.flatnonzero((counts.rows == 0) & (other.rows > 0))
    if not len(missing):
        return ""
    some = ", ".join(names[index] for index in missing[:3]) + (", …" if len(missing) > 3 else "")
    classes = "1 class" if len(missing) == 1 else f"{len(missing)} classes"
    return f"{side.name} has no row of {classes} that the other set has ({some}); what they cost stands under class mix"


def _relabelled(side: _Side) -> str:
    if not side.relabelled:
        return ""
    left_out = len(side.given.label) - len(side.cleaned.label)
    return (
        f"{side.name}: better labels for {side.mentioned.sum():,} images; {left_out:,} that have no valid class are "
        "left out"
    )

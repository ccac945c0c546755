"""The gap breakdown: an accuracy gap as a sum of causes, each by class, each with an interval.

The terms follow each other. *Label noise* is what vanishes when predictions are scored with better labels, or, by a
review of some (`verify-labels`), would; then it is taken out of what is not told apart from it. *Exchanged
labels* are rows that seem to have gone from one class to another by their label alone; they are put back. *Class mix*
is Kitagawa's first part. What happens within classes, at the mean of both class mixes, is split by the features of the
rows into X-shift on inputs that both sets have, inputs that the reference hardly has, and other labels for the same
inputs (DISDE). From the last, the *sampling noise* of each class is taken: what its observed drop contains beyond the
posterior mean. Where the looks at both sets do not allow that, nothing is separated and all but the noise stands
together as novel X. Without features, what is within classes is the noise, a drop that classes share, and what classes
that stand apart lost beyond it. Whatever is left out of a term is in another: they sum to the gap.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gapscope.blocks.formats import percent
from gapscope.core.errors import InputError
from gapscope.gaps.classes import ClassDrops, class_drops
from gapscope.gaps.disde import Disde
from gapscope.gaps.exchanged import SUSPECTED, Exchange, confidence_of, exchanges, restored
from gapscope.gaps.keys import Keys
from gapscope.gaps.labels import check_both_sides
from gapscope.gaps.lead import Stated, lead
from gapscope.gaps.mix import Counts, Mix, differing_classes, mix_of
from gapscope.gaps.reviewed import NO_REVIEWS, BothReviews, Reviewed
from gapscope.gaps.scored import BootstrapCounts, Scored, Side
from gapscope.gaps.sentences import Context, meaning
from gapscope.gaps.shared_drop import mean_drop, standing_apart
from gapscope.gaps.split import Seen, split_within
from gapscope.inference import interval_of, paired_interval
from gapscope.inference.bootstrap import REPLICATES
from gapscope.inference.difference import newcombe
from gapscope.inference.shrunk import NORMAL
from gapscope.predictions import Predictions
from gapscope.predictions.valid_labels import ValidLabels

Array = np.ndarray
Interval = tuple[float, float]
UNKNOWN = (float("nan"), float("nan"))
# Terms that wrong labels fall into where nothing says which labels these are; the first that is known.
HOLD_NOISE = ("y_given_x", "novel_x", "common_drop")
# Fewer rows of a set show nothing of how much others like it would differ.
FEWEST_ROWS = 20


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
    paired
        Whether at least the images are the same, so that the interval of the gap compares them one by one.
    notes
        Sentences on what has to be known about the terms.
    mix_or_labels
        Whether a class mix may be labels that seem exchanged.
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
    mix_or_labels: bool = False
    paired: bool = False

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

    @property
    def lead(self) -> Term | None:
        """The largest term beyond chance for all that were looked at; None where there is none, or no gap."""
        found = lead([Stated(one.name, one.value, one.low, one.high) for one in self.terms], self.gap)
        return self.term(found.name) if found and self.significant else None

    def term(self, name: str) -> Term:
        """The term of this name."""
        return next(term for term in self.terms if term.name == name)


def inputs_of(breakdown: GapBreakdown) -> str:
    """What is known of the inputs of both sets: separated into shared and other ones, known to differ, or unknown."""
    if breakdown.split is None:
        return "unknown"
    alike = breakdown.split.alike
    return ("differ" if alike.differ else "unknown") if alike.refused else "separated"


def break_down(
    reference: Predictions,
    target: Predictions,
    *,
    seen: Seen | None = None,
    labels: tuple[ValidLabels | None, ValidLabels | None] = (None, None),
    reviews: BothReviews = NO_REVIEWS,
    keys: Keys | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> GapBreakdown:
    """The causes of the gap between the labelled rows of two sets.

    Parameters
    ----------
    seen
        What features say of the rows; without it, nothing is said of inputs.
    labels
        Better labels for either side.
    reviews
        What reviews say of the labels of either side; not with better labels.
    keys
        Of the rows of both sets, equal for the same image alone (`gapscope.gaps.keys`); the sample ids if None, which
        must then be names of images and no positions.

    Raises
    ------
    InputError
        The two sets have different classes, or one has no labelled row.
    """
    if reference.class_names != target.class_names:
        raise InputError(differing_classes(reference, target))
    keys = keys or (reference.sample_id, target.sample_id)
    sides = [Side.of(*one) for one in zip((reference, target), labels, keys, strict=True)]
    check_both_sides((reference, target), tuple(side.mentioned for side in sides))
    plain, better = [side.given for side in sides], [side.cleaned for side in sides]
    counts = tuple(rows.counts for rows in better)
    resampled = [[BootstrapCounts(rows, seed, replicates) for rows in both] for both in (plain, better)]
    drops = class_drops(*counts[0], *counts[1], seed=seed)
    sure = confidence_of(reference, target)
    found = [] if any(reviews) else exchanges(*better, sure)
    suspects = () if found or any(reviews) else exchanges(*better, sure, SUSPECTED)
    within, parts = _Within(better, resampled[1], drops), []
    if found:
        parts, within = [_exchanged(found, better[1])], within.with_target(restored(better[1], found), seed)
    split = None if seen is None else split_within(within.rows, seen, replicates=replicates, seed=seed)
    if suspects and split is not None and not split.refused:
        split = split.spanning(_put_back(suspects, within, seen, replicates=replicates, seed=seed))
    terms = [*_label_noise(sides, resampled), *parts, *_within(within, split)]
    if any(reviews):
        terms = _reviewed(reviews, terms)
    given = [rows.counts for rows in plain]
    accuracy, rows = tuple(float(one.overall) for one in given), tuple(int(one.rows.sum()) for one in given)
    same, change = _changes((reference, target), keys)
    paired = change is not None and len(change) >= FEWEST_ROWS
    span = _gap_interval(resampled[0], change if paired else None, same=same)
    alike = None if split is None else split.alike
    context = Context(drops, list(counts), found, reference.class_names, alike, suspects)
    terms = tuple(replace(term, sentence=meaning(term, context)) for term in terms)
    notes = (*_notes(sides, counts, split, reference.class_names), *_reviewed_notes(sides, reviews))
    return GapBreakdown(accuracy, rows, *span, terms, counts, drops, split, same, notes, bool(suspects), paired)


def _span(drawn: Array, resampled: Sequence[BootstrapCounts]) -> Interval:
    """The interval of what replicates of both sides say; unknown where a side has so few rows that it has none."""
    rows = min(len(one.rows.label) for one in resampled)
    return interval_of(drawn, rows=rows) if rows >= FEWEST_ROWS and np.isfinite(drawn).any() else UNKNOWN


def _gap_interval(resampled: Sequence[BootstrapCounts], change: Array | None, *, same: bool) -> Interval:
    """See `GapBreakdown`; `change` is that of the answer to each image, where both sets are the same ones."""
    if change is not None:
        span = _span(resampled[0].accuracy - resampled[1].accuracy, resampled)
        return span if same else paired_interval(change, span)
    counts = [one.rows.counts for one in resampled]
    right, rows = (tuple(getattr(one, which).sum() for one in counts) for which in ("right", "rows"))
    low, high = newcombe(right, rows)
    return float(low), float(high)


def _label_noise(sides: Sequence[Side], resampled: Sequence[Sequence[BootstrapCounts]]) -> list[Term]:
    """The part of the gap that goes when predictions are scored with better labels; no term without such labels."""
    if not any(side.relabelled for side in sides):
        return []
    shares = [[one.rows.counts.right / one.rows.counts.rows.sum() for one in both] for both in resampled]
    by_class = (shares[0][0] - shares[0][1]) - (shares[1][0] - shares[1][1])
    gaps = [one.accuracy - other.accuracy for one, other in resampled]
    return [Term.of("label_noise", by_class, _span(gaps[0] - gaps[1], resampled[0]))]


def _reviewed(reviews: BothReviews, terms: Sequence[Term]) -> list[Term]:
    """The terms with that of wrong labels, taken out of the one that wrong labels fall into: labels that inputs alike
    do not share, where inputs are separated, else all that is within classes. Its interval holds both errors.
    """
    zero = Reviewed(np.zeros_like(terms[0].by_class), 0.0, 0.0, 0, 0.0)
    before, after = (one or zero for one in reviews)
    by_class = after.by_class - before.by_class
    value = float(by_class.sum())
    low = value - np.hypot(after.by_class.sum() - after.low, before.high - before.by_class.sum())
    high = value + np.hypot(after.high - after.by_class.sum(), before.by_class.sum() - before.low)
    noise = Term.of("label_noise", by_class, (float(low), float(high)))
    held = [one for name in HOLD_NOISE for one in terms if one.name == name]
    from_one = next((one for one in held if np.isfinite(one.low)), held[-1])
    left = Term.of(from_one.name, from_one.by_class - by_class, UNKNOWN)
    reach = (
        np.hypot(from_one.value - from_one.low, high - value),
        np.hypot(from_one.high - from_one.value, value - low),
    )
    left = replace(left, low=float(left.value - reach[0]), high=float(left.value + reach[1]))
    return [noise, *(left if one is from_one else one for one in terms)]


def _reviewed_notes(sides: Sequence[Side], reviews: BothReviews) -> list[str]:
    notes = [
        f"{side.name}: about {percent(one.errors)} of the labels are wrong, by a review of {one.images:,}"
        for side, one in zip(sides, reviews, strict=True)
        if one
    ]
    if len(notes) == 1:
        other = sides[0 if reviews[0] is None else 1]
        notes.append(f"the labels of {other.name} were not reviewed, and count as right")
    return notes


@dataclass(frozen=True, eq=False)
class _Within:
    """The rows of both sets whose gap is split into class mix and what is within classes, and their replicates."""

    rows: Sequence[Scored]
    drawn: Sequence[BootstrapCounts]
    drops: ClassDrops

    def with_target(self, target: Scored, seed: int) -> "_Within":
        """With other labels of the target."""
        rows = [self.rows[0], target]
        drops = class_drops(*rows[0].counts, *rows[1].counts, seed=seed)
        return _Within(
            rows, [self.drawn[0], BootstrapCounts(target, self.drawn[1].seed, self.drawn[1].replicates)], drops
        )


def _put_back(suspects: Sequence[Exchange], within: _Within, seen: Seen, *, replicates: int, seed: int) -> Disde | None:
    """The split if labels that may be exchanged are put back; class odds of the labels as they are do not hold then."""
    rows = [within.rows[0], restored(within.rows[1], suspects)]
    return split_within(rows, seen._replace(mix_odds=None), replicates=replicates, seed=seed)


def _exchanged(found: Sequence[Exchange], target: Scored) -> Term:
    """What labels that seem exchanged cost, by the class that they name now."""
    by_class = np.zeros(target.classes)
    for one in found:
        by_class[one.label] += one.rows / len(target.label)
    reach = NORMAL * float(np.sqrt(sum(one.error**2 for one in found))) / len(target.label)
    total = float(by_class.sum())
    return Term.of("exchanged_labels", by_class, (total - reach, total + reach))


def _within(within: _Within, split: Disde | None) -> list[Term]:
    """Class mix, sampling noise, and what is left within classes."""
    mix, drops = mix_of(*(one.counts for one in within.rows)), within.drops
    counts = [one.counts for one in within.drawn]
    drawn = mix_of(*counts)
    valid = (counts[0].rows.sum(axis=-1) > 0) & (counts[1].rows.sum(axis=-1) > 0)
    noise = np.nan_to_num(mix.weight * (drops.raw - drops.shrunk))
    apart = standing_apart(drops)
    sums = {"class_mix": drawn.mix.sum(axis=-1)} | _drawn_within(drops, drawn, counts, apart)
    spans = {name: _span(np.where(valid, one, np.nan), within.drawn) for name, one in sums.items()}
    terms = [
        Term.of("class_mix", mix.mix, spans["class_mix"]),
        Term.of("sampling_noise", noise, _noise_interval(mix, drops, float(noise.sum()))),
    ]
    if split is None:
        rest = np.isfinite(drops.raw) & ~apart
        shared = mean_drop(drops.raw[rest], drops.error[rest], drops.spread) if apart.any() else drops.mean
        common = np.where(np.isfinite(drops.raw), mix.weight * np.nan_to_num(shared), 0.0)
        return [
            *terms,
            Term.of("common_drop", common, spans["common_drop"]),
            Term.of("class_drop", mix.within - noise - common, spans["class_drop"]),
        ]
    return [*terms, *_by_features(mix, noise, split)]


def _noise_interval(mix: Mix, drops: ClassDrops, value: float) -> Interval:
    """How much of the gap sampling error within classes may be."""
    reach = NORMAL * float(np.sqrt(np.nansum((mix.weight * drops.error) ** 2)))
    return value - reach, value + reach


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


def _drawn_within(drops: ClassDrops, drawn: Mix, counts: list[Counts], apart: Array) -> dict[str, Array]:
    """Common drop and class drops of the replicates, with the shrinking and the classes set `apart` as they are."""
    tested = np.isfinite(drops.raw)
    if not tested.any():
        return dict.fromkeys(("common_drop", "class_drop"), np.zeros(len(drawn.mix)))
    raw = counts[0].accuracy[:, tested] - counts[1].accuracy[:, tested]
    error, share, keep = drops.error[tested], drawn.weight[:, tested], drops.keep[tested]
    mean = mean_drop(raw, error, drops.spread)[:, None]
    alone = np.where(apart[tested], np.nan, raw)
    shared = mean_drop(alone, error, drops.spread)[:, None] if apart.any() else mean
    beyond = np.where(np.isfinite(raw), raw - mean, 0.0)
    return {
        "common_drop": (share * shared).sum(axis=1),
        "class_drop": (share * (mean - shared + keep * beyond)).sum(axis=1),
    }


def _changes(sides: tuple[Predictions, Predictions], keys: Keys) -> tuple[bool, Array | None]:
    """Whether both are the same images with the same predictions; and, if at least the images are the same ones, which
    are right in the reference only (1) and which in the target only (-1), ``(n,)``.
    """
    if sides[0].n != sides[1].n:
        return False, None
    order = [np.argsort(one, kind="stable") for one in keys]
    triples = zip(sides, keys, order, strict=True)
    columns = [(key[by], one.label[by], one.predicted[by]) for one, key, by in triples]
    alike = [np.array_equal(a, b) for a, b in zip(*columns, strict=True)]
    if not (alike[0] and alike[1]):
        return False, None
    known = columns[0][1] >= 0
    right = [(label == predicted)[known] for _, label, predicted in columns]
    return all(alike), right[0].astype(np.int8) - right[1]


def _notes(sides: Sequence[Side], counts: Sequence[Counts], split: Disde | None, names: tuple[str, ...]) -> list[str]:
    notes = [
        sentence
        for side, rows, other in zip(sides, counts, reversed(counts), strict=True)
        for sentence in (_missing(side, rows, other, names), _relabelled(side))
    ]
    return [*filter(None, notes), *([split.refused] if split is not None and split.refused else [])]


def _missing(side: Side, counts: Counts, other: Counts, names: tuple[str, ...]) -> str:
    missing = np.flatnonzero((counts.rows == 0) & (other.rows > 0))
    if not len(missing):
        return ""
    some = ", ".join(names[index] for index in missing[:3]) + (", …" if len(missing) > 3 else "")
    classes = "1 class" if len(missing) == 1 else f"{len(missing)} classes"
    return f"{side.name} has no row of {classes} that the other set has ({some}); what they cost stands under class mix"


def _relabelled(side: Side) -> str:
    if not side.relabelled:
        return ""
    left_out = len(side.given.label) - len(side.cleaned.label)
    return (
        f"{side.name}: better labels for {side.mentioned.sum():,} images; {left_out:,} that have no valid class are "
        "left out"
    )

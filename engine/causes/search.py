"""The search for causes: all candidates on a few images, the best of them on more, those that cannot win dropped early.

Every round ranks causes by the share of the distance that they explain, as mixtures of two severities, or of one and of
images as they are. All of it sees only the first half of the images of either set; what a cause explains is said of the
second (`proof.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from gapscope.causes.candidates import Candidate, Cause, Step
from gapscope.causes.distance import REPLICATES, WORTH, Grams, Terms, resampled
from gapscope.causes.features import FEW, FIRST, Features
from gapscope.causes.kernel import Kernel
from gapscope.causes.samples import Sample
from gapscope.core.random import stream
from gapscope.data.modifications.modification import SEVERITIES as ALL

Array = np.ndarray
# The severities of the first round, and those of the second.
COARSE, FINE = (2, 4), (1, 3, 5)
# A cause that explains as much as the best in a smaller share of bootstrap samples cannot win. How many causes the
# second round sees at least and at most, beside those that cannot; how many the third, at more severities; and the
# fourth, which are proven, at how many severities.
WINS = 0.01
SECOND, THIRD, FOURTH, SEVERITIES = (12, 24), (6, 12), (3, 6), 3
# How many of the best may stand beside another cause; how many further causes are applied beside one that is known, and
# how many of these pairs at more severities, at least and at most.
LAST, FURTHER, PAIRS = 6, 8, (2, 4)
# Beside how many first causes, of a family each, a second one is looked for; and beside how many of those that are on
# a part of the images, which is less than so much of them.
FIRSTS, PARTS, WHOLE = 3, 2, 0.7
GOLDEN = (5**0.5 - 1) / 2


class Version(NamedTuple):
    """A share of the images after a candidate; None for images as they are."""

    candidate: Candidate | None
    share: float


class Explanation(NamedTuple):
    """What a cause explains of the images that it was chosen by.

    Attributes
    ----------
    name
        Of the cause, or of two with a plus between them.
    versions
        The mixture that comes nearest to the target.
    explained
        Share of the distance that it takes away.
    images
        How many images of the reference this was measured on.
    """

    name: str
    versions: tuple[Version, ...]
    explained: float
    images: int

    @property
    def candidates(self) -> list[Candidate]:
        """The modified versions."""
        return [version.candidate for version in self.versions if version.candidate is not None]

    @property
    def modified(self) -> float:
        """Share of the images that are modified at all."""
        return sum(version.share for version in self.versions if version.candidate is not None)

    @property
    def shares(self) -> Array:
        """Of the plain images, then of every candidate's, ``(1 + c,)``."""
        plain = sum(version.share for version in self.versions if version.candidate is None)
        return np.array([plain, *(version.share for version in self.versions if version.candidate is not None)])

    @property
    def main(self) -> Candidate | None:
        """The version that most of the modified images are of."""
        modified = [version for version in self.versions if version.candidate is not None]
        return max(modified, key=lambda one: one.share).candidate if modified else None


@dataclass(frozen=True, eq=False)
class Search:
    """The two sets, and the features of modified images.

    Attributes
    ----------
    plain : (n, w)
        What the distance to the target is explained of: rows of the reference as it is, or after a first cause.
    rows : (m, w)
        Of the target: features, and appearance where its images are there.
    different : (n, m)
        Which pairs of an image of the reference and one of the target are of different images.
    kernel
        Of the plain images and the target's.
    part : (n,) bool
        Which images are modified; the others stay as they are.
    """

    plain: Array
    target: Sample
    rows: Array
    features: Features
    different: Array
    kernel: Kernel
    part: Array
    ranking: dict[str, Explanation] = field(default_factory=dict)

    @classmethod
    def of(cls, features: Features, target: Sample, seen: Array | None) -> "Search":
        """The search for what is between the reference and the target, whose appearance is ``seen : (m, b)``."""
        different = np.array([[one != other for other in target.names] for one in features.sample.names])
        rows = target.x if seen is None else np.concatenate([target.x, seen], axis=1)
        plain = features.plain[:, : rows.shape[1]]
        kernel = _kernel(features, plain, rows, different)
        return cls(plain, target, rows, features, different, kernel, np.ones(len(plain), bool))

    def after(self, candidate: Candidate, share: float = 1.0) -> "Search":
        """The search for what is between the reference after a candidate, on a share of its images, and the target."""
        rest = replace(self, part=spread(len(self.plain), share), ranking={})
        (plain,) = rest.made([candidate], slice(0, len(self.plain)), f"all images after {candidate}")
        return replace(rest, plain=plain, kernel=_kernel(self.features, plain, self.rows, self.different))

    @property
    def reference(self) -> Sample:
        """The set whose images are modified."""
        return self.features.sample

    @property
    def first(self) -> slice:
        """The images of the first round, which all causes are tried on."""
        return slice(0, min(FIRST, self.reference.half))

    @property
    def few(self) -> slice:
        """The images of the rounds after it."""
        return slice(0, min(FEW, self.reference.half))

    @property
    def chosen_by(self) -> slice:
        """The first half."""
        return slice(0, self.reference.half)

    def made(self, candidates: Sequence[Candidate], rows: slice, what: str = "") -> list[Array]:
        """Rows of modified images, and of those as they are that stay so, with the columns of the target's."""
        found = [one[:, : self.rows.shape[1]] for one in self.features.of(candidates, rows, what)]
        if self.part.all():
            return found
        before = self.features.plain[rows, : self.rows.shape[1]]
        return [np.where(self.part[rows, None], one, before) for one in found]

    def grams(
        self, candidates: Sequence[Candidate], rows: slice, columns: slice, kernel: Kernel | None = None
    ) -> Grams:
        """Kernel values of the plain images and of every candidate's, at `rows`, and of the target's at `columns`."""
        versions = [self.plain[rows], *self.made(candidates, rows)]
        return Grams.of(kernel or self.kernel, versions, self.rows[columns], self.different[rows, columns])

    def terms(self, versions: Sequence[Array], rows: slice) -> Terms:
        """Mean kernel values of versions of the images at `rows`, and of the target's first half."""
        columns = slice(0, self.target.half)
        return Grams.of(self.kernel, versions, self.rows[columns], self.different[rows, columns]).terms()

    def replicates(
        self, explanation: Explanation, rows: slice, columns: slice, kernel: Kernel | None = None
    ) -> tuple[float, Array]:
        """The share explained, and that of bootstrap samples of the images, the same ones for every cause."""
        grams = self.grams(explanation.candidates, rows, columns, kernel)
        samples = resampled(grams, stream(self.features.seed, "explain", "bootstrap"), REPLICATES)
        return float(grams.terms().explained(explanation.shares)), samples.explained(explanation.shares)

    def explain(self, name: str, candidates: Sequence[Candidate], rows: slice) -> Explanation:
        """The nearest mixture of plain images and `candidates`."""
        terms = self.grams(candidates, rows, slice(0, self.target.half)).terms()
        shares = terms.best()
        versions = [Version(one, float(s)) for one, s in zip([None, *candidates], shares, strict=True) if s > 0]
        return Explanation(name, tuple(versions), float(terms.explained(shares)), rows.stop - rows.start)

    def rounds(self, tried: Mapping[str, Sequence[Candidate]], rows: slice, what: str) -> list[str]:
        """Explain by each of the names, with its candidates, and rank them."""
        every = [one for candidates in tried.values() for one in candidates]
        self.features.of(every, rows, what)
        for name, candidates in tried.items():
            self.ranking[name] = self.explain(name, candidates, rows)
        return sorted(tried, key=lambda name: -self.ranking[name].explained)


def spread(count: int, share: float) -> Array:
    """A share of `count` images, evenly: of any run of them about as many.

    >>> spread(10, 0.4).astype(int).tolist()
    [1, 0, 1, 0, 0, 1, 0, 1, 0, 0]
    """
    return np.arange(count) * GOLDEN % 1 < share


def _kernel(features: Features, plain: Array, rows: Array, different: Array) -> Kernel:
    return Kernel.of(plain, rows, features.sample.x.shape[1], different, stream(features.seed, "explain", "chance"))


class Ranked(NamedTuple):
    """All causes with what they explain, the best first: those of the last round, and those that were dropped."""

    last: list[Explanation]
    dropped: list[Explanation]


def first_cause(search: Search, known: Mapping[str, Cause]) -> Ranked:
    """Every cause on a few images at two severities, those that can win on more, then at the severities beside."""
    tried = {name: _at(cause, COARSE) for name, cause in known.items()}
    order = search.rounds(tried, search.first, f"{len(known)} causes on {search.first.stop} images")
    kept = _able(search, order, search.first, SECOND)
    order = _again(search, order, {name: tried[name] for name in kept}, search.few, f"on {search.few.stop} images")
    kept = _able(search, order, search.few, THIRD)
    tried |= {name: _at(known[name], _beside(search.ranking[name], name)) for name in kept}
    order = _again(search, order, {name: tried[name] for name in kept}, search.few, "at more severities")
    last = {name: _best_of(search, tried[name]) for name in _able(search, order, search.few, FOURTH)}
    order = _again(search, order, last, search.chosen_by, f"on {search.chosen_by.stop} images")
    found = [search.ranking[name] for name in order]
    return Ranked(found[: len(last)], found[len(last) :])


def _again(
    search: Search, order: Sequence[str], kept: Mapping[str, Sequence[Candidate]], rows: slice, what: str
) -> list[str]:
    """The order after another round of those that are kept, which stand before the others."""
    best = search.rounds(kept, rows, f"the best {len(kept)} {what}")
    return [*best, *(name for name in order if name not in kept)]


def _able(search: Search, order: Sequence[str], rows: slice, limits: tuple[int, int]) -> list[str]:
    """Of the first causes, at most so many, those that can still explain most, and at least so many."""
    least, most = limits
    columns = slice(0, search.target.half)
    explained = [search.replicates(search.ranking[name], rows, columns)[1] for name in order[:most]]
    wins = [float(np.mean(one >= explained[0])) for one in explained]
    return [name for place, name in enumerate(order[:most]) if place < least or wins[place] >= WINS]


def _beside(found: Explanation, name: str) -> list[int]:
    """The severities of a cause that were tried, and those next to what explains most."""
    steps = [step for candidate in found.candidates for step in candidate.steps]
    best = [step.severity for step in steps if step.cause.name == name]
    return sorted({*COARSE, *(one for one in FINE if any(abs(one - other) == 1 for other in best))})


def firsts(search: Search, ranking: Sequence[Explanation]) -> list[Explanation]:
    """What others are looked for beside: the best cause of each of the best families on all of the images, without a
    mixture, and before these the best on a part of the images, where the best of all is. Of the best family the second
    one too: which of them explains more alone is a matter of few images.
    """
    alone = {one.name: _alone(search, one.candidates) for one in ranking[:LAST] if one.candidates}
    order = sorted((one for one in ranking if one.name in alone), key=lambda one: -alone[one.name].explained)
    families = {family_of(one.main): one for one in reversed(order)}
    best = sorted(families.values(), key=order.index)[:FIRSTS]
    second = [one for one in order[1:] if family_of(one.main) == family_of(order[0].main)][:1]
    return [*_on_a_part(ranking), *(alone[one.name] for one in [*best[:1], *second, *best[1:]])]


def _on_a_part(ranking: Sequence[Explanation]) -> list[Explanation]:
    """The best causes on a part of the images, one a family; none where the best of all is on all of them."""
    parts = [one for one in ranking[:LAST] if 0 < one.modified < WHOLE]
    if ranking[0] not in parts:
        return []
    families = {family_of(one.main): one for one in reversed(parts)}
    return sorted(families.values(), key=lambda one: -one.explained)[:PARTS]


def family_of(candidate: Candidate) -> str:
    """That of its first step."""
    return candidate.steps[0].cause.kind.family


def _alone(search: Search, candidates: Sequence[Candidate]) -> Explanation:
    """The one of the candidates that explains most on all of the images."""
    terms = search.grams(candidates, search.few, slice(0, search.target.half)).terms()
    shares = np.eye(len(candidates) + 1)[1:]
    best = max(range(len(candidates)), key=lambda place: terms.explained(shares[place]))
    name = "+".join(step.cause.name for step in candidates[best].steps)
    version = Version(candidates[best], 1.0)
    return Explanation(name, (version,), float(terms.explained(shares[best])), search.few.stop)


def next_cause(search: Search, first: Explanation, known: Mapping[str, Cause]) -> Explanation:
    """What is found with a cause of another family that explains most of what it leaves.

    Parameters
    ----------
    search
        Whose plain images are those after the main candidate of `first`.
    """
    main = first.main
    families = {step.cause.kind.family for step in main.steps}
    others = {name: cause for name, cause in known.items() if cause.kind.family not in families}
    promising = {name: others[name] for name in _promising(search, others)[:FURTHER]}
    coarse = {f"{first.name}+{name}": _with(main.steps, cause, COARSE) for name, cause in promising.items()}
    order = search.rounds(coarse, search.first, f"the best {len(coarse)} beside {main}")
    kept = _able(search, order, search.first, PAIRS)
    fine = {name: _at_more(search, name, main.steps, others[_last(name)]) for name in kept}
    order = search.rounds(fine, search.few, f"the best {len(fine)} beside {main} at more severities")
    best = fine[order[0]] + _neighbours(first, search.ranking[order[0]].main)
    return _of_half(search, order[0], best)


def _promising(search: Search, others: Mapping[str, Cause]) -> list[str]:
    """The causes, the best first, by what they would explain if causes added up: what each does to plain images, which
    the first round has seen, is added to the rows after the first cause, and no network is asked.
    """
    rows = search.first
    plain, before = search.plain[rows], search.features.plain[rows, : search.plain.shape[1]]
    explained = {}
    for name, cause in others.items():
        made = search.made(_at(cause, COARSE), rows, f"{name} on {rows.stop} images")
        terms = search.terms([plain, *(plain + (one - before) for one in made)], rows)
        explained[name] = terms.explained(terms.best())
    return sorted(explained, key=lambda name: -explained[name])


def with_another_first(
    search: Search, found: Explanation, known: Mapping[str, Cause], names: Sequence[str]
) -> Explanation:
    """What is found, with another of the `names` as its first cause where that explains more beside the others."""
    first, _, others = found.name.partition("+")
    kept = [step for step in found.main.steps if step.cause.name != first]
    families = {step.cause.kind.family for step in kept}
    rivals = {
        f"{name}+{others}": known[name] for name in names if name != first and known[name].kind.family not in families
    }
    if not rivals:
        return found
    tried = {name: _with(kept, cause, COARSE) for name, cause in rivals.items()}
    name = search.rounds(tried, search.first, f"other first causes beside {others}")[0]
    best = _of_half(search, name, _at_more(search, name, kept, rivals[name]))
    return best if best.explained > found.explained + WORTH else found


def _of_half(search: Search, name: str, candidates: Sequence[Candidate]) -> Explanation:
    """By the best of the candidates, on all images that causes are chosen by."""
    rows = search.chosen_by
    search.rounds({name: _best_of(search, candidates)}, rows, f"{name} on {rows.stop} images")
    return search.ranking[name]


def _at(cause: Cause, severities: Sequence[int]) -> list[Candidate]:
    return [Candidate.of(Step(cause, severity)) for severity in severities]


def _at_more(search: Search, name: str, steps: Sequence[Step], cause: Cause) -> list[Candidate]:
    """The cause with the steps, at the severities that were tried and those next to the best."""
    return _with(steps, cause, _beside(search.ranking[name], cause.name))


def _last(name: str) -> str:
    """The cause that was found last."""
    return name.rpartition("+")[2]


def _with(steps: Sequence[Step], cause: Cause, severities: Sequence[int]) -> list[Candidate]:
    return [Candidate.of(*steps, Step(cause, severity)) for severity in severities]


def _neighbours(first: Explanation, best: Candidate | None) -> list[Candidate]:
    """The best with the cause that was found before it a little weaker and a little stronger."""
    name = _last(first.name)
    if best is None or name not in [step.cause.name for step in best.steps]:
        return []
    before = next(step for step in best.steps if step.cause.name == name)
    kept = [step for step in best.steps if step is not before]
    near = [severity for severity in (before.severity - 1, before.severity + 1) if severity in ALL]
    return _with(kept, before.cause, near)


def _best_of(search: Search, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that explain most each by itself, in their order; the few images of the first rounds know them all."""
    terms = search.grams(candidates, search.few, slice(0, search.target.half)).terms()
    alone = [terms.explained(one) for one in np.eye(len(candidates) + 1)[1:]]
    best = set(np.argsort(alone)[::-1][:SEVERITIES].tolist())
    return [one for place, one in enumerate(candidates) if place in best]

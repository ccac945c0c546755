"""The search for causes: all candidates on a few images, the best of them on more, those that cannot win dropped early.

Every round ranks causes by the share of the distance that they explain, as mixtures of two severities, or of one and of
images as they are. All of it sees only the first half of the images of either set; what a cause explains is said of the
second (`proof.py`); several causes together are in `together.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from gapscope.causes.candidates import Candidate, Cause, Step
from gapscope.causes.distance import REPLICATES, Grams, resampled
from gapscope.causes.features import FEW, FIRST, Features
from gapscope.causes.kernel import Kernel
from gapscope.causes.samples import Sample
from gapscope.core.random import stream

Array = np.ndarray
# The severities of the first round, and those of the second.
COARSE, FINE = (2, 4), (1, 3, 5)
# A cause that explains as much as the best in a smaller share of bootstrap samples cannot win. How many causes the
# second round sees at least and at most, beside those that cannot; how many the third, at more severities; and the
# fourth, which are proven, at how many severities.
WINS = 0.01
SECOND, THIRD, FOURTH, SEVERITIES = (12, 24), (6, 12), (3, 6), 3
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
    """

    plain: Array
    target: Sample
    rows: Array
    features: Features
    different: Array
    kernel: Kernel
    ranking: dict[str, Explanation] = field(default_factory=dict)

    @classmethod
    def of(cls, features: Features, target: Sample, seen: Array | None) -> "Search":
        """The search for what is between the reference and the target, whose appearance is ``seen : (m, b)``."""
        different = np.array([[one != other for other in target.names] for one in features.sample.names])
        rows = target.x if seen is None else np.concatenate([target.x, seen], axis=1)
        plain = features.plain[:, : rows.shape[1]]
        return cls(plain, target, rows, features, different, _kernel(features, plain, rows, different))

    def kernel_of(self, made: Array) -> Kernel:
        """That of all images of the reference, made anew, and the target's."""
        return _kernel(self.features, made, self.rows, self.different)

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
        """Rows of modified images, with the columns of the target's."""
        return [one[:, : self.rows.shape[1]] for one in self.features.of(candidates, rows, what)]

    def mixed(self, explanation: "Explanation", rows: slice) -> Array:
        """Rows of the images at `rows`, one version of each, in the shares of the explanation."""
        made = self.made(explanation.candidates, rows, f"{explanation.name} on {rows.stop - rows.start} images")
        versions = np.stack([self.plain[rows], *made])
        which = spread(len(self.plain), explanation.shares)[rows]
        return versions[which, np.arange(len(which))]

    def grams(
        self, candidates: Sequence[Candidate], rows: slice, columns: slice, kernel: Kernel | None = None
    ) -> Grams:
        """Kernel values of the plain images and of every candidate's, at `rows`, and of the target's at `columns`."""
        versions = [self.plain[rows], *self.made(candidates, rows)]
        return Grams.of(kernel or self.kernel, versions, self.rows[columns], self.different[rows, columns])

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


def spread(count: int, shares: Array) -> Array:
    """Which version each of `count` images has, evenly: of any run of them about the shares of all.

    >>> spread(10, np.array([0.6, 0.4])).tolist()
    [0, 1, 0, 1, 0, 0, 1, 0, 1, 0]
    """
    bounds = np.cumsum(shares)[:-1]
    return np.searchsorted(bounds, np.arange(count) * GOLDEN % 1, side="right")


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


def _at(cause: Cause, severities: Sequence[int]) -> list[Candidate]:
    return [Candidate.of(Step(cause, severity)) for severity in severities]


def _best_of(search: Search, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that explain most each by itself, in their order; the few images of the first rounds know them all."""
    terms = search.grams(candidates, search.few, slice(0, search.target.half)).terms()
    alone = [terms.explained(one) for one in np.eye(len(candidates) + 1)[1:]]
    best = set(np.argsort(alone)[::-1][:SEVERITIES].tolist())
    return [one for place, one in enumerate(candidates) if place in best]

"""The search for causes: all candidates on a few images, the best of them on more, those that cannot win dropped early.

Every round ranks causes by the share of the distance that they explain, as mixtures of two severities, or of one and of
images as they are. All of it sees only the first half of the images of either set; what a cause explains is said of the
second (`proof.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from gapscope.causes.candidates import Candidate, Cause, Step
from gapscope.causes.distance import Grams, Kernel
from gapscope.causes.features import FEW, Features
from gapscope.causes.samples import Sample

Array = np.ndarray
# The severities of the first round, and those of the second.
COARSE, FINE = (2, 4), (1, 3, 5)
# How many causes the second round sees, how many the last one does, at how many severities there; and how many pairs.
SECOND, LAST, SEVERITIES, PAIRS = 12, 6, 3, 3


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
    def main(self) -> Candidate | None:
        """The version that most of the modified images are of."""
        modified = [version for version in self.versions if version.candidate is not None]
        return max(modified, key=lambda one: one.share).candidate if modified else None


@dataclass(frozen=True, eq=False)
class Search:
    """The two sets, and the features of modified images.

    Attributes
    ----------
    plain : (n, d)
        What the distance to the target is explained of: the reference as it is, or after a first cause.
    different : (n, m)
        Which pairs of an image of the reference and one of the target are of different images.
    kernel
        Of the plain images and the target's.
    """

    plain: Array
    target: Sample
    features: Features
    different: Array
    kernel: Kernel
    ranking: dict[str, Explanation] = field(default_factory=dict)

    @classmethod
    def of(cls, plain: Array, target: Sample, features: Features, different: Array) -> "Search":
        """The search for what is between ``plain : (n, d)`` and the target."""
        return cls(plain, target, features, different, Kernel.of(plain, target.x))

    @property
    def reference(self) -> Sample:
        """The set whose images are modified."""
        return self.features.sample

    @property
    def few(self) -> slice:
        """The images of the first rounds."""
        return slice(0, min(FEW, self.reference.half))

    @property
    def chosen_by(self) -> slice:
        """The first half."""
        return slice(0, self.reference.half)

    def grams(self, candidates: Sequence[Candidate], rows: slice, columns: slice, what: str) -> Grams:
        """Kernel values of the plain images and of every candidate's, at `rows`, and of the target's at `columns`."""
        versions = [self.plain[rows], *self.features.of(candidates, rows, what)]
        return Grams.of(self.kernel, versions, self.target.x[columns], self.different[rows, columns])

    def explain(self, name: str, candidates: Sequence[Candidate], rows: slice, what: str) -> Explanation:
        """The nearest mixture of plain images and `candidates`."""
        terms = self.grams(candidates, rows, slice(0, self.target.half), what).terms()
        shares = terms.best()
        versions = [Version(one, float(s)) for one, s in zip([None, *candidates], shares, strict=True) if s > 0]
        return Explanation(name, tuple(versions), float(terms.explained(shares)), rows.stop - rows.start)

    def rounds(self, tried: Mapping[str, Sequence[Candidate]], rows: slice, what: str) -> list[str]:
        """Explain by each of the names, with its candidates, and rank them."""
        every = [one for candidates in tried.values() for one in candidates]
        self.features.of(every, rows, what)
        for name, candidates in tried.items():
            self.ranking[name] = self.explain(name, candidates, rows, what)
        return sorted(tried, key=lambda name: -self.ranking[name].explained)


def first_cause(search: Search, known: Mapping[str, Cause]) -> list[Explanation]:
    """Every cause with what it explains, the best first; those of the last round stand before the others."""
    coarse = {name: _at(cause, COARSE) for name, cause in known.items()}
    order = search.rounds(coarse, search.few, f"{len(known)} causes on {search.few.stop} images")
    whole = {name: _at(known[name], sorted({*COARSE, *FINE})) for name in order[:SECOND]}
    order = search.rounds(whole, search.few, f"the best {len(whole)} at all severities") + order[SECOND:]
    last = {name: _best_of(search, whole[name]) for name in order[:LAST]}
    order = (
        search.rounds(last, search.chosen_by, f"the best {len(last)} on {search.chosen_by.stop} images") + order[LAST:]
    )
    return [search.ranking[name] for name in order]


def second_cause(search: Search, first: Candidate, known: Mapping[str, Cause]) -> Explanation:
    """The pair of the `first` cause and one of another family that explains most of what the first leaves.

    Parameters
    ----------
    search
        Whose plain images are those after the first cause.
    """
    step = first.steps[0]
    others = {name: cause for name, cause in known.items() if cause.kind.family != step.cause.kind.family}
    coarse = {f"{step.cause.name}+{name}": _with(step, cause, COARSE) for name, cause in others.items()}
    order = search.rounds(coarse, search.few, f"a second cause beside {first}")
    fine = {name: _around(step, others[name.partition("+")[2]]) for name in order[:PAIRS]}
    order = search.rounds(fine, search.few, f"the best {len(fine)} pairs")
    last = {name: _best_of(search, fine[name]) for name in order[:1]}
    search.rounds(last, search.chosen_by, f"the best pair on {search.chosen_by.stop} images")
    return search.ranking[order[0]]


def _at(cause: Cause, severities: Sequence[int]) -> list[Candidate]:
    return [Candidate.of(Step(cause, severity)) for severity in severities]


def _with(first: Step, cause: Cause, severities: Sequence[int]) -> list[Candidate]:
    return [Candidate.of(first, Step(cause, severity)) for severity in severities]


def _around(step: Step, cause: Cause) -> list[Candidate]:
    """Both causes at neighbouring severities of the first and at all of the second."""
    firsts = [severity for severity in range(step.severity - 1, step.severity + 2) if 1 <= severity <= 5]
    return [
        Candidate.of(Step(step.cause, first), Step(cause, second)) for first in firsts for second in (*COARSE, *FINE)
    ]


def _best_of(search: Search, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that explain most each by itself, in their order; the few images of the first rounds know them all."""
    terms = search.grams(candidates, search.few, slice(0, search.target.half), "").terms()
    alone = [terms.explained(one) for one in np.eye(len(candidates) + 1)[1:]]
    best = set(np.argsort(alone)[::-1][:SEVERITIES].tolist())
    return [one for place, one in enumerate(candidates) if place in best]

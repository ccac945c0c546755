"""From two samples to the causes of their difference: is there one, what explains it, and what does it cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gapscope.causes.candidates import Cause
from gapscope.causes.chance import Exchanged
from gapscope.causes.distance import WORTH
from gapscope.causes.features import Features
from gapscope.causes.forecast import Expected, expected_accuracy
from gapscope.causes.kernel import LEVEL
from gapscope.causes.proof import Measure, Proof, correct, proofs, share_of
from gapscope.causes.samples import Sample
from gapscope.causes.search import LAST, Explanation, Search, first_cause, firsts, next_cause, with_another_first
from gapscope.causes.separability import separability
from gapscope.probes.model import Classifier

Array = np.ndarray

# A further cause has to explain so much of what those that are known leave; and there are so many at most.
ADDED, MOST = 0.5, 3


@dataclass(frozen=True, eq=False)
class Analysis:
    """What was found.

    Attributes
    ----------
    by_chance
        Whether the sets are further apart than samples of one population, by the features and by how images look.
    auc
        Separability of the plain images from the target's.
    proofs
        Of the best causes, the best first; of several together before them where they explain more.
    ranking
        All causes with what they explain of the images that they were chosen by; those dropped early on few of them.
    accuracies
        Of the model on the sample of the reference and of the target, where there are labels.
    expected
        What the distance alone lets expect of the target, without its labels.
    """

    reference: Sample
    target: Sample
    by_chance: tuple[Exchanged, ...]
    auc: float
    proofs: list[Proof]
    ranking: list[Explanation]
    accuracies: tuple[Measure | None, Measure | None]
    expected: Expected | None = None

    @property
    def chance(self) -> float:
        """How probable so large a distance is in any view; above `LEVEL` nothing else is said."""
        return min(1.0, len(self.by_chance) * min(one.p for one in self.by_chance))

    @property
    def is_beyond_chance(self) -> bool:
        """Whether the sets differ at all."""
        return self.chance <= LEVEL


def analyse(
    features: Features, target: Sample, seen: Array | None, known: Mapping[str, Cause], model: Classifier | None
) -> Analysis:
    """Search the `known` causes for what makes the reference's images the target's.

    Parameters
    ----------
    seen : (m, b)
        The appearance of the target's images; None where they are not there.

    Raises
    ------
    InputError
        The reference's images do not give the stored features.
    """
    reference = features.sample
    search = Search.of(features, target, seen)
    by_chance = tuple(view.by_chance for view in search.kernel.views)
    auc = separability(reference.x, target.x, reference.names, target.names)
    accuracies = (_accuracy(model, reference), _accuracy(model, target))
    found = Analysis(reference, target, by_chance, auc, [], [], accuracies)
    if not found.is_beyond_chance:
        return found
    features.check()
    ranked = first_cause(search, known)
    ranking = [*ranked.last, *ranked.dropped]
    single = proofs(search, ranked.last, model)
    several = _several(search, single[0], known, model, ranking)
    expected = expected_accuracy(search, known, model, accuracies[0].value) if model and accuracies[0] else None
    return replace(found, proofs=[*several, *single], ranking=ranking, expected=expected)


def _several(
    search: Search, single: Proof, known: Mapping[str, Cause], model: Classifier | None, ranking: Sequence[Explanation]
) -> list[Proof]:
    """The proof of two causes or three together; none where one is complete, or where the others add too little."""
    if single.is_complete:
        return []
    names = [one.name for one in ranking[:LAST]]
    found: list[Proof] = []
    best, beside = single, firsts(search, ranking)
    while beside:
        most = max(_beside(search, beside, known, model), key=lambda one: one.explanation.explained, default=None)
        if most is None or most.explanation.explained < best.explanation.explained + WORTH:
            break
        if not most.is_complete:
            (most,) = proofs(search, [with_another_first(search, most.explanation, known, names)], model)
        found, best = [most], most
        done = best.is_complete or best.explanation.main is None or len(best.explanation.main.steps) >= MOST
        beside = [] if done else [best.explanation]
    return found


def _beside(
    search: Search, firsts: Sequence[Explanation], known: Mapping[str, Cause], model: Classifier | None
) -> list[Proof]:
    """The proofs of each of the first causes with one more, up to the first that is complete."""
    result: list[Proof] = []
    for first in firsts:
        longer = _longer(search, first, known, model)
        result += proofs(search, [longer], model) if longer else []
        if result and result[-1].is_complete:
            break
    return result


def _longer(
    search: Search, first: Explanation, known: Mapping[str, Cause], model: Classifier | None
) -> Explanation | None:
    """With one cause more; None where what is left may be chance, or no cause explains half of it."""
    rest = search.after(first.main, first.modified)
    if rest.kernel.p > LEVEL:
        return None
    found = next_cause(rest, first, known)
    if found.main is None or found.explained < ADDED:
        return None
    (left,) = proofs(rest, [found], model)
    enough = left.explained.value >= ADDED and left.explained.low >= ADDED / 2
    return search.explain(found.name, found.candidates, search.chosen_by) if enough else None


def _accuracy(model: Classifier | None, sample: Sample) -> Measure | None:
    known = sample.label >= 0
    return share_of(correct(model, sample.x, sample.label)[known]) if model and known.any() else None

"""From two samples to the causes of their difference: is there one, what explains it, and what does it cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gapscope.causes.candidates import Candidate, Cause, at_severities
from gapscope.causes.chance import Exchanged
from gapscope.causes.features import Features
from gapscope.causes.forecast import Expected, expected_accuracy
from gapscope.causes.kernel import LEVEL
from gapscope.causes.proof import ADDED, Measure, Proof, correct, proofs, share_of
from gapscope.causes.rivals import Rivals
from gapscope.causes.samples import Sample
from gapscope.causes.search import COARSE, Explanation, Search, first_cause
from gapscope.causes.separability import separability
from gapscope.causes.together import Rest, longer
from gapscope.probes.model import Classifier

Array = np.ndarray

# There are so many causes at most.
MOST = 3
# Beside how many of the best causes others are looked for.
BESIDE = 12


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
    best = Rivals(search, single[1:]).against(single[0])
    several = _several(Rivals(search, single), best, known, model, ranking)
    expected = expected_accuracy(search, known, model, accuracies[0].value) if model and accuracies[0] else None
    return replace(found, proofs=[*several, best, *single[1:]], ranking=ranking, expected=expected)


def _several(
    rivals: Rivals, single: Proof, known: Mapping[str, Cause], model: Classifier | None, ranking: Sequence[Explanation]
) -> list[Proof]:
    """The proof of two causes or three together; none where one is complete, or where the others add too little."""
    search, best, found = rivals.search, single, []
    bases = _bases(ranking, known)
    for _ in range(1, MOST):
        rest = Rest.of(search, best.explanation)
        if best.is_complete or rest.kernel.p > LEVEL or not bases:
            break
        candidates = longer(rest, bases, known)
        bases = [one.main for one in candidates if one.main]
        added = []
        for one in candidates:
            proof = rivals.against(*proofs(search, [one], model))
            if _adds(rest, best, proof):
                added.append(proof)
                if proof.is_named or not proof.is_enough:
                    break
        if added:
            best = next((one for one in added if one.is_named), added[0])
            found = [best]
    return found


def _bases(ranking: Sequence[Explanation], known: Mapping[str, Cause]) -> list[Candidate]:
    """The best causes as others are looked for beside them: at the severities of the first round, and their best."""
    best = [one for one in ranking[:BESIDE] if one.candidates]
    every = [
        *at_severities({one.name: known[one.name] for one in best}, COARSE),
        *(c for one in best for c in one.candidates),
    ]
    return list(dict.fromkeys(every))


def _adds(rest: Rest, shorter: Proof, longer: Proof) -> bool:
    """Whether a longer explanation takes away enough of what a shorter one leaves, of images that neither was chosen
    by: half of it; where the longer one is named and the shorter one is not, a quarter.
    """
    if shorter.is_named and not longer.is_named:
        return False
    least, low = (ADDED, ADDED / 2) if longer.is_named == shorter.is_named else (ADDED / 2, 0.0)
    rows, columns = rest.search.reference.halves[1], rest.search.target.halves[1]
    value, replicates = rest.share(longer.explanation, rows, columns)
    return value >= least and np.quantile(replicates, 0.025) > low


def _accuracy(model: Classifier | None, sample: Sample) -> Measure | None:
    known = sample.label >= 0
    return share_of(correct(model, sample.x, sample.label)[known]) if model and known.any() else None

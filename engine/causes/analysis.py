"""From two samples to the causes of their difference: is there one, what explains it, and what does it cost."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gapscope.causes.candidates import Cause
from gapscope.causes.distance import chance
from gapscope.causes.features import Features
from gapscope.causes.proof import Measure, Proof, correct, measured, proofs
from gapscope.causes.samples import Sample
from gapscope.causes.search import LAST, Explanation, Search, first_cause, second_cause
from gapscope.causes.separability import separability
from gapscope.core.random import stream
from gapscope.probes.model import Classifier

# A share explained means nothing where the distance itself may be chance.
LEVEL = 0.01
# A second cause is looked for where the first is on so much of the images; it has to explain so much of what is left.
WHOLE, ADDED = 0.7, 0.5


@dataclass(frozen=True, eq=False)
class Analysis:
    """What was found.

    Attributes
    ----------
    chance
        How probable so large a distance is between two samples of one population; above `LEVEL` nothing else is said.
    auc
        Separability of the plain images from the target's.
    proofs
        Of the best causes, the best first; of two causes together where they explain more.
    ranking
        All causes with what they explain of the images that they were chosen by; those dropped early on few of them.
    accuracies
        Of the model on the sample of the reference and of the target, where there are labels.
    """

    reference: Sample
    target: Sample
    chance: float
    auc: float
    proofs: list[Proof]
    ranking: list[Explanation]
    accuracies: tuple[Measure | None, Measure | None]

    @property
    def is_beyond_chance(self) -> bool:
        """Whether the sets differ at all."""
        return self.chance <= LEVEL


def analyse(features: Features, target: Sample, known: Mapping[str, Cause], model: Classifier | None) -> Analysis:
    """Search the `known` causes for what makes the reference's images the target's.

    Raises
    ------
    InputError
        The reference's images do not give the stored features.
    """
    reference, seed = features.sample, features.seed
    different = np.array([[one != other for other in target.names] for one in reference.names])
    search = Search.of(reference.x, target, features, different)
    p = chance(search.kernel, reference.x, target.x, different, stream(seed, "explain", "chance"))
    auc = separability(reference.x, target.x, reference.names, target.names)
    accuracies = (_accuracy(model, reference), _accuracy(model, target))
    if p > LEVEL:
        return Analysis(reference, target, p, auc, [], [], accuracies)
    features.check()
    ranking = first_cause(search, known)
    found = proofs(search, ranking[:LAST], model, seed)
    pair = _pair(search, found[0], known, model)
    return Analysis(reference, target, p, auc, [pair, *found] if pair else found, ranking, accuracies)


def _pair(search: Search, first: Proof, known: Mapping[str, Cause], model: Classifier | None) -> Proof | None:
    """The proof of the first cause with a second; None where the first is complete, or the second adds too little."""
    main = first.explanation.main
    if main is None or first.is_complete or first.explanation.modified < WHOLE:
        return None
    features = search.features
    after = features.of([main], slice(0, len(search.plain)), f"all images after {main}")[0]
    rest = Search.of(after, search.target, features, search.different)
    found = second_cause(rest, main, known)
    (left,) = proofs(rest, [found], model, features.seed)
    if left.explained.value < ADDED or left.explained.low < ADDED / 2:
        return None
    return proofs(search, [found], model, features.seed)[0]


def _accuracy(model: Classifier | None, sample: Sample) -> Measure | None:
    known = sample.label >= 0
    return measured(correct(model, sample.x, sample.label)[known]) if model and known.any() else None

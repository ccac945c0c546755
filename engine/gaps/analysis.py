"""Everything that is known of a gap: the breakdown, the confusions, and what features and remedies say beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gapscope.core.errors import InputError
from gapscope.gaps.attribution import Attribution
from gapscope.gaps.breakdown import GapBreakdown, break_down
from gapscope.gaps.exchanged import confidence_of
from gapscope.gaps.images import ImageEvidence
from gapscope.gaps.keys import Keys
from gapscope.gaps.pairs import ConfusionPairs, confusion_pairs
from gapscope.gaps.reviewed import NO_REVIEWS, BothReviews
from gapscope.gaps.split import Seen
from gapscope.gaps.trials import RemedyTrial
from gapscope.predictions import Predictions
from gapscope.predictions.valid_labels import ValidLabels, read_valid_labels
from gapscope.shifts.domain import DomainScores
from gapscope.shifts.looks import Looks

BothLabels = tuple[ValidLabels | None, ValidLabels | None]


class Evidence(NamedTuple):
    """What the features of two sets say beside the breakdown; None or empty for what was left out.

    Attributes
    ----------
    mix_odds
        For each row of both sets, how much likelier the target is by its class mix alone.
    looks
        What further classifiers of the two sets say.
    reasons
        A row for each target image, see `gapscope.gaps.reasons`.
    """

    domain: DomainScores | None = None
    mix_odds: tuple[np.ndarray, np.ndarray] | None = None
    looks: Looks | None = None
    attribution: Attribution | None = None
    reasons: pa.Table | None = None
    trials: tuple[RemedyTrial, ...] = ()
    images: ImageEvidence | None = None


NOTHING = Evidence()


@dataclass(frozen=True, eq=False)
class GapAnalysis:
    """Everything that is known of a gap between two sets, the reference first."""

    sides: tuple[Predictions, Predictions]
    breakdown: GapBreakdown
    pairs: ConfusionPairs
    evidence: Evidence = NOTHING

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the classes of both sets."""
        return self.sides[0].class_names


def analyse(
    sides: tuple[Predictions, Predictions],
    *,
    labels: BothLabels = (None, None),
    reviews: BothReviews = NO_REVIEWS,
    evidence: Evidence = NOTHING,
    keys: Keys | None = None,
    replicates: int,
    seed: int = 0,
) -> GapAnalysis:
    """The analysis of the predictions of one model for two sets; `keys` as `break_down` takes them.

    Raises
    ------
    InputError
        The two sets have different classes, or one has no labelled row.
    """
    seen = None
    if evidence.domain is not None:
        domain = (evidence.domain.reference, evidence.domain.target)
        seen = Seen(domain, evidence.mix_odds, evidence.looks, confidence_of(*sides))
    drawn = {"replicates": replicates, "seed": seed}
    breakdown = break_down(*sides, seen=seen, labels=labels, reviews=reviews, keys=keys, **drawn)
    return GapAnalysis(sides, breakdown, confusion_pairs(*sides), evidence)


def labels_of_both(places: Sequence[str], class_names: Sequence[str]) -> BothLabels:
    """Better labels from one file for both sets, or from one file for each; none where none is named.

    Raises
    ------
    InputError
        There are more than two files, or one cannot be read.
    """
    if len(places) > 2:
        raise InputError(f"--labels names {len(places)} files; give one for both sets, or one for each")
    files = [read_valid_labels(place, class_names) for place in places]
    return (files[0], files[-1]) if files else (None, None)

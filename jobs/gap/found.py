"""Everything that is known of a gap, before it is written or told."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from gapscope.gaps.ledger import Ledger
from gapscope.gaps.pairs import ConfusionPairs
from gapscope.predictions import Predictions
from gapscope.store import EmbeddingStore, View
from gapscope.store.selected import Selected


class Features(NamedTuple):
    """What the features of two sets say beside the ledger; None or empty for what was left out."""

    domain: Any = None
    mix_odds: tuple[np.ndarray, np.ndarray] | None = None
    attribution: Any = None
    reasons: pa.Table | None = None
    rungs: tuple = ()


NOTHING = Features()


@dataclass(frozen=True, eq=False)
class Found:
    """Everything that is known of a gap."""

    sides: tuple[Predictions, Predictions]
    ledger: Ledger
    pairs: ConfusionPairs
    features: Features = NOTHING
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes."""
        return self.sides[0].class_names


class StoredSet(NamedTuple):
    """A stored set, with labels as the model numbers them."""

    store: EmbeddingStore | Selected
    view: View
    predictions: Predictions

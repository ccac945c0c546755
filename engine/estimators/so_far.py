"""Summaries of all rows that `partial_fit` has seen, from which the closed-form probes train without reading."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gapscope.core.checkpoint import Saved
from gapscope.probes.training import packed
from gapscope.summaries import LabelledMoments


@dataclass(frozen=True)
class SoFar:
    """A checkpoint (see `gapscope.core.checkpoint`) that says that the pass over the rows is done already.

    Attributes
    ----------
    stage
        What the probe calls its pass.
    summary
        What the pass would find in all rows seen so far: a value that merges.
    """

    stage: str
    summary: Any

    def and_also(self, summary: Any) -> "SoFar":
        """With the summary of further rows."""
        return SoFar(self.stage, self.summary.merge(summary))

    def load(self, stage: str) -> Saved | None:
        """See `Checkpoint.load`."""
        if stage != self.stage:
            return None
        if isinstance(self.summary, LabelledMoments):
            return Saved(*packed(self.summary))
        fields = self.summary._asdict()
        return Saved(fields, {"unlabelled": fields.pop("unlabelled")})

    def save(self, stage: str, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
        """See `Checkpoint.save`; nothing is kept."""

    def due(self) -> bool:
        """See `Checkpoint.due`."""
        return False

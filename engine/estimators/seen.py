"""What all rows that `partial_fit` was given come to, from which the closed-form probes train without reading."""

from typing import Any, NamedTuple

from gapscope.core.checkpoint import MemoryCheckpoint, Saved
from gapscope.probes.training import packed
from gapscope.summaries import LabelledMoments


class Seen(NamedTuple):
    """The summary of all rows so far.

    Attributes
    ----------
    stage
        What the probe calls the pass over the rows that makes it.
    summary
        What that pass finds: a value that merges.
    """

    stage: str
    summary: Any

    def with_more(self, other: "Seen") -> "Seen":
        """With the summary of further rows."""
        return Seen(self.stage, self.summary.merge(other.summary))

    def checkpoint(self) -> MemoryCheckpoint:
        """A training that has made its pass over these rows and goes on from there."""
        if isinstance(self.summary, LabelledMoments):
            return MemoryCheckpoint({self.stage: Saved(*packed(self.summary))})
        fields = self.summary._asdict()
        return MemoryCheckpoint({self.stage: Saved(fields, {"unlabelled": fields.pop("unlabelled")})})

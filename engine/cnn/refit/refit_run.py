"""What all steps of a run need, and what its files are called."""

from dataclasses import dataclass

from gapscope.cnn.images import Images, open_images
from gapscope.cnn.refit.method import Method
from gapscope.cnn.refit.source import SourceRun, seed_of
from gapscope.core.budget import parse_bytes
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.data.source import Source
from gapscope.networks.frame import Frame
from gapscope.networks.runs import NetworkFolder
from gapscope.runs.folder import MODELS, RunFolder
from gapscope.store.workspace import slug


@dataclass(frozen=True)
class RefitRun:
    """A run that has begun."""

    method: Method
    source_run: SourceRun
    device: str
    l2: float | None
    folder: RunFolder
    progress: Progress

    @property
    def model(self) -> str:
        """What results call the networks of all seeds."""
        return f"{self.source_run.options['network']}, {self.method.title}"

    def title(self, network: NetworkFolder) -> str:
        """What results call the network that `network` becomes."""
        several = len(self.source_run.networks) > 1
        return f"{self.model}, seed {seed_of(network)}" if several else self.model

    def place(self, title: str) -> Location:
        """Where a network and its predictions go: the run folder itself for a single one, as in `train-cnn`."""
        return self.folder.place / MODELS / slug(title) if len(self.source_run.networks) > 1 else self.folder.place

    def open(self, source: Source, name: str) -> Images:
        """The images of a split as `train-cnn` opened them: what it held is held, and what it left out is left out."""
        frame = Frame(*self.source_run.networks[0].about()["frame"])
        return open_images(source, name, frame, parse_bytes(self.source_run.options["memory"]), progress=self.progress)

"""What all steps of a run need, and what its files are called."""

from dataclasses import dataclass

from gapscope.cnn.images import Images, open_images
from gapscope.cnn.request import Request
from gapscope.cnn.setup import Setup
from gapscope.core.budget import parse_bytes
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.data.source import Source
from gapscope.runs.folder import MODELS, RunFolder
from gapscope.store.workspace import slug

FIGURES = "figures"


@dataclass(frozen=True)
class TrainingRun:
    """A run that has begun."""

    request: Request
    setup: Setup
    folder: RunFolder
    progress: Progress

    def open(self, source: Source, name: str) -> Images:
        """The images of a split in the network's frame."""
        return open_images(
            source, name, self.setup.design.frame, parse_bytes(self.request.memory), progress=self.progress
        )

    def training_images(self) -> Images:
        """The images to train on and to validate on."""
        return self.open(self.setup.source, f"{self.setup.dataset.name}/{self.request.split}")

    def seeds(self) -> range:
        """One for each model."""
        return range(self.request.seed, self.request.seed + self.request.seeds)

    def title(self, seed: int) -> str:
        """What results call the model of a seed."""
        name = self.setup.design.name
        return name if self.request.seeds == 1 else f"{name}, seed {seed}"

    def place(self, title: str) -> Location:
        """Where a model and its predictions go: the run folder itself for a single one."""
        return self.folder.place if self.request.seeds == 1 else self.folder.place / MODELS / slug(title)

    def draw(self, title: str, name: str, picture: bytes) -> None:
        """Write a figure of a model as ``figures/name.png``, after the model's own name where there are several."""
        stem = name if self.request.seeds == 1 else f"{slug(title)}-{name}"
        (self.folder.place / FIGURES / f"{stem}.png").write_atomically(lambda file: file.write(picture))

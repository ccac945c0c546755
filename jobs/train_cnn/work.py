"""What all steps of a run need, and what its files are called."""

from dataclasses import dataclass

from gapscope.cnn.images import Images, open_images
from gapscope.core.budget import parse_bytes
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.data.source import Source
from gapscope.jobs.train_cnn.begin import Beginning
from gapscope.jobs.train_cnn.config import TrainCnnConfig
from gapscope.runs.folder import MODELS, RunFolder
from gapscope.store.workspace import slug

FIGURES = "figures"


@dataclass(frozen=True)
class Work:
    """A run that has begun."""

    config: TrainCnnConfig
    begun: Beginning
    folder: RunFolder
    progress: Progress

    def open(self, source: Source, name: str) -> Images:
        """The images of a split in the network's frame."""
        return open_images(
            source, name, self.begun.design.frame, parse_bytes(self.config.memory), progress=self.progress
        )

    def training_images(self) -> Images:
        """The images to learn from and to validate on."""
        return self.open(self.begun.source, f"{self.begun.dataset.name}/{self.config.split}")

    def seeds(self) -> range:
        """One for each model."""
        return range(self.config.seed, self.config.seed + self.config.seeds)

    def title(self, seed: int) -> str:
        """What results call the model of a seed."""
        name = self.begun.design.name
        return name if self.config.seeds == 1 else f"{name}, seed {seed}"

    def place(self, title: str) -> Location:
        """Where a model and its predictions go: the run folder itself for a single one."""
        return self.folder.place if self.config.seeds == 1 else self.folder.place / MODELS / slug(title)

    def draw(self, title: str, name: str, picture: bytes) -> None:
        """Write a figure of a model as ``figures/name.png``, after the model's own name where there are several."""
        stem = name if self.config.seeds == 1 else f"{slug(title)}-{name}"
        (self.folder.place / FIGURES / f"{stem}.png").write_atomically(lambda file: file.write(picture))

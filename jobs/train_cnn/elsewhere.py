"""Training on the workers of a Dask cluster: a task for each network, which writes into the run's folder."""

from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from gapscope.core.budget import parse_bytes
from gapscope.core.progress import SILENT
from gapscope.data.datasets import DATASETS
from gapscope.data.modified import SEPARATOR
from gapscope.jobs.train_cnn.begin import begun
from gapscope.jobs.train_cnn.config import TrainCnnConfig
from gapscope.jobs.train_cnn.fit import train_seed
from gapscope.jobs.train_cnn.lesson import divided, lesson_of
from gapscope.jobs.train_cnn.work import Work
from gapscope.networks.trained import DESCRIPTION
from gapscope.runs.connection import check_worker_memory, connected
from gapscope.runs.folder import RunFolder
from gapscope.stream.workers import Shown

# Torch draws random numbers for all threads of a process from one place, so a process trains one network at a time.
ALONE = Lock()


def train_elsewhere(work: Work) -> None:
    """Train every network that is not trained yet on the workers that the options name; nothing where they name none.

    A task opens the images and decodes them for itself. One that is lost with its worker goes on, on another, from the
    checkpoint that lies in the run's folder.
    """
    seeds = [seed for seed in work.seeds() if not (work.place(work.title(seed)) / DESCRIPTION).exists()]
    if not seeds or not (work.config.scheduler or work.config.cluster):
        return
    with connected(work.config, work.progress) as workers, work.folder.timed("fit on workers"):
        check_worker_memory(workers, _held_bytes(work), f"decoding {work.begun.dataset.name}")
        with work.progress.task("train", len(seeds), "networks") as task:
            training = _Training(_from_anywhere(work.config), work.folder)
            workers.each(training, seeds, lambda _: task.advance(), Shown("train-cnn", work.progress.say))


def _held_bytes(work: Work) -> int:
    """What the decoded images need, if they are held."""
    needed = len(work.begun.source.listing) * work.begun.design.frame.pixels
    return needed if needed <= parse_bytes(work.config.memory) else 0


@dataclass(frozen=True)
class _Training:
    """The training of a seed, from nothing but the options and the folder."""

    config: TrainCnnConfig
    folder: RunFolder

    def __call__(self, seed: int) -> None:
        with ALONE:
            work = Work(self.config, begun(self.config), self.folder, SILENT)
            images = work.training_images()
            train_seed(work, lesson_of(work, images, divided(work, images)), seed)


def _from_anywhere(config: TrainCnnConfig) -> TrainCnnConfig:
    """The options with paths that name the same files in a process that runs in another folder."""
    paths = {name: getattr(config, name) for name in ("data_root", "classes", "labels")}
    return replace(
        config,
        dataset=_absolute(config.dataset),
        weights=str(Path(config.weights).absolute()) if Path(config.weights).is_file() else config.weights,
        **{name: path and path.expanduser().absolute() for name, path in paths.items()},
    )


def _absolute(name: str) -> str:
    """A dataset's path as an absolute one, with the modifications behind it; a dataset's name as it is."""
    plain, plus, rest = (name, "", "") if Path(name).exists() else name.partition(SEPARATOR)
    known = plain in DATASETS or not Path(plain).expanduser().exists()
    return name if known else f"{Path(plain).expanduser().absolute()}{plus}{rest}"

"""Training on the workers of a Dask cluster: a task for each network, which writes into the run's folder."""

from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from gapscope.cnn.data import division_of, training_data
from gapscope.cnn.networks import train_seed
from gapscope.cnn.request import Request
from gapscope.cnn.setup import set_up
from gapscope.cnn.training_run import TrainingRun
from gapscope.core.budget import parse_bytes
from gapscope.core.progress import SILENT
from gapscope.data.datasets import DATASETS
from gapscope.data.modified import SEPARATOR
from gapscope.networks.trained import DESCRIPTION
from gapscope.runs.connection import check_worker_memory, connected
from gapscope.runs.folder import RunFolder
from gapscope.stream.workers import Shown

# Torch draws random numbers for all threads of a process from one place, so a process trains one network at a time.
ALONE = Lock()


def train_on_workers(run: TrainingRun) -> None:
    """Train every network that is not trained yet on the workers that the options name; nothing where they name none.

    A task opens the images and decodes them for itself. One that is lost with its worker goes on, on another, from the
    checkpoint that lies in the run's folder.
    """
    seeds = [seed for seed in run.seeds() if not (run.place(run.title(seed)) / DESCRIPTION).exists()]
    if not seeds or not (run.request.scheduler or run.request.cluster):
        return
    with connected(run.request, run.progress) as workers, run.folder.timed("fit on workers"):
        check_worker_memory(workers, _held_bytes(run), f"decoding {run.setup.dataset.name}")
        with run.progress.task("train", len(seeds), "networks") as task:
            training = _Training(_absolute_paths(run.request), run.folder)
            workers.each(training, seeds, lambda _: task.advance(), Shown("train-cnn", run.progress.say))


def _held_bytes(run: TrainingRun) -> int:
    """What the decoded images need, if they are held."""
    needed = len(run.setup.source.listing) * run.setup.design.frame.pixels
    return needed if needed <= parse_bytes(run.request.memory) else 0


@dataclass(frozen=True)
class _Training:
    """The training of a seed, from nothing but the options and the folder."""

    request: Request
    folder: RunFolder

    def __call__(self, seed: int) -> None:
        with ALONE:
            run = TrainingRun(self.request, set_up(self.request), self.folder, SILENT)
            images = run.training_images()
            train_seed(run, training_data(run, images, division_of(run, images)), seed)


def _absolute_paths(request: Request) -> Request:
    """The options with paths that name the same files in a process that runs in another folder."""
    paths = {name: getattr(request, name) for name in ("data_root", "classes", "labels")}
    return replace(
        request,
        dataset=_absolute_dataset(request.dataset),
        weights=str(Path(request.weights).absolute()) if Path(request.weights).is_file() else request.weights,
        **{name: path and path.expanduser().absolute() for name, path in paths.items()},
    )


def _absolute_dataset(name: str) -> str:
    """A dataset's path as an absolute one, with the modifications behind it; a dataset's name as it is."""
    plain, plus, rest = (name, "", "") if Path(name).exists() else name.partition(SEPARATOR)
    known = plain in DATASETS or not Path(plain).expanduser().exists()
    return name if known else f"{Path(plain).expanduser().absolute()}{plus}{rest}"

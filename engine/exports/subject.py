"""What is exported: a run, one of its models, a map or a stored set, and the images that it is about."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gapscope.core.errors import GapscopeError, InputError
from gapscope.core.location import Location
from gapscope.data.source import Source
from gapscope.evaluation.best_predictions import best_predictions
from gapscope.evaluation.models import model_folder, model_in
from gapscope.predictions import Predictions, read_predictions
from gapscope.predictions.memory import ROW_BYTES, check_predictions, run_bytes
from gapscope.predictions.run import sets_in_run
from gapscope.probes.model import Classifier
from gapscope.reports.samples import Images
from gapscope.runs.run import Run, find_run, read_run

# Of an image: its place in the order in which images are written, and what order that is.
MADE_BYTES = 100


class Written(NamedTuple):
    """What an export has written: how much of what, and how it is opened, in a sentence each."""

    what: str
    opens: str


@dataclass(frozen=True)
class Subject:
    """What `export` was asked for.

    Attributes
    ----------
    name
        A run, its folder, or a stored set as dataset/split.
    model
        Of a run with several; the best one on each set when empty.
    backbone
        Of a stored set that several networks have made features of.
    count
        Rows or images at most; None for all.
    memory
        How much may be used, such as ``2GB``.
    """

    workspace: Location
    name: str
    model: str = ""
    backbone: str = ""
    count: int | None = None
    data_root: Path = Path("data")
    seed: int = 0
    memory: str = "2GB"

    @property
    def run(self) -> Run:
        """The finished run.

        Raises
        ------
        InputError
            There is none.
        """
        return read_run(find_run(self.workspace, self.name))

    @property
    def classifier(self) -> Classifier:
        """The trained model."""
        return model_in(model_folder(self.workspace, self.name, self.model))

    def predictions(self) -> Iterator[Predictions]:
        """What the model has predicted, set by set, at most `count` rows of all together.

        Raises
        ------
        InputError
            The run has predicted nothing.
        """
        run, left = self.run, self.count
        self._check_memory(run)
        one = None
        for one in self._all(run):
            rows = one.n if left is None else min(left, one.n)
            left = None if left is None else left - rows
            if rows:
                yield one if rows == one.n else one.rows(range(rows))
        if one is None:
            raise InputError(f"{run.place} holds no predictions; name a run of fit-incremental, predict or train-cnn")

    def _check_memory(self, run: Run) -> None:
        """Refuse, before a row is read, what would not fit: predictions, and what is made of each.

        Raises
        ------
        BudgetError
            It is more than `memory`.
        """
        sets: dict[tuple[str, str], int] = {}
        for model in run_bytes(run.place, self.model):
            sets |= {pair: max(sets.get(pair, 0), needed) for pair, needed in model.items()}
        rows = sum(sets.values()) // ROW_BYTES
        made = MADE_BYTES * (rows if self.count is None else min(rows, self.count))
        what = f"exporting the predictions of {run.name}"
        check_predictions(what, [*sets.values(), made], self.memory, "give a smaller --limit, or raise --memory")

    def _all(self, run: Run) -> Iterator[Predictions]:
        if not self.model:
            yield from (predictions for _, predictions in best_predictions(run))
            return
        for dataset, split in sets_in_run(run.place, self.model).values():
            yield read_predictions(str(run.place), model=self.model, dataset=dataset, split=split)

    def images(self, predictions: Predictions) -> Source | None:
        """The images that were predicted; None where they are not to be had."""
        try:
            return Images(self.data_root, self.seed).of(predictions, self.run)
        except (GapscopeError, OSError):
            return None


def file_of(source: Source, index: int) -> Path | None:
    """The file of an image; None for one in an archive, in a table, or of no file."""
    path = getattr(source, "path", None)
    place = path(index).absolute() if callable(path) else None
    return place if place and place.is_file() else None

"""The memory that the predictions of a study take, known before its first training, or before the first row is read."""

from collections.abc import Sequence

from gapscope.core.location import Location
from gapscope.predictions.memory import PARQUET, check_predictions, predictions_bytes, set_bytes, shape_of
from gapscope.predictions.run import models_in_run

# Bytes an image and network: its class, whether it is right, and copies of these while findings are made.
CELL = 24
# Bytes an image and model of a table: its classes as they are read and in the order of the study, and what is counted.
MODEL_ROW = 300


def check_trainings(what: str, networks: int, tests: int, images: int, allowed: str) -> None:
    """Refuse, before the first training, `what` so many `networks` are to predict for `tests` sets of so many images.

    Raises
    ------
    BudgetError
        The projected need is above what is `allowed`, such as ``2GB``.
    """
    subject = f"studying {networks} networks on {tests} sets of {images:,} images of {what}"
    check_predictions(subject, [CELL * networks * tests * images], allowed, "name fewer images, or raise --memory")


def check_files(places: Sequence[Location], allowed: str) -> None:
    """Refuse, before a row is read, files of predictions that would not fit together; a wide one has many models.

    Raises
    ------
    BudgetError
        The projected need is above what is `allowed`, such as ``2GB``.
    """
    needed = [_of_file(place) for place in places]
    check_predictions(f"studying the predictions of {len(places)} files", needed, allowed, "name fewer of the models")


def check_runs(runs: Sequence[Location], sets: Sequence[str], allowed: str) -> None:
    """The same of sets, as dataset/split, that each of the `runs` has predicted."""
    pairs = [one.rpartition("/") for one in sets]
    needed = [
        set_bytes(run, model, dataset or split, split if dataset else "")
        for run in runs
        for model in models_in_run(run) or [""]
        for dataset, _, split in pairs
    ]
    check_predictions(f"studying the predictions of {len(needed)} models and sets", needed, allowed)


def _of_file(place: Location) -> int:
    """What the models of a table take, which has a column for each; of any other file its size."""
    rows, columns = shape_of(place) if place.name.endswith(PARQUET) else (0, 0)
    return max(MODEL_ROW * rows * columns, predictions_bytes(place))

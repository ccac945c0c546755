"""What trained networks predict for test sets and for the images they were trained on, and how good that is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gapscope.cnn.figures import draw_predictions
from gapscope.cnn.images import Images
from gapscope.cnn.record import rejected_note, rejected_rows
from gapscope.cnn.test_set import TestSet, outcomes, predicted
from gapscope.cnn.train import TrainingData
from gapscope.cnn.training_run import TrainingRun
from gapscope.core.files import write_json
from gapscope.core.text import counted
from gapscope.data.label_order import check_label_order
from gapscope.draw import png
from gapscope.draw.matrix import confusion
from gapscope.evaluation import measure
from gapscope.networks.trained import Trained
from gapscope.predictions.confusions import confused_pairs
from gapscope.runs.folder import PREDICTIONS, RunFolder
from gapscope.runs.run import HELD_OUT
from gapscope.schemas.results import Result

# Beyond so many classes a picture of the confusion matrix shows nothing.
PICTURED = 60
SHOWN_PAIRS = 5
CONFUSIONS = "confusions"


@dataclass
class Evaluations:
    """What the evaluation of all models on all sets has brought so far; one is filled while a run goes on.

    Attributes
    ----------
    confusions
        The most frequent confusions: model, set, label, predicted, images, share of the class.
    rejected
        Images that could not be decoded, as rows of ``rejected.parquet``.
    """

    results: list[Result] = field(default_factory=list)
    confusions: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)

    def reject(self, images: Images) -> None:
        """Note the images that could not be decoded, and say how many they are."""
        rows = rejected_rows(images)
        self.rejected.extend(rows)
        if rows:
            self.notes.append(rejected_note(images.name, len(images.source.listing), rows))

    def write_confusions(self, folder: RunFolder) -> None:
        """Save the most frequent confusions for the page."""
        write_json(folder.place / f"{CONFUSIONS}.json", self.confusions)


def evaluate_test_set(
    run: TrainingRun, models: Sequence[Trained], test: TestSet, images: Images, evaluations: Evaluations
) -> None:
    """Predictions of all models for a set, their metrics, pictures of what they confuse, and of some predictions of
    the first.
    """
    if test.note:
        evaluations.notes.append(test.note)
    for model in models:
        place = run.place(model.title) / PREDICTIONS / test.folder
        counts, copies = predicted(model, images, test.classes, place, run.progress)
        if copies and model is models[0]:
            evaluations.notes.append(copies)
        if counts.n:
            evaluations.results.extend(measure(counts, test.dataset, test.split, model.title, model.class_names))
            _confusion(run, model, test, counts.confusion, evaluations)
        else:
            evaluations.notes.append(
                f"{test.name} has no labels; its {counted(counts.rows, 'image was', 'images were')} predicted and "
                "not measured"
            )
        if counts.rows and model is models[0]:
            evaluations.notes.extend(draw_predictions(run, model, test, images))
    evaluations.reject(images)


def evaluate_trained_on(
    run: TrainingRun, models: Sequence[Trained], data: TrainingData, evaluations: Evaluations
) -> None:
    """Metrics of the final weights on the training images, as they are, and on those held out.

    Nothing but the results is written: these predictions must not pass for those of a test set.
    """
    dataset, split = run.setup.dataset.name, run.request.split
    for name, rows in ((split, data.train), (f"{split}{HELD_OUT}", data.validation)):
        for model in models if len(rows) else ():
            with run.progress.task(f"evaluate {dataset}/{name}", len(rows), "images") as task:
                counts = outcomes(model, data.images, rows, task.advance)
            evaluations.results.extend(measure(counts, dataset, name, model.title, model.class_names))


def _confusion(run: TrainingRun, model: Trained, test: TestSet, counts: np.ndarray, evaluations: Evaluations) -> None:
    names = model.class_names
    pairs = confused_pairs(names, counts, SHOWN_PAIRS)
    evaluations.confusions += [{"model": model.title, "set": test.name} | one._asdict() for one in pairs]
    if len(names) <= PICTURED:
        picture = confusion(names, counts, title=f"{model.title} on {test.name}")
        run.draw(model.title, f"confusion-{test.folder}", png(picture))
    order = check_label_order(counts)
    if order:
        evaluations.notes.append(f"warning: {test.name}: {order.sentence}")

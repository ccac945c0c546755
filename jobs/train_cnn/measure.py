"""What the models say of images, learnt and unseen, and what that is worth."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from gapscope.cnn.images import Images
from gapscope.cnn.train import Lesson
from gapscope.data.label_order import check_label_order
from gapscope.draw import png
from gapscope.draw.matrix import confusion
from gapscope.evaluation import measure
from gapscope.jobs.image_sets import HELD_OUT, Unseen, outcomes, predicted
from gapscope.jobs.train_cnn.pictures import draw_answers
from gapscope.jobs.train_cnn.work import Work
from gapscope.jobs.train_cnn.written import REJECTED, rejected_rows
from gapscope.networks.trained import Trained
from gapscope.predictions.confusions import confused_pairs
from gapscope.runs.folder import PREDICTIONS
from gapscope.runs.result import Table
from gapscope.schemas.results import Result

# Beyond so many classes a picture of the confusion matrix shows nothing.
PICTURED = 60
SHOWN_PAIRS = 5


class Found(NamedTuple):
    """What the evaluation of all models on all sets has brought, so far."""

    results: list[Result]
    tables: list[Table]
    notes: list[str]
    ledger: list[dict[str, Any]]

    def rejected(self, images: Images) -> None:
        """Write down the images that could not be decoded, and say how many they are."""
        rows = rejected_rows(images)
        self.ledger.extend(rows)
        if rows:
            self.notes.append(
                f"{images.name}: {len(rows)} of {len(images.source.listing):,} files hold no usable image and were "
                f"left out, such as {rows[0]['path']} ({rows[0]['reason']}); all are in {REJECTED}"
            )


def evaluate_unseen(work: Work, models: Sequence[Trained], test: Unseen, images: Images, found: Found) -> None:
    """Predictions of all models for a set, what they are worth, pictures of what they confuse, and of some answers of
    the first.
    """
    if test.note:
        found.notes.append(test.note)
    for model in models:
        place = work.place(model.title) / PREDICTIONS / test.folder
        counts = predicted(model, images, test.classes, place, work.progress)
        if counts.n:
            found.results.extend(measure(counts, test.dataset, test.split, model.title, model.class_names))
            _confusion(work, model, test, counts.confusion, found)
        else:
            found.notes.append(f"{test.name} has no labels; its {counts.rows:,} images were predicted and not measured")
        if counts.rows and model is models[0]:
            found.notes.extend(draw_answers(work, model, test, images))
    found.rejected(images)


def evaluate_learnt(work: Work, models: Sequence[Trained], lesson: Lesson, found: Found) -> None:
    """What the final weights are worth on the images that were learnt from, as they are, and on those held out.

    Nothing but the results is written: these predictions must not pass for those of a test set.
    """
    dataset, split = work.begun.dataset.name, work.config.split
    for name, rows in ((split, lesson.train), (HELD_OUT.format(split), lesson.validation)):
        for model in models if len(rows) else ():
            with work.progress.task(f"evaluate {dataset}/{name}", len(rows), "images") as task:
                counts = outcomes(model, lesson.images, rows, task.advance)
            found.results.extend(measure(counts, dataset, name, model.title, model.class_names))


def _confusion(work: Work, model: Trained, test: Unseen, counts: np.ndarray, found: Found) -> None:
    names = model.class_names
    pairs = confused_pairs(names, counts, SHOWN_PAIRS)
    rows = [(one.true, one.predicted, one.count, f"{one.share:.1%}") for one in pairs]
    if rows:
        title = f"{model.title} on {test.name}: the most confused classes"
        found.tables.append(Table(title, ("class", "predicted as", "images", "of the class"), rows))
    if len(names) <= PICTURED:
        picture = confusion(names, counts, title=f"{model.title} on {test.name}")
        work.draw(model.title, f"confusion-{test.folder}", png(picture))
    order = check_label_order(counts)
    if order:
        found.notes.append(f"warning: {test.name}: {order.sentence}")

"""What the models say of images, learnt and unseen, and what that is worth."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.cnn.images import Images, batches, even_parts
from engine.cnn.train import Lesson
from engine.cnn.view import CHUNK_BYTES, ImageView
from engine.core.chunk import Chunk
from engine.data.label_order import check_label_order
from engine.draw import png
from engine.draw.matrix import confused_pairs, confusion
from engine.evaluate import measure, predict
from engine.evaluate.predict import outcomes_of, predictions
from engine.networks.trained import Trained
from engine.stream import CHUNK_ROWS, connect
from engine.summaries.outcomes import Outcomes
from jobs.folder import PREDICTIONS
from jobs.report import Table
from jobs.train_cnn.pictures import draw_answers
from jobs.train_cnn.unseen import Unseen
from jobs.train_cnn.work import Work
from jobs.train_cnn.written import REJECTED, rejected_rows
from schemas.results import Result

# Beyond so many classes a picture of the confusion matrix shows nothing.
PICTURED = 60
SHOWN_PAIRS = 5
HELD_OUT = "{} (held out)"


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
        with connect(threads=1) as workers:
            view = ImageView.of(images)
            counts = predict(model, model.class_names, view, test.classes, place, workers, progress=work.progress)
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


def outcomes(model: Trained, images: Images, rows: np.ndarray, done=lambda count: None) -> Outcomes:
    """What a model says of the images at `rows`, counted and not kept; ``done(n)`` is called after n more of them."""
    classes = len(model.class_names)
    size = max(1, min(CHUNK_ROWS, CHUNK_BYTES // images.frame.pixels))
    counted = Outcomes.none(classes)
    for batch in batches(images, even_parts(rows, size)):
        said = predictions(model, Chunk(batch.rows, batch.x, batch.y.astype(np.int32)))
        counted = counted.merge(outcomes_of(said, classes))
        done(len(batch.rows))
    return counted


def _confusion(work: Work, model: Trained, test: Unseen, counts: np.ndarray, found: Found) -> None:
    names = model.class_names
    pairs = confused_pairs(names, counts, SHOWN_PAIRS)
    rows = [(one.true, one.given, one.count, f"{one.share:.1%}") for one in pairs]
    if rows:
        title = f"{model.title} on {test.name}: the most confused classes"
        found.tables.append(Table(title, ("class", "taken for", "images", "of the class"), rows))
    if len(names) <= PICTURED:
        picture = confusion(names, counts, title=f"{model.title} on {test.name}")
        work.draw(model.title, f"confusion-{test.folder}", png(picture))
    order = check_label_order(counts)
    if order:
        found.notes.append(f"warning: {test.name}: {order.sentence}")

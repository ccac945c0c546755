"""What networks with new last layers say of images, unseen and learnt, and what that is worth."""

from collections.abc import Sequence

import numpy as np

from engine.cnn.images import Images, batches, even_parts
from engine.cnn.view import CHUNK_BYTES, ImageView
from engine.core.chunk import Chunk
from engine.evaluate import measure, predict
from engine.evaluate.predict import outcomes_of, predictions
from engine.networks.trained import Trained
from engine.stream import CHUNK_ROWS, connect
from engine.summaries.outcomes import Outcomes
from jobs.folder import PREDICTIONS
from jobs.refit_head.lesson import Lesson
from jobs.refit_head.unseen import Unseen
from jobs.refit_head.work import Work
from schemas.results import Result

HELD_OUT = "{} (held out)"


def of_unseen(work: Work, models: Sequence[Trained], test: Unseen, images: Images) -> list[Result]:
    """Predictions of all models for a set, written where `train-cnn` writes its own, and what they are worth."""
    results: list[Result] = []
    for model in models:
        place = work.place(model.title) / PREDICTIONS / test.folder
        with connect(threads=1) as workers:
            view = ImageView.of(images)
            counts = predict(model, model.class_names, view, test.classes, place, workers, progress=work.progress)
        if counts.n:
            results += measure(counts, test.dataset, test.split, model.title, model.class_names)
    return results


def of_learnt(work: Work, models: Sequence[Trained], lesson: Lesson) -> list[Result]:
    """What the networks are worth on the images that were learnt from, as they are, and on those held out.

    Nothing but the results is written: these predictions must not pass for those of a test set.
    """
    dataset, split = work.origin.dataset.name, work.origin.options["split"]
    results: list[Result] = []
    for name, rows in ((split, lesson.rows.train), (HELD_OUT.format(split), lesson.rows.validation)):
        for model in models if len(rows) else ():
            counts = _outcomes(model, lesson.images, rows)
            results += measure(counts, dataset, name, model.title, model.class_names)
    return results


def _outcomes(model: Trained, images: Images, rows: np.ndarray) -> Outcomes:
    classes = len(model.class_names)
    counted = Outcomes.none(classes)
    for batch in batches(images, even_parts(rows, max(1, min(CHUNK_ROWS, CHUNK_BYTES // images.frame.pixels)))):
        said = predictions(model, Chunk(batch.rows, batch.x, batch.y.astype(np.int32)))
        counted = counted.merge(outcomes_of(said, classes))
    return counted

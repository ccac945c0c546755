"""What networks with new last layers say of images, unseen and learnt, and what that is worth."""

from collections.abc import Sequence

from gapscope.cnn.images import Images
from gapscope.evaluation import measure
from gapscope.jobs.image_sets import HELD_OUT, Unseen, outcomes, predicted
from gapscope.jobs.refit_head.lesson import Lesson
from gapscope.jobs.refit_head.work import Work
from gapscope.networks.trained import Trained
from gapscope.runs.folder import PREDICTIONS
from gapscope.schemas.results import Result


def of_unseen(work: Work, models: Sequence[Trained], test: Unseen, images: Images) -> list[Result]:
    """Predictions of all models for a set, written where `train-cnn` writes its own, and what they are worth."""
    results: list[Result] = []
    for model in models:
        place = work.place(model.title) / PREDICTIONS / test.folder
        counts = predicted(model, images, test.classes, place, work.progress)
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
            counts = outcomes(model, lesson.images, rows)
            results += measure(counts, dataset, name, model.title, model.class_names)
    return results

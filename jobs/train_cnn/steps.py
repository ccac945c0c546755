"""The steps of a run, in their order: decode, train, evaluate, tell."""

from collections.abc import Sequence

from gapscope.jobs.image_sets import Unseen, means
from gapscope.jobs.train_cnn.elsewhere import train_elsewhere
from gapscope.jobs.train_cnn.fit import trained
from gapscope.jobs.train_cnn.lesson import divided, lesson_of, said_of
from gapscope.jobs.train_cnn.measure import Found, evaluate_learnt, evaluate_unseen
from gapscope.jobs.train_cnn.told import accuracy_table, summary
from gapscope.jobs.train_cnn.work import Work
from gapscope.jobs.train_cnn.written import write_rejected
from gapscope.runs.result import RunResult


def finished(work: Work, tests: Sequence[Unseen]) -> RunResult:
    """Train the network of each seed, evaluate it on `tests` and on the images that it learnt from, tell it all."""
    train_elsewhere(work)
    with work.folder.timed("decode"):
        images = work.training_images()
    rows = divided(work, images)
    work.progress.say(f"learning from {len(rows.train):,} images of {images.name}, watching {len(rows.validation):,}")
    lesson = lesson_of(work, images, rows)
    models = list(trained(work, lesson))
    found = Found([], [], [], [])
    for test in tests:
        with work.folder.timed(f"evaluate {test.name}"):
            evaluate_unseen(work, models, test, work.open(test.source, test.name), found)
    with work.folder.timed(f"evaluate {images.name}"):
        evaluate_learnt(work, models, lesson, found)
    found.rejected(images)
    write_rejected(work.folder.place, found.ledger)
    results = [*found.results, *means(models[0].design.name, len(models), found.results)]
    notes = [*work.begun.notes, *said_of(rows, images.name), *map(summary, models), *found.notes]
    return work.folder.finish(results, [*accuracy_table(results), *found.tables], notes)

"""The steps of a run, in their order: decode, learn, evaluate, tell."""

from collections.abc import Sequence

from gapscope.evaluation.stored import results_table
from gapscope.jobs.image_sets import Unseen, means
from gapscope.jobs.refit_head.fit import HEAD, refitted
from gapscope.jobs.refit_head.lesson import lesson_of
from gapscope.jobs.refit_head.measure import of_learnt, of_unseen
from gapscope.jobs.refit_head.told import summary
from gapscope.jobs.refit_head.work import Work
from gapscope.runs.result import RunResult
from gapscope.schemas.results import Result
from gapscope.training.settings import setting_results


def finished(work: Work, tests: Sequence[Unseen]) -> RunResult:
    """Learn the last layer of each network again, evaluate it on `tests` and on the images learnt from, tell it all."""
    with work.folder.timed("decode"):
        lesson = lesson_of(work)
    work.progress.say(
        f"{work.model}: learning from {len(lesson.rows.train):,} images of {lesson.images.name} and "
        f"{int(lesson.wanted.sum()):,} synthetic rows, choosing on {len(lesson.rows.validation):,} others"
    )
    models = list(refitted(work, lesson))
    found: list[Result] = []
    for test in tests:
        with work.folder.timed(f"evaluate {test.name}"):
            found += of_unseen(work, models, test, work.open(test.source, test.name))
    with work.folder.timed(f"evaluate {lesson.images.name}"):
        found += of_learnt(work, models, lesson)
    results = [*found, *means(work.model, len(models), found)]
    notes = [*lesson.notes, *map(summary, models), *(test.note for test in tests if test.note)]
    dataset, split = work.origin.dataset.name, work.origin.options["split"]
    kept = [row for model in models for row in setting_results(model.title, model.details[HEAD], dataset, split)]
    return work.folder.finish(results, results_table("Accuracy with the last layer learnt again", results), notes, kept)

"""A run that trains last layers again, in its order: decode, train, evaluate, save what was found."""

from collections.abc import Sequence

import numpy as np

from gapscope.cnn.images import Images
from gapscope.cnn.page import page
from gapscope.cnn.record import seen_notes, usable_digests
from gapscope.cnn.refit.data import HeadData, head_data
from gapscope.cnn.refit.heads import HEAD, refitted
from gapscope.cnn.refit.refit_run import RefitRun
from gapscope.cnn.test_set import TestSet, means, outcomes, predicted
from gapscope.core.text import counted
from gapscope.evaluation import measure
from gapscope.evaluation.settings import setting_results
from gapscope.networks.trained import Trained
from gapscope.runs.folder import PREDICTIONS
from gapscope.runs.result import RunResult
from gapscope.runs.run import HELD_OUT
from gapscope.schemas.results import Result


def refit_and_evaluate(run: RefitRun, tests: Sequence[TestSet]) -> RunResult:
    """Train the last layer of each network again, and evaluate it on `tests` and on the training images."""
    with run.folder.timed("decode"):
        data = head_data(run)
    run.progress.say(
        f"{run.model}: training on {counted(len(data.rows.train), 'image')} of {data.images.name} and "
        f"{int(data.wanted.sum()):,} synthetic rows, choosing on {len(data.rows.validation):,} others"
    )
    models = list(refitted(run, data))
    results: list[Result] = []
    copies: list[str] = []
    digests: dict[str, np.ndarray] = {}
    for test in tests:
        with run.folder.timed(f"evaluate {test.name}"):
            images = run.open(test.source, test.name)
            more, said = _on_test_set(run, models, test, images)
            results, copies = [*results, *more], [*copies, *said]
            digests[test.name] = usable_digests(images)
    with run.folder.timed(f"evaluate {data.images.name}"):
        results += _on_training_rows(run, models, data)
    results += means(run.model, len(models), results)
    learnt = data.images.digests[np.concatenate(data.rows[:2])]
    seen = seen_notes(run.folder, run.model, learnt, digests)
    notes = [*data.notes, *(test.note for test in tests if test.note), *copies, *seen]
    dataset, split = run.source_run.dataset.name, run.source_run.options["split"]
    settings = [row for model in models for row in setting_results(model.title, model.details[HEAD], dataset, split)]
    return run.folder.finish(results, notes=notes, kept=settings, page=page)


def _on_test_set(
    run: RefitRun, models: Sequence[Trained], test: TestSet, images: Images
) -> tuple[list[Result], set[str]]:
    """Predictions of all models for a set, written where `train-cnn` writes its own, their metrics, and what is to be
    said of copies.
    """
    results: list[Result] = []
    copies: set[str] = set()
    for model in models:
        place = run.place(model.title) / PREDICTIONS / test.folder
        counts, said = predicted(model, images, test.classes, place, run.progress)
        copies.add(said)
        if counts.n:
            results += measure(counts, test.dataset, test.split, model.title, model.class_names)
    return results, copies - {""}


def _on_training_rows(run: RefitRun, models: Sequence[Trained], data: HeadData) -> list[Result]:
    """Metrics of the networks on their training images, as they are, and on those held out.

    Nothing but the results is written: these predictions must not pass for those of a test set.
    """
    dataset, split = run.source_run.dataset.name, run.source_run.options["split"]
    results: list[Result] = []
    for name, rows in ((split, data.rows.train), (f"{split}{HELD_OUT}", data.rows.validation)):
        for model in models if len(rows) else ():
            counts = outcomes(model, data.images, rows)
            results += measure(counts, dataset, name, model.title, model.class_names)
    return results

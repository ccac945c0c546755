"""A run that trains networks, in its order: decode, train, evaluate, save what was found."""

from collections.abc import Sequence

import numpy as np

from gapscope.cnn.cluster import train_on_workers
from gapscope.cnn.data import division_notes, division_of, training_data
from gapscope.cnn.evaluate import Evaluations, evaluate_test_set, evaluate_trained_on
from gapscope.cnn.networks import trained
from gapscope.cnn.page import page
from gapscope.cnn.record import seen_notes, usable_digests, write_rejected
from gapscope.cnn.test_set import TestSet, means
from gapscope.cnn.training_run import TrainingRun
from gapscope.core.text import counted
from gapscope.runs.result import RunResult


def train_and_evaluate(run: TrainingRun, tests: Sequence[TestSet]) -> RunResult:
    """Train the network of each seed, and evaluate it on `tests` and on the images that it was trained on."""
    train_on_workers(run)
    with run.folder.timed("decode"):
        images = run.training_images()
    rows = division_of(run, images)
    run.progress.say(
        f"training on {counted(len(rows.train), 'image')} of {images.name}, validating on {len(rows.validation):,}"
    )
    data = training_data(run, images, rows)
    models = list(trained(run, data))
    evaluations, digests = Evaluations(), {}
    for test in tests:
        with run.folder.timed(f"evaluate {test.name}"):
            seen = run.open(test.source, test.name)
            evaluate_test_set(run, models, test, seen, evaluations)
            digests[test.name] = usable_digests(seen)
    with run.folder.timed(f"evaluate {images.name}"):
        evaluate_trained_on(run, models, data, evaluations)
    evaluations.reject(images)
    write_rejected(run.folder.place, evaluations.rejected)
    evaluations.write_confusions(run.folder)
    results = [*evaluations.results, *means(models[0].design.name, len(models), evaluations.results)]
    learnt = images.digests[np.concatenate(rows[:2])]
    seen = seen_notes(run.folder, models[0].design.name, learnt, digests)
    notes = [*run.setup.notes, *division_notes(rows, images.name), *evaluations.notes, *seen]
    return run.folder.finish(results, notes=notes, page=page)

"""The shift of the class shares, by what a model predicts for all sets."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gapscope.core.progress import Progress
from gapscope.jobs.shift.config import ShiftConfig
from gapscope.jobs.shift.found import Compared
from gapscope.jobs.shift.sets import Sets
from gapscope.store import EmbeddingStore
from gapscope.store.selected import Selected
from gapscope.stream import Workers

if TYPE_CHECKING:  # these load much of SciPy, and `--help` has to be instant
    from gapscope.predictions.table import Predictions
    from gapscope.probes.model import Classifier


def with_label_shift(
    config: ShiftConfig, sets: Sets, found: Sequence[Compared], workers: Workers, progress: Progress
) -> tuple[list[Compared], list[str]]:
    """The findings with those on the shares of the classes; a sentence where the reference has no labels."""
    from gapscope.shifts.label_shift import label_shift

    reference, *targets = [_answers(sets.model, store, workers, progress) for store in sets.stores]
    if not reference.known.any():
        return list(found), [f"{sets.reference.name} has no labels; the shift of the class shares needs some"]
    done = []
    for one, target in zip(found, targets, strict=True):
        moved = label_shift(reference, target, replicates=config.replicates, seed=config.seed)
        same = list(moved.class_names) == list(sets.reference.class_names)
        columns = moved.columns() if same else {}
        done.append(one._replace(verdicts=[*one.verdicts, *moved.verdicts()], classes={**one.classes, **columns}))
    return done, []


def _answers(
    model: "Classifier", store: EmbeddingStore | Selected, workers: Workers, progress: Progress
) -> "Predictions":
    from gapscope.evaluation.stored import classes_of
    from gapscope.evaluation.top_predictions import top_predictions

    classes, _ = classes_of(model, store)
    return top_predictions(model, model.name, tuple(model.class_names), store.view(), classes, workers, progress)

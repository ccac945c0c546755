"""The shift of the class shares, by what a model predicts for all sets."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.core.progress import Progress
from engine.store import EmbeddingStore
from engine.store.selected import Selected
from engine.stream import Workers
from jobs.shift.config import ShiftConfig
from jobs.shift.found import Compared
from jobs.shift.sets import Sets

if TYPE_CHECKING:  # these load much of SciPy, and `--help` has to be instant
    from engine.predictions.table import Predictions
    from engine.probes.model import Classifier


def with_label_shift(
    config: ShiftConfig, sets: Sets, found: Sequence[Compared], workers: Workers, progress: Progress
) -> tuple[list[Compared], list[str]]:
    """The findings with those on the shares of the classes; a sentence where the reference has no labels."""
    from engine.shifts.label_shift import label_shift

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
    from engine.evaluate.answers import answers
    from jobs.evaluation import classes_of

    classes, _ = classes_of(model, store)
    return answers(model, model.name, tuple(model.class_names), store.view(), classes, workers, progress)

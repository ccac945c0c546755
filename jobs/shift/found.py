"""What the statistics find on a target, before it is written or told."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from gapscope.core.progress import Progress
from gapscope.runs.folder import RunFolder
from gapscope.store import EmbeddingStore
from gapscope.store.selected import Selected

if TYPE_CHECKING:  # these load much of SciPy, and `--help` has to be instant
    from gapscope.inference import Verdict
    from gapscope.shifts.battery import Battery


class Compared(NamedTuple):
    """What was found on one target.

    Attributes
    ----------
    store
        The target.
    verdicts
        In the order of the statistics; those of a class have its name.
    features, classes
        Columns with a row for each.
    """

    store: EmbeddingStore | Selected
    verdicts: "list[Verdict]"
    features: dict[str, np.ndarray]
    classes: dict[str, np.ndarray]


def compared(
    battery: "Battery", index: int, store: EmbeddingStore | Selected, folder: RunFolder, progress: Progress
) -> Compared:
    """All statistics on the target at `index` of the battery, each told as it begins."""
    verdicts, features, classes = [], {}, {}
    dim = battery.look.dim
    with progress.task(f"compare with {store.name}", len(battery.names), "statistics") as task:
        for name in battery.names:
            with folder.timed(f"{name} {store.name}"):
                findings = battery.compare(0, index, [name])[name]
            verdicts += findings.verdicts
            for title, column in {**findings.columns, **findings.class_columns}.items():
                of_classes = title in findings.class_columns or len(column) != dim
                table = classes if of_classes else features
                table[title if title not in table else f"{name}_{title}"] = np.asarray(column)
            task.advance()
    return Compared(store, verdicts, features, classes)


def with_class_names(one: Compared, names: Sequence[str]) -> Compared:
    """The findings with a first column of the reference's class `names`, where there is a row for each."""
    rows = len(next(iter(one.classes.values()), ()))
    if not rows or rows != len(names):
        return one
    return one._replace(classes={"class": np.asarray(names, dtype=object), **one.classes})

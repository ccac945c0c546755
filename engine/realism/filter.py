"""The filter: keeps synthetic rows that are on their class, among the real rows, and no copies.

* *Copies* are those of `gapscope.realism.copies`.
* *Off the manifold*: rows are scaled to length one; a row is outside where its k-th nearest training row is further
  away than that of nearly all (98 %) training rows, each left out of its own neighbours. Length one because noise
  images have short features, which lie near everything otherwise.
* *Off class*: the independent classifier gives the label less than it gives the labels of nearly all (95 %) held-out
  real rows of that class; of all classes where that class has too few rows for a quantile. And never less than chance
  would: the quantile of a class that the classifier knows badly would let everything in.

References
----------
Sun et al. (2022), "Out-of-distribution detection with deep nearest neighbors". Shao et al. (2024), "DiffuLT": filtering
what a diffusion model made for a long-tailed set.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.probes.model import unit_rows
from gapscope.realism.agreement import Agreement, agreement
from gapscope.realism.copies import RATE, SyntheticCopies, find_copies
from gapscope.realism.neighbours import nearest
from gapscope.realism.sets import Sets, some_rows
from gapscope.realism.table import (
    COPY_OF_TEST,
    COPY_OF_TRAINING,
    KEPT,
    OFF_CLASS,
    OFF_MANIFOLD,
    REASONS,
    SYNTHETIC_SCHEMA,
)
from gapscope.store import Changed, View
from gapscope.stream import Workers

Array = np.ndarray
# Real rows that train the classifier, at most.
MOST_ROWS = 50_000


@dataclass(frozen=True)
class FilterOptions:
    """How strict the filter is.

    Attributes
    ----------
    off_class, off_manifold, copies
        Shares of fresh real rows that each criterion may drop, 0 to below 1; about, for they are quantiles of the
        training rows. More are off class where the classifier gives more real rows less than chance.
    keep_copies
        Whether copies are only marked by their rank, and not dropped.
    neighbours
        The k of the distance to the manifold.
    seed
        Of the classifier's folds.
    """

    off_class: float = 0.05
    off_manifold: float = 0.02
    copies: float = RATE
    keep_copies: bool = False
    neighbours: int = 5
    seed: int = 0

    def check(self) -> None:
        """Refuse what has no meaning."""
        for name in ("off_class", "off_manifold", "copies"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} is a share of real rows, 0 to below 1; got {getattr(self, name)}")
        if self.neighbours < 1:
            raise InputError(f"neighbours must be 1 or more; got {self.neighbours}")


class Origin(NamedTuple):
    """Where m synthetic rows come from: the generator, its seed, and each row's number within its class."""

    generator: str
    seed: int
    index: Array


@dataclass(frozen=True, eq=False)
class Filtered:
    """The judgement on m synthetic rows.

    Attributes
    ----------
    table
        `SYNTHETIC_SCHEMA`, one row for each in the order of the view.
    copies
        The copy check.
    agreement
        The independent classifier.
    """

    table: pa.Table
    copies: SyntheticCopies
    agreement: Agreement

    @property
    def kept(self) -> Array:
        """``(m,) bool``."""
        return self.table["kept"].to_numpy()

    def counts(self) -> dict[str, int]:
        """How many rows were kept, and how many were dropped for each reason."""
        reasons = self.table["reason"].to_pylist()
        return {"kept": int(self.kept.sum())} | {reason: reasons.count(reason) for reason in REASONS}


def filter_rows(
    sets: Sets,
    origin: Origin,
    workers: Workers,
    options: FilterOptions | None = None,
    *,
    progress: Progress = SILENT,
) -> Filtered:
    """Check every synthetic row.

    Raises
    ------
    InputError
        The sets do not belong together, rows have no label, or there are too few real rows for a classifier.
    """
    options = options or FilterOptions()
    options.check()
    copies = find_copies(sets, workers, rate=options.copies, progress=progress)
    outside, reach = _manifold(sets, options, workers, progress)
    real = some_rows(sets.train, MOST_ROWS, options.seed, "training")
    agreed = agreement(real, sets.synthetic, workers, seed=options.seed, progress=progress)
    needed = class_thresholds(agreed, len(sets.class_names), options.off_class)[agreed.synthetic_y]
    reasons = _reasons(copies, outside > reach, agreed.synthetic < needed, options)
    scores = {
        "label_probability": agreed.synthetic,
        "label_threshold": needed,
        "manifold_distance": outside,
        "manifold_threshold": np.full(len(outside), reach),
        "kept": reasons == KEPT,
        "reason": reasons,
    }
    return Filtered(_table(sets.synthetic, origin, copies, scores), copies, agreed)


def _reasons(copies: SyntheticCopies, outside: Array, off_class: Array, options: FilterOptions) -> Array:
    dropped = not options.keep_copies
    return np.select(
        [copies.of_train & dropped, copies.of_test, outside, off_class],
        [COPY_OF_TRAINING, COPY_OF_TEST, OFF_MANIFOLD, OFF_CLASS],
        default=KEPT,
    )


def _manifold(sets: Sets, options: FilterOptions, workers: Workers, progress: Progress) -> tuple[Array, float]:
    """Each synthetic row's distance to its k-th nearest training row, all of length one, and how far is too far."""
    k = min(options.neighbours, sets.train.rows - 1)
    train, synthetic = _unit(sets.train), _unit(sets.synthetic)
    own = nearest(train, train, k, workers, leave_out_itself=True, progress=progress).distance[:, -1]
    away = nearest(synthetic, train, k, workers, progress=progress).distance[:, -1]
    return away, float(np.quantile(own, 1 - options.off_manifold, method="higher"))


def _unit(view: View) -> View:
    return Changed(view.store, unit_rows).view(view.start, view.stop)


def class_thresholds(agreed: Agreement, classes: int, share: float) -> Array:
    """Probability of its label that a row of each class needs, ``(classes,)``.

    The quantile of the class's own held-out rows; of all where the class has fewer than ``1 / share`` of them; and in
    any case that of chance, ``1 / classes``.
    """
    if not share:
        return np.zeros(classes)
    everywhere = float(np.quantile(agreed.real, share, method="lower"))
    thresholds = np.full(classes, everywhere)
    for label in range(classes):
        mine = agreed.real[agreed.real_y == label]
        if len(mine) >= 1 / share:
            thresholds[label] = np.quantile(mine, share, method="lower")
    return np.maximum(thresholds, 1 / classes)


def _table(synthetic: View, origin: Origin, copies: SyntheticCopies, scores: dict[str, Array]) -> pa.Table:
    m, test = synthetic.rows, copies.test
    if len(origin.index) != m:
        raise InputError(f"there are {m:,} synthetic rows and {len(origin.index):,} numbers for them")
    columns = {
        "sample_id": np.concatenate([np.zeros(0, np.int64), *(chunk.sample_id for chunk in synthetic.chunks())]),
        "class": copies.y,
        "generator": pa.repeat(pa.scalar(origin.generator), m),
        "seed": np.full(m, origin.seed),
        "index": origin.index,
        "nearest_training": copies.train.sample_id,
        "training_distance": copies.train.overall,
        "nearest_test": pa.nulls(m) if test is None else test.sample_id,
        "test_distance": pa.nulls(m) if test is None else test.overall,
        "copy_rank": copies.suspicion,
        **scores,
    }
    arrays = [_as(columns[field.name], field.type) for field in SYNTHETIC_SCHEMA]
    return pa.table(arrays, schema=SYNTHETIC_SCHEMA)


def _as(column: Array | pa.Array, kind: pa.DataType) -> pa.Array:
    return (column if isinstance(column, pa.Array) else pa.array(column)).cast(kind)

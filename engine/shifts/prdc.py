"""How much of each set lies among the neighbours of the other: precision, recall, density and coverage.

Each row has a ball that reaches to its k-th nearest row of its own set, itself left out; it holds what is nearer than
that, and what is equal to the row. A ball without extent, of a row with more than k equals in its own set, weighs k
over their number, so that each row is held by k balls of its own set on average. Precision is the share of
target rows in any ball of the reference, density how many balls hold a target row, over k; recall is the share of
reference rows in any ball of the target, coverage the share of reference rows whose own ball holds a target row.

References
----------
Kynkäänniemi et al. (2019), "Improved precision and recall metric". Naeem et al. (2020), "Reliable fidelity and
diversity metrics for generative models".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import numpy as np

from gapscope.blocks.formats import percent
from gapscope.core.chunk import Chunk
from gapscope.inference import Verdict, interval_of, resampled_sums
from gapscope.shifts.battery import Findings, Pair, ReferenceSample
from gapscope.store import View
from gapscope.stream import each

Array = np.ndarray
CHUNK_ROWS = 1024
# Rows that are nearer than this share of their squared lengths are the same row; a distance must be shorter than
# another by this share to be shorter.
ROUNDING = 1e-10

MEANINGS = {
    "precision": "of the target's rows lie where the reference has rows",
    "recall": "of the reference's rows lie where the target has rows",
    "coverage": "of the reference's neighbourhoods hold a row of the target",
}


@dataclass(frozen=True)
class Neighbourhoods:
    """The member of `SHIFTS`: exact, by blocks of rows, ``2 d (n² + n m + m²)`` float64 flops.

    Memory: a block of rows of each set, and a few numbers for each row.
    """

    needs_rows: ClassVar[bool] = True

    def state_bytes(self, dim: int) -> int:
        """See `Statistic`."""
        return 0

    def keeps(self, sample: ReferenceSample) -> None:
        """None: the sets are read again."""

    def compares(self, pair: Pair) -> Findings:
        """One distance of precision and recall, and four verdicts with intervals from a bootstrap over the rows, the
        balls as they are; and their class tables.
        """
        k = pair.options.neighbours
        views = [_first(side.view, pair.options.neighbour_rows) for side in (pair.reference, pair.target)]
        if min(view.rows for view in views) <= k:
            counts = " and ".join(f"{view.rows:,}" for view in views)
            sentence = f"Balls that reach to neighbour {k} need more than {k} rows in each set, there are {counts}."
            return Findings([Verdict(name, float("nan"), sentence) for name in ("prdc", "density", *MEANINGS)])
        result = neighbourhoods(views[0], views[1], k, pair)
        verdicts = [_verdict(name, result, pair) for name in result.sides]
        return Findings([_distance(verdicts, pair), *verdicts], class_columns=_by_class(result, pair.sample.classes))


PRDC = Neighbourhoods()


class Neighbourhoods(NamedTuple):
    """What the balls hold, row by row.

    Attributes
    ----------
    reference_id, reference_y, target_id, target_y
        Sample ids and class indices.
    recalled, covered : (n,) bool
        Of each reference row: whether a target's ball holds it; whether its own ball holds a target row.
    held : (m,) float64
        Of each target row: how many balls of the reference hold it.
    k
        Neighbour to which the balls reach.
    """

    reference_id: Array
    reference_y: Array
    target_id: Array
    target_y: Array
    recalled: Array
    covered: Array
    held: Array
    k: int

    @property
    def sides(self) -> dict[str, tuple[Array, Array, Array]]:
        """For each statistic: sample ids, classes and the values whose mean it is."""
        reference, target = (self.reference_id, self.reference_y), (self.target_id, self.target_y)
        return {
            "precision": (*target, (self.held > 0).astype(np.float64)),
            "density": (*target, self.held / self.k),
            "recall": (*reference, self.recalled.astype(np.float64)),
            "coverage": (*reference, self.covered.astype(np.float64)),
        }


def expected_coverage(n: int, m: int, k: int) -> float:
    """Coverage to expect of `n` reference and `m` target rows of one population.

    The nearest k rows of the other ``n + m - 1`` around a reference row are all of the reference with probability
    ``prod_{i=1..k} (n - i) / (m + n - i)``.
    """
    i = np.arange(1, k + 1)
    return float(1 - np.prod((n - i) / (m + n - i)))


def neighbourhoods(reference: View, target: View, k: int, pair: Pair) -> Neighbourhoods:
    """What the balls of two sets hold, each of more than `k` rows."""
    centre = pair.reference.moments.mean
    run = partial(each, workers=pair.workers, chunk_rows=CHUNK_ROWS, progress=pair.progress)
    balls = []
    for view in (reference, target):
        work = partial(_balls, rows=view, k=k, centre=centre)
        balls.append(Balls(*map(np.concatenate, zip(*run(view, work, description="neighbour radii"), strict=True))))
    work = partial(_across, rows=target, centre=centre, balls=balls[0], other_balls=balls[1])
    parts = run(reference, work, description="neighbours across")
    chunks = [_names(view) for view in (reference, target)]
    recalled, covered = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    return Neighbourhoods(*chunks[0], *chunks[1], recalled, covered, np.sum([part[2] for part in parts], axis=0), k)


def _first(view: View, rows: int) -> View:
    return View(view.store, view.start, min(view.stop, view.start + rows))


def _names(view: View) -> tuple[Array, Array]:
    parts = [(chunk.sample_id, chunk.y) for chunk in view.chunks(CHUNK_ROWS)]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def squared_distances(x: Array, y: Array) -> Array:
    """Squared distances ``(n, m)`` between rows of ``x : (n, d)`` and ``y : (m, d)``, both float64; 0 for equal rows.

    From products, not differences: exact up to ``1e-15`` of the squared lengths, so rows should be centred.
    """
    lengths = np.einsum("nd,nd->n", x, x)[:, None] + np.einsum("nd,nd->n", y, y)
    apart = lengths - 2 * (x @ y.T)
    apart[apart < ROUNDING * lengths] = 0.0
    return apart


def _blocks(rows: View, centre: Array) -> Iterator[tuple[int, Array]]:
    for index, chunk in enumerate(rows.chunks(CHUNK_ROWS)):
        yield index * CHUNK_ROWS, chunk.x - centre


class Balls(NamedTuple):
    """Squared radii ``(n,)`` around the rows of a set, and what each ball weighs when balls are counted, ``(n,)``."""

    radii: Array
    weights: Array


def _balls(index: int, chunk: Chunk, rows: View, k: int, centre: Array) -> Balls:
    """Around each row of the chunk, to its k-th nearest other row of its own set."""
    x, own = chunk.x - centre, index * CHUNK_ROWS
    best, equals = np.full((len(x), k), np.inf), np.zeros(len(x), np.int64)
    for first, y in _blocks(rows, centre):
        apart = squared_distances(x, y)
        if first == own:
            np.fill_diagonal(apart, np.inf)
        equals += np.count_nonzero(apart == 0, axis=1)
        best = np.partition(np.concatenate([best, apart], axis=1), k - 1, axis=1)[:, :k]
    radii = best.max(axis=1)
    return Balls(radii, np.where(radii > 0, 1.0, k / np.maximum(equals, 1)))


def _across(
    index: int, chunk: Chunk, rows: View, centre: Array, balls: Balls, other_balls: Balls
) -> tuple[Array, Array, Array]:
    """Of a chunk of the reference: which rows are recalled, which are covered, and how many of its balls hold each
    target row.
    """
    x = chunk.x - centre
    own = slice(index * CHUNK_ROWS, index * CHUNK_ROWS + len(x))
    reach, weights, other_reach = _shorter(balls.radii[own]), balls.weights[own], _shorter(other_balls.radii)
    recalled, covered = np.zeros(len(x), bool), np.zeros(len(x), bool)
    held = np.zeros(len(other_reach))
    for first, y in _blocks(rows, centre):
        apart = squared_distances(x, y)
        same = apart == 0
        inside = (apart < reach[:, None]) | same
        block = slice(first, first + len(y))
        recalled |= ((apart < other_reach[block]) | same).any(axis=1)
        covered |= inside.any(axis=1)
        held[block] = weights @ inside
    return recalled, covered, held


def _shorter(radii: Array) -> Array:
    return radii * (1 - ROUNDING)


def _verdict(name: str, result: Neighbourhoods, pair: Pair) -> Verdict:
    ids, _, values = result.sides[name]
    n, m, value = len(result.reference_id), len(result.target_id), float(values.mean())
    null = {"density": 1.0, "coverage": expected_coverage(n, m, result.k)}.get(name)
    columns = np.column_stack([values, np.ones(len(values))])
    sums = resampled_sums(ids, columns, pair.options.seed, pair.options.replicates)
    low, high = interval_of(sums[:, 0] / np.maximum(sums[:, 1], 1))
    effect = None if null is None else value - null
    sentence = _sentence(name, value, null) + _taken((n, m), (pair.reference.n, pair.target.n))
    return Verdict(name, value, sentence, low, high, effect=effect, null=null, n=len(ids))


def _distance(verdicts: list[Verdict], pair: Pair) -> Verdict:
    """One less the harmonic mean of precision and recall, which change places with the sets: 0 for equal sets."""
    by_name = {verdict.statistic: verdict for verdict in verdicts}
    precision, recall = by_name["precision"].value, by_name["recall"].value
    n, m = by_name["recall"].n, by_name["precision"].n
    value = 1 - 2 * precision * recall / (precision + recall) if precision + recall else 1.0
    apart = percent(1 - value)
    sentence = f"{apart} of the two sets, by the harmonic mean of precision and recall, lie among each other"
    sentence += _taken((n, m), (pair.reference.n, pair.target.n))
    return Verdict("prdc", value, sentence, effect=value, n=n + m)


def _sentence(name: str, value: float, null: float | None) -> str:
    chance = "" if null is None else f", where two samples of one population give {null:.3g}"
    if name == "density":
        return f"The target's rows lie in {value:.3g} times as many balls of the reference as fit evenly{chance}"
    return f"{percent(value)} {MEANINGS[name]}{chance}"


def _taken(rows: tuple[int, int], there: tuple[int, int]) -> str:
    if rows == there:
        return "."
    return f"; from the first {rows[0]:,} and {rows[1]:,} rows of {there[0]:,} and {there[1]:,}."


def _by_class(result: Neighbourhoods, classes: int) -> dict[str, Array]:
    """The mean of each statistic over the rows of each class, ``(classes,)``; NaN for a class without rows."""
    table = {}
    for name, (_, y, values) in result.sides.items():
        known = y >= 0
        count = np.bincount(y[known], minlength=classes)
        total = np.bincount(y[known], values[known], minlength=classes)
        table[name] = np.divide(total, count, out=np.full(classes, np.nan), where=count > 0)
    return table

"""Precision, recall, density and coverage of a synthetic set, with balls that suit the number of rows.

The balls reach to neighbour k. Coverage can only tell generators apart where a perfect one would get nearly 1; so k is
the least number for which two samples of one population, of these sizes, have an expected coverage of 95 %. That is 5
where both sets are equally large, and more where there are few synthetic rows.

References
----------
Naeem et al. (2020), "Reliable fidelity and diversity metrics for generative models": the choice of k by the expected
coverage.
"""

from dataclasses import replace

from gapscope.core.chunk import Chunk
from gapscope.core.progress import SILENT, Progress
from gapscope.inference import Verdict
from gapscope.shifts.battery import Pair, ReferenceSample, ShiftOptions, Side
from gapscope.shifts.prdc import PRDC, expected_coverage
from gapscope.store import ArrayStore
from gapscope.stream import Workers
from gapscope.summaries import ClassMoments, Moments

STATISTICS = ("precision", "recall", "density", "coverage")
EXPECTED = 0.95
WORDS = {
    "the target's": "the synthetic",
    "The target's": "The synthetic",
    "the reference's": "the real",
    "of the target": "of the synthetic set",
    "the target has": "there are synthetic",
    "the reference has": "there are real",
    "of the reference": "of the real set",
}


def fitted_neighbours(n: int, m: int, expected: float = EXPECTED) -> int:
    """The least k for which n real and m synthetic rows of one population have this expected coverage.

    At most one less than the rows of the smaller set, and 1 or more.

    >>> fitted_neighbours(1000, 1000), fitted_neighbours(20, 20), fitted_neighbours(20, 10)
    (5, 4, 7)
    """
    most = max(min(n, m) - 1, 1)
    return next((k for k in range(1, most) if expected_coverage(n, m, k) >= expected), most)


def prdc(
    real: Chunk, synthetic: Chunk, workers: Workers, *, seed: int = 0, progress: Progress = SILENT
) -> list[Verdict]:
    """The four verdicts, each with its 95 % interval from a bootstrap; NaN where a set has one row or none."""
    k = fitted_neighbours(len(real.y), len(synthetic.y))
    options = ShiftOptions(seed=seed, neighbours=k)
    sample = ReferenceSample((real.x, synthetic.x), seed, 1)
    pair = Pair(_side(real, "real"), _side(synthetic, "synthetic"), sample, options, workers, progress)
    verdicts = {verdict.statistic: verdict for verdict in PRDC.compares(pair).verdicts}
    return [_worded(verdicts[name]) for name in STATISTICS]


def _worded(verdict: Verdict) -> Verdict:
    """The verdict in terms of real and synthetic rows."""
    sentence = verdict.sentence
    for word, instead in WORDS.items():
        sentence = sentence.replace(word, instead)
    return replace(verdict, sentence=sentence)


def _side(chunk: Chunk, name: str) -> Side:
    y = 0 * chunk.y
    store = ArrayStore(chunk.x, y, [name], name, chunk.sample_id)
    return Side(store.view(), Moments.of(chunk.x), ClassMoments.of(chunk.x, y, 1))

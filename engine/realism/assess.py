"""All that is said about a synthetic set, overall and class by class, as verdicts with intervals."""

from dataclasses import replace

from gapscope.core.chunk import Chunk
from gapscope.core.progress import SILENT, Progress
from gapscope.inference import Verdict
from gapscope.realism.agreement import Agreement
from gapscope.realism.copies import SyntheticCopies
from gapscope.realism.frechet import frechet_verdict
from gapscope.realism.kid import kid
from gapscope.realism.prdc import prdc
from gapscope.realism.sets import Sets, of_class, some_rows
from gapscope.stream import Workers

# Rows of each set that the distances of distributions are taken from, at most; copies and classes look at all rows.
MOST_ROWS = 10_000


def assess(
    sets: Sets,
    copies: SyntheticCopies,
    agreed: Agreement,
    workers: Workers,
    *,
    seed: int = 0,
    progress: Progress = SILENT,
) -> list[Verdict]:
    """KID, Fréchet distance, precision, recall, density, coverage, class agreement and copies, of the synthetic rows as
    they were made, before the filter: first overall, then of every class that has synthetic rows.

    `copies` and `agreed` are those of `filter_rows`. Where real and synthetic rows have other shares of classes, as
    they do when synthetic rows fill up small classes, distances over all rows measure that too; those of classes do
    not.
    """
    real = some_rows(sets.train, MOST_ROWS, seed, "training")
    synthetic = some_rows(sets.synthetic, MOST_ROWS, seed, "synthetic")
    verdicts = [*distribution(real, synthetic, workers, seed, progress), agreed.verdict(), *copies.verdicts()]
    for label, name in enumerate(sets.class_names):
        mine = of_class(synthetic, label)
        if len(mine.y):
            apart = distribution(of_class(real, label), mine, workers, seed, SILENT)
            verdicts += [replace(verdict, class_name=name) for verdict in apart]
            verdicts += [agreed.verdict(label, name), *copies.verdicts(label, name)]
    return verdicts


def distribution(
    real: Chunk, synthetic: Chunk, workers: Workers, seed: int = 0, progress: Progress = SILENT
) -> list[Verdict]:
    """KID, Fréchet distance, precision, recall, density and coverage of some rows, whatever their classes."""
    return [
        kid(real.x, synthetic.x, seed=seed),
        frechet_verdict(real.x, synthetic.x, seed=seed),
        *prdc(real, synthetic, workers, seed=seed, progress=progress),
    ]

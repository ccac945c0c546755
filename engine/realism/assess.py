"""All that is said about a synthetic set, overall and class by class, as verdicts with intervals."""

from dataclasses import replace

from engine.core.chunk import Chunk
from engine.core.progress import SILENT, Progress
from engine.inference import Verdict
from engine.realism.agreement import Agreement
from engine.realism.copies import Copies
from engine.realism.frechet import frechet_verdict
from engine.realism.kid import kid
from engine.realism.prdc import prdc
from engine.realism.sets import Sets, of_class, some_rows
from engine.stream import Workers

# Rows of each set that the distances of distributions are taken from, at most; copies and classes look at all rows.
MOST_ROWS = 10_000


def assess(
    sets: Sets,
    copies: Copies,
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
    found = [*distribution(real, synthetic, workers, seed, progress), agreed.verdict(), *copies.verdicts()]
    for label, name in enumerate(sets.class_names):
        mine = of_class(synthetic, label)
        if len(mine.y):
            apart = distribution(of_class(real, label), mine, workers, seed, SILENT)
            found += [replace(verdict, class_name=name) for verdict in apart]
            found += [agreed.verdict(label, name), *copies.verdicts(label, name)]
    return found


def distribution(
    real: Chunk, synthetic: Chunk, workers: Workers, seed: int = 0, progress: Progress = SILENT
) -> list[Verdict]:
    """KID, Fréchet distance, precision, recall, density and coverage of some rows, whatever their classes."""
    return [
        kid(real.x, synthetic.x, seed=seed),
        frechet_verdict(real.x, synthetic.x, seed=seed),
        *prdc(real, synthetic, workers, seed=seed, progress=progress),
    ]

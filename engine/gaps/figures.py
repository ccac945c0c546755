"""The pictures of a gap: the breakdown step by step, and the classes that lost most."""

import numpy as np

from gapscope.blocks.formats import points
from gapscope.core.location import Location
from gapscope.gaps.analysis import GapAnalysis
from gapscope.gaps.breakdown import GapBreakdown, inputs_of
from gapscope.gaps.sentences import INPUTS
from gapscope.gaps.words import cause
from gapscope.runs.run import FIGURES

CLASSES = 20


def draw(analysis: GapAnalysis, verdict: str, place: Location) -> None:
    """Write ``figures/ledger.png``, whose title begins with the `verdict`, and ``figures/classes.png`` into the run
    folder at `place`; nothing where both sets are the same.
    """
    if analysis.breakdown.same:
        return
    from gapscope.draw.canvas import png  # here, because Matplotlib takes longer to load than `--help` may last

    for name, figure in (("ledger", _breakdown(analysis, verdict)), ("classes", _classes(analysis))):
        (place / FIGURES / f"{name}.png").write_atomically(lambda file, figure=figure: file.write(png(figure)))


def _breakdown(analysis: GapAnalysis, verdict: str):
    from gapscope.draw.waterfall import waterfall

    breakdown = analysis.breakdown
    reference, target = (side.name for side in analysis.sides)
    inputs = inputs_of(breakdown)
    terms = [term for term in breakdown.terms if not (term.name in INPUTS and np.isnan(term.low))]
    bounds = np.array([(term.low, term.high) for term in terms]).T
    return waterfall(
        (reference, breakdown.accuracy[0]),
        [cause(term.name, inputs) for term in terms],
        np.array([term.value for term in terms]),
        target,
        title=f"{verdict}{_lead(breakdown, inputs)}",
        told=False,
        unit=f"accuracy of {analysis.sides[0].model}, %; numbers are points lost, lines their 95 % intervals",
        intervals=(bounds[0], bounds[1]),
    )


def _lead(breakdown: GapBreakdown, inputs: str) -> str:
    """The cause that the answer names too; nothing where none is beyond chance."""
    found = breakdown.lead
    return f"; {cause(found.name, inputs)}: {points(found.value)}" if found else ""


def _classes(analysis: GapAnalysis):
    from gapscope.draw.dots import dots

    drops = analysis.breakdown.drops
    worst = np.argsort(-np.nan_to_num(drops.shrunk, nan=-np.inf), kind="stable")[:CLASSES]
    worst = worst[np.isfinite(drops.shrunk[worst])]
    shown = {
        "shrunk towards the mean drop": tuple(100 * column[worst] for column in (drops.shrunk, drops.low, drops.high)),
        "as observed": (100 * drops.raw[worst], None, None),
    }
    return dots(
        [f"{analysis.class_names[index]}{' *' if drops.flagged[index] else ''}" for index in worst],
        shown,
        title=f"Drops by class, the worst of {np.isfinite(drops.shrunk).sum():,} first",
        unit="accuracy lost, points, with 95 % intervals; the line is the mean of the drops, in which the better known "
        "ones count more; * differs from the common drop beyond chance",
        zero=100 * drops.mean,
    )

"""The pictures of a gap: the ledger step by step, and the classes that lost most."""

import numpy as np
from gapscope.core.location import Location
from gapscope.jobs.gap.found import Found

FIGURES = "figures"
CLASSES = 20


def draw(found: Found, place: Location) -> None:
    """Write ``figures/ledger.png`` and ``figures/classes.png`` into the run folder at `place`; nothing where both sets
    are the same.
    """
    if found.ledger.same:
        return
    from gapscope.draw.canvas import png  # here, because `--help` passes this module

    for name, figure in (("ledger", _ledger(found)), ("classes", _classes(found))):
        (place / FIGURES / f"{name}.png").write_atomically(lambda file, figure=figure: file.write(png(figure)))


def _ledger(found: Found):
    from gapscope.draw.waterfall import waterfall

    account = found.ledger
    reference, target = (side.name for side in found.sides)
    bounds = np.array([(term.low, term.high) for term in account.terms]).T
    return waterfall(
        (reference, account.accuracy[0]),
        [term.name.replace("_", " ") for term in account.terms],
        np.array([term.value for term in account.terms]),
        target,
        title=f"Where {found.sides[0].model} lost accuracy, in points with 95 % intervals",
        intervals=(bounds[0], bounds[1]),
    )


def _classes(found: Found):
    from gapscope.draw.dots import dots

    drops = found.ledger.drops
    worst = np.argsort(-np.nan_to_num(drops.shrunk, nan=-np.inf), kind="stable")[:CLASSES]
    worst = worst[np.isfinite(drops.shrunk[worst])]
    shown = {
        "shrunk towards the mean drop": tuple(100 * column[worst] for column in (drops.shrunk, drops.low, drops.high)),
        "as observed": (100 * drops.raw[worst], None, None),
    }
    return dots(
        [f"{found.names[index]}{' *' if drops.flagged[index] else ''}" for index in worst],
        shown,
        title=f"The classes that lost most, of {np.isfinite(drops.shrunk).sum():,}",
        unit="accuracy lost, points, with 95 % intervals; the line is the mean drop; * differs from it beyond luck",
        zero=100 * drops.mean,
    )

"""How far apart two sets of embeddings are: a family of statistics that share one read of each set."""

from gapscope.core.registry import Registry

SHIFTS = Registry(
    "shift statistic",
    {
        "moments": "gapscope.shifts.moments:MOMENTS",
        "marginal": "gapscope.shifts.marginal:MARGINAL",
        "sliced": "gapscope.shifts.sliced:SLICED",
        "mmd": "gapscope.shifts.mmd:MMD",
        "frechet": "gapscope.shifts.frechet:FRECHET",
        "prdc": "gapscope.shifts.prdc:PRDC",
        "classifier": "gapscope.shifts.classifier:CLASSIFIER",
    },
)

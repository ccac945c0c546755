"""How far apart two sets of embeddings are: a family of statistics that share one read of each set."""

from engine.core.registry import Registry

SHIFTS = Registry(
    "shift statistic",
    {
        "moments": "engine.shifts.moments:MOMENTS",
        "marginal": "engine.shifts.marginal:MARGINAL",
        "sliced": "engine.shifts.sliced:SLICED",
        "mmd": "engine.shifts.mmd:MMD",
        "frechet": "engine.shifts.frechet:FRECHET",
        "prdc": "engine.shifts.prdc:PRDC",
        "classifier": "engine.shifts.classifier:CLASSIFIER",
    },
)

"""What a trained classifier computes, as arrays and settings: scores from features, whatever trained it."""

from engine.core.registry import Registry

RULES = Registry(
    "kind of model",
    {
        "linear": "engine.probes.rules.linear:Linear",
        "neighbours": "engine.probes.rules.neighbours:Neighbours",
        "trees": "engine.probes.rules.trees:Trees",
        "boosted": "engine.probes.rules.boosted:Boosted",
        "gaussian": "engine.probes.rules.gaussian:Gaussian",
        "network": "engine.probes.rules.network:Network",
    },
)

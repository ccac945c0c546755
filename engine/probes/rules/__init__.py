"""What a trained classifier computes, as arrays and settings: scores from features, whatever trained it."""

from gapscope.core.registry import Registry

RULES = Registry(
    "kind of model",
    {
        "linear": "gapscope.probes.rules.linear:Linear",
        "neighbours": "gapscope.probes.rules.neighbours:Neighbours",
        "trees": "gapscope.probes.rules.trees:Trees",
        "boosted": "gapscope.probes.rules.boosted:Boosted",
        "gaussian": "gapscope.probes.rules.gaussian:Gaussian",
        "network": "gapscope.probes.rules.network:Network",
    },
)

"""Changes to features or scores that undo one part of a shift, fitted without target labels."""

from engine.core.registry import Registry

REMEDIES = Registry(
    "remedy",
    {
        "prior": "engine.remedies.prior:PRIOR",
        "mean": "engine.remedies.mean:MEAN",
        "scale": "engine.remedies.scale:SCALE",
        "coral": "engine.remedies.coral:CORAL",
        "quantiles": "engine.remedies.quantiles:QUANTILES",
    },
)

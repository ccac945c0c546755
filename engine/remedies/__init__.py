"""Changes to features or scores that undo one part of a shift, fitted without target labels."""

from gapscope.core.registry import Registry

REMEDIES = Registry(
    "remedy",
    {
        "prior": "gapscope.remedies.prior:PRIOR",
        "mean": "gapscope.remedies.mean:MEAN",
        "scale": "gapscope.remedies.scale:SCALE",
        "coral": "gapscope.remedies.coral:CORAL",
        "quantiles": "gapscope.remedies.quantiles:QUANTILES",
    },
)

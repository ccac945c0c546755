"""How accurate a model is on a set whose labels nobody has: a family of estimates from one read of each set."""

from gapscope.core.registry import Registry

FORECASTS = Registry(
    "forecast",
    {
        "average-confidence": "gapscope.forecasts.confidence:AVERAGE_CONFIDENCE",
        "doc": "gapscope.forecasts.confidence:DIFFERENCE_OF_CONFIDENCES",
        "atc-mc": "gapscope.forecasts.threshold:BY_CONFIDENCE",
        "atc-ne": "gapscope.forecasts.threshold:BY_ENTROPY",
        "cot": "gapscope.forecasts.transport:TRANSPORT",
        "nuclear-norm": "gapscope.forecasts.nuclear:NUCLEAR_NORM",
        "gde": "gapscope.forecasts.disagreement:DISAGREEMENT",
        "aline-s": "gapscope.forecasts.aline:ALINE_S",
        "aline-d": "gapscope.forecasts.aline:ALINE_D",
    },
)

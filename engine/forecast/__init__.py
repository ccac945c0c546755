"""How accurate a model is on a set whose labels nobody has: a family of estimates from one read of each set."""

from engine.core.registry import Registry

FORECASTS = Registry(
    "forecast",
    {
        "average-confidence": "engine.forecast.confidence:AVERAGE_CONFIDENCE",
        "doc": "engine.forecast.difference:DIFFERENCE_OF_CONFIDENCES",
        "atc-mc": "engine.forecast.threshold:BY_CONFIDENCE",
        "atc-ne": "engine.forecast.threshold:BY_ENTROPY",
        "cot": "engine.forecast.transport:TRANSPORT",
        "nuclear-norm": "engine.forecast.nuclear:NUCLEAR_NORM",
        "gde": "engine.forecast.disagreement:DISAGREEMENT",
        "aline-s": "engine.forecast.aline:ALINE_S",
        "aline-d": "engine.forecast.aline:ALINE_D",
    },
)

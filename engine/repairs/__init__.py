"""What wins lost accuracy back, as a model that one can take home: repaired heads, their price, and which to choose."""

from gapscope.core.registry import Registry

REPAIRS = Registry(
    "repair",
    {
        "nothing": "gapscope.repairs.alignment:nothing",
        "mean": "gapscope.repairs.alignment:mean",
        "scale": "gapscope.repairs.alignment:scale",
        "coral": "gapscope.repairs.alignment:coral",
        "directions": "gapscope.repairs.alignment:directions",
        "classes": "gapscope.repairs.by_class:classes",
        "t3a": "gapscope.repairs.by_class:t3a",
        "mixture": "gapscope.repairs.mixture:mixture",
        "mixture-and-shares": "gapscope.repairs.mixture:mixture_and_shares",
        "shares": "gapscope.repairs.shares:shares",
        "quantiles": "gapscope.repairs.alignment:quantiles",
    },
)
WITH_LABELS = Registry(
    "repair with labels",
    {
        "logistic": "gapscope.repairs.labelled:anchored_logistic",
        "ridge": "gapscope.repairs.labelled:anchored_ridge",
        "interpolation": "gapscope.repairs.labelled:interpolated",
        "balanced-groups": "gapscope.repairs.groups:balanced_groups",
    },
)

"""The units in which a closed form sees the features."""

import numpy as np

from gapscope.core.errors import InputError
from gapscope.probes.metric import scales
from gapscope.summaries import LabelledMoments

RAW, STANDARDISED = "raw", "standardised"


def scale_of(view: str, moments: LabelledMoments) -> np.ndarray | None:
    """What the features are divided by, ``(d,)``: their standard deviations for `STANDARDISED`, else nothing."""
    return scales(moments.total) if view == STANDARDISED else None


def seen_as(probe: str, view: str, usual: str) -> str:
    """`RAW` or `STANDARDISED` for the view that was asked for, `usual` for none.

    Raises
    ------
    InputError
        Whitened features leave a ridge nothing to tell apart.
    """
    if view == "whitened":
        raise InputError(
            f"{probe} has no use for view whitened, where a penalty shrinks all directions alike; "
            f"choose {RAW}, {STANDARDISED} or normalised"
        )
    return usual if not view else STANDARDISED if view == STANDARDISED else RAW

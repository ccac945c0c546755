"""What class shares and sampling error can explain of a drop."""

from typing import Any

import numpy as np
from scipy.special import ndtri

from gapscope.gaps.mix import kitagawa
from gapscope.studies.replication.predictions import SetPredictions


def noise_section(reference: SetPredictions, target: SetPredictions) -> dict[str, Any]:
    """For each model: the drop, its part by class mix, and the drop that chance alone exceeds once in twenty times."""
    before, after = reference.accuracy, target.accuracy
    error = np.sqrt(before * (1 - before) / reference.n + after * (1 - after) / target.n)
    split = [kitagawa(reference.of_model(model), target.of_model(model)) for model in reference.models]
    pooled = (before * reference.n + after * target.n) / (reference.n + target.n)
    chance = ndtri(0.975) * np.sqrt(pooled * (1 - pooled) * (1 / reference.n + 1 / target.n))
    counts = [one.by_class(np.ones(one.n)) for one in (reference, target)]
    return {
        "drop": before - after,
        "error": error,
        "low": before - after - ndtri(0.975) * error,
        "high": before - after + ndtri(0.975) * error,
        "by_mix": np.array([one.mix.sum() for one in split]),
        "by_luck": chance,
        "images_per_class": [[int(count.min()), int(count.max())] for count in counts],
        "balanced": bool(all(np.ptp(count) == 0 for count in counts)),
    }

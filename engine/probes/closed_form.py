"""The closed form that descents start from: shrunk discriminants whose scores fit as logits."""

import numpy as np

from gapscope.probes.discriminant import Discriminant, tempered_path
from gapscope.probes.metric import scales
from gapscope.probes.training import Holdout
from gapscope.summaries import LabelledMoments

# The first serves when there are no held-out rows to choose by.
RIDGES = (0.1, 1e-4, 1e-3, 0.01, 0.03, 0.3, 1.0, 10.0)


def closed_form(moments: LabelledMoments, held: Holdout) -> tuple[np.ndarray, np.ndarray, list[dict]]:
    """``weight (d, p)``, ``bias (p,)`` and the table they were chosen from: shrunk discriminants, tempered.

    The shrinkage is a ridge on standardised features. There is always one: a descent goes on from here.
    """
    discriminant = Discriminant.of(moments, scales(moments.total))
    table = list(tempered_path(discriminant, RIDGES, np.add, held))
    ridge, temperature, _ = min(table, key=lambda row: row[2]["log_loss"])
    weight, bias = discriminant.solve(discriminant.eigenvalues + ridge)
    rows = [{"ridge": r, "temperature": t, **result} for r, t, result in table]
    return temperature * weight, temperature * bias, rows

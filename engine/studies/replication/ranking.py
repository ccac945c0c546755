"""Whether the order of models survives a new set."""

from itertools import combinations, pairwise
from typing import Any

import numpy as np

from gapscope.inference.multiplicity import adjusted
from gapscope.inference.paired import mcnemar
from gapscope.inference.ranks import kendall_tau
from gapscope.studies.replication.predictions import SetPredictions

LEVEL = 0.05


def ranking_section(reference: SetPredictions, target: SetPredictions) -> dict[str, Any]:
    """Neighbours in rank on the reference, tested on both sets, and all pairs of models that change places."""
    order = np.argsort(-reference.accuracy, kind="stable")
    neighbours = list(pairwise(order))
    pairs = list(combinations(order, 2))
    tests = [_tested(one, neighbours) for one in (reference, target)]
    everything = [_tested(one, pairs) for one in (reference, target)]
    turned = everything[0]["lead"] * everything[1]["lead"] < 0
    sure = [side["p"] <= LEVEL for side in everything]
    return {
        "order": [reference.models[index] for index in order],
        "neighbours": [(reference.models[first], reference.models[second]) for first, second in neighbours],
        "reference": tests[0],
        "target": tests[1],
        "kendall": kendall_tau(reference.accuracy, target.accuracy),
        "pairs": len(pairs),
        "turned": int(turned.sum()),
        "surely_turned": int((turned & sure[0] & sure[1]).sum()),
        "sure_in_reference": int(sure[0].sum()),
        "sure_in_target": int(sure[1].sum()),
        "confirmed": int((sure[0] & sure[1] & ~turned).sum()),
    }


def _tested(predictions: SetPredictions, pairs: list[tuple[int, int]]) -> dict[str, np.ndarray]:
    """Lead of the first model of each pair, and McNemar's p corrected by Holm over the pairs."""
    only = [_only(predictions.correct, first, second) for first, second in pairs]
    lead = np.array([(first - second) / predictions.n for first, second in only])
    return {"lead": lead, "p": adjusted(np.array([mcnemar(*one) for one in only]), "holm")}


def _only(right: np.ndarray, first: int, second: int) -> tuple[int, int]:
    both = int((right[:, first] & right[:, second]).sum())
    return int(right[:, first].sum()) - both, int(right[:, second].sum()) - both

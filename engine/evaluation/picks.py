"""Which images to show of a model's predictions: right and wrong ones, each with the most and the least certain."""

import numpy as np

MOST, LEAST = "most certain", "least certain"
RIGHT, WRONG, ANSWERS = "right", "wrong", "answers"


def telling_rows(
    label: np.ndarray, predicted: np.ndarray, confidence: np.ndarray, sample_id: np.ndarray, most: int = 8
) -> dict[str, np.ndarray]:
    """At most `most` rows under each heading, the extreme ones first; equal confidences in the order of ids.

    Rows without a label are neither right nor wrong and are left out, unless none has one: then all are shown by their
    certainty alone. An image is shown once: the least certain are taken from those that the most certain have left.

    Parameters
    ----------
    label, predicted : (n,) int
        Classes; labels are -1 where unknown.
    confidence : (n,)
        Of the predicted class.

    >>> telling_rows([0, 0, 1], [0, 1, 1], [0.9, 0.6, 0.8], [7, 8, 9], 1)["right, most certain"]
    array([0])
    """
    label, predicted, confidence = np.asarray(label), np.asarray(predicted), np.asarray(confidence, np.float64)
    known = label >= 0
    kinds = {RIGHT: known & (label == predicted), WRONG: known & (label != predicted)}
    if not known.any() and len(label):
        kinds = {ANSWERS: ~known}
    order = np.lexsort([sample_id, -confidence])
    result = {}
    for kind, chosen in kinds.items():
        result |= _extremes(kind, order[chosen[order]], confidence, np.asarray(sample_id), most)
    return result


def _extremes(
    kind: str, rows: np.ndarray, confidence: np.ndarray, sample_id: np.ndarray, most: int
) -> dict[str, np.ndarray]:
    """The first of `rows`, which begin with the most certain, and of the others those with the least confidence."""
    rest = rows[most:]
    least = rest[np.lexsort([sample_id[rest], confidence[rest]])]
    return {f"{kind}, {MOST}": rows[:most], f"{kind}, {LEAST}": least[:most]}

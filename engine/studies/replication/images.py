"""How hard the images are, in what way they are missed, and how much of a drop harder images explain."""

from typing import Any

import numpy as np

from gapscope.inference.bootstrap import interval_of
from gapscope.inference.interval import clopper_pearson
from gapscope.studies.replication.predictions import SetPredictions

# Of the models, this share decides what kind an image is.
MOST = 0.75
KINDS = (
    "most models right",
    "models divided",
    "most models wrong, on different classes",
    "most models give one and the same other class",
)


def difficulty_section(predictions: SetPredictions) -> dict[str, Any]:
    """How many models are right about an image: shares ``(m + 1,)``, and the share that none and that all get right."""
    models = len(predictions.models)
    count = np.bincount(predictions.correct.sum(axis=1), minlength=models + 1)
    return {
        "shares": count / predictions.n,
        "none_right": [count[0] / predictions.n, *clopper_pearson(int(count[0]), predictions.n)],
        "all_right": [count[-1] / predictions.n, *clopper_pearson(int(count[-1]), predictions.n)],
        "none_right_images": int(count[0]),
        "all_right_images": int(count[-1]),
    }


def kinds(predictions: SetPredictions) -> np.ndarray:
    """The index into `KINDS` of each image, ``(n,)``."""
    models = len(predictions.models)
    right = predictions.correct.sum(axis=1)
    other = np.zeros(predictions.n, np.int64)
    for model in range(models):
        given = predictions.predicted[:, model]
        votes = (predictions.predicted == given[:, None]).sum(axis=1)
        other = np.maximum(other, np.where(given == predictions.label, 0, votes))
    kind = np.ones(predictions.n, np.int64)
    kind[right >= MOST * models] = 0
    kind[models - right >= MOST * models] = 2
    kind[other >= MOST * models] = 3
    return kind


def kinds_section(reference: SetPredictions, target: SetPredictions) -> dict[str, Any]:
    """The mean drop split by kind of image; the terms sum to it."""
    parts = [_by_kind(one) for one in (reference, target)]
    return {
        "kinds": list(KINDS),
        "reference_share": parts[0][0],
        "target_share": parts[1][0],
        "terms": parts[1][1] - parts[0][1],
        "start": float(reference.correct.mean()),
        "end": float(target.correct.mean()),
    }


def _by_kind(predictions: SetPredictions) -> tuple[np.ndarray, np.ndarray]:
    """Share of images, and mean error they contribute, of each kind."""
    kind, wrong = kinds(predictions), 1 - predictions.correct.mean(axis=1)
    images = np.bincount(kind, minlength=len(KINDS)) / predictions.n
    return images, np.bincount(kind, wrong, minlength=len(KINDS)) / predictions.n


def reweighted(reference: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Accuracy on the reference if its images were as hard for the *other* models as the target's, ``(..., m)``.

    From `counted` of both sets, ``(..., m, q, 2)``. A difficulty that no image of the reference has keeps the accuracy
    it has in the target, so that it counts as difficulty.
    """
    ours, theirs = reference.sum(axis=-1), target.sum(axis=-1)
    own = np.divide(reference[..., 1], ours, out=np.zeros_like(ours), where=ours > 0)
    other = np.divide(target[..., 1], theirs, out=np.zeros_like(theirs), where=theirs > 0)
    share = theirs / theirs.sum(axis=-1, keepdims=True)
    return (share * np.where(ours > 0, own, other)).sum(axis=-1)


def harder_section(
    counts: tuple[np.ndarray, np.ndarray], replicates: tuple[np.ndarray, np.ndarray]
) -> dict[str, np.ndarray | float]:
    """Each model's drop as harder images plus a rest, with intervals; the two sum to the drop."""
    start, middle, end = _levels(*counts)
    starts, middles, ends = _levels(*replicates)
    harder, rest = start - middle, middle - end
    mean = interval_of((starts - middles).mean(axis=1)), interval_of((middles - ends).mean(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        explained = interval_of(((starts - middles).mean(axis=1)) / (starts - ends).mean(axis=1))
    return {
        "harder": harder,
        "rest": rest,
        **_bounds("harder", starts - middles),
        **_bounds("rest", middles - ends),
        "mean_harder": float(harder.mean()),
        "mean_harder_interval": mean[0],
        "mean_rest": float(rest.mean()),
        "mean_rest_interval": mean[1],
        "explained": float(harder.mean() / (harder + rest).mean()) if (harder + rest).mean() else float("nan"),
        "explained_interval": explained,
    }


def _levels(reference: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    plain = (one[..., 1].sum(axis=-1) / one.sum(axis=(-1, -2)) for one in (reference, target))
    start, end = plain
    return start, reweighted(reference, target), end


def _bounds(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    bounds = np.array([interval_of(values[:, model]) for model in range(values.shape[1])])
    return {f"{name}_low": bounds[:, 0], f"{name}_high": bounds[:, 1]}


def overlap_section(primary: SetPredictions, others: tuple[SetPredictions, ...]) -> list[dict[str, Any]]:
    """Images of the first replication that another one took too, and the mean accuracy on both parts."""
    parts = []
    for other in others:
        shared = np.isin(primary.sample_id, other.sample_id)
        part = {"set": other.name, "shared": int(shared.sum())}
        for name, rows in (("accuracy_shared", shared), ("accuracy_own", ~shared)):
            part[name] = float(primary.correct[rows].mean()) if rows.any() else None
        parts.append(part)
    return parts

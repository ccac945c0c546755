"""The confusions that carry the drop, chosen on one half of the images and measured on the other."""

from typing import Any

import numpy as np

from gapscope.core.random import stream
from gapscope.studies.replication.predictions import SetPredictions

SHOWN = 30
LONG = 100


def pair_section(reference: SetPredictions, target: SetPredictions, seed: int) -> dict[str, Any]:
    """Pairs (class, class given instead) by what they add to the mean error; all pairs together sum to the mean drop.

    Whatever is largest among hundreds of thousands of pairs is largest partly by chance. So pairs are also chosen on
    one half of the images of each class and measured on the other half, both ways round.
    """
    before, after = (frequencies(one, np.ones(one.n, bool)) for one in (reference, target))
    added = after - before
    order = np.argsort(-added, axis=None, kind="stable")[:LONG]
    known = before.ravel()[order] > 0
    classes = len(reference.class_names)
    return {
        "true": order // classes,
        "given": order % classes,
        "reference": before.ravel()[order],
        "target": after.ravel()[order],
        "added": added.ravel()[order],
        "drop": float(added.sum()),
        "pairs_that_grew": int((added > 0).sum()),
        "pairs_that_shrank": int((added < 0).sum()),
        "carried": float(added.ravel()[order].sum()),
        "carried_by_shown": float(added.ravel()[order[:SHOWN]].sum()),
        "known_before": int(known.sum()),
        "added_by_new": float(added[(before == 0) & (after > 0)].sum()),
        "added_by_known": float(added[before > 0].sum()),
        "carried_elsewhere": _elsewhere(reference, target, seed),
    }


def frequencies(predictions: SetPredictions, rows: np.ndarray) -> np.ndarray:
    """Share of the predictions of class j for images of class i, ``(k, k)``, 0 on the diagonal, over `rows`."""
    classes = len(predictions.class_names)
    label = predictions.label[rows].astype(np.int64)[:, None]
    cells = (label * classes + predictions.predicted[rows]).ravel()
    shares = np.bincount(cells, minlength=classes**2).reshape(classes, classes) / max(len(cells), 1)
    np.fill_diagonal(shares, 0)
    return shares


def halves(predictions: SetPredictions, seed: int) -> np.ndarray:
    """Which images are in the first half, chosen at random within each class, ``(n,) bool``."""
    drawn = stream(seed, "study", "halves", predictions.name).random(predictions.n)
    order = np.lexsort((drawn, predictions.label))
    place = np.empty(predictions.n, np.int64)
    place[order] = np.arange(predictions.n) - np.searchsorted(predictions.label[order], predictions.label[order])
    return place % 2 == 0


def _elsewhere(reference: SetPredictions, target: SetPredictions, seed: int) -> float:
    """Mean error that the `LONG` largest pairs of one half of the images add in the other half."""
    splits = halves(reference, seed), halves(target, seed)
    added = []
    for side in (True, False):
        rows = [split == side for split in splits]
        chosen = frequencies(target, rows[1]) - frequencies(reference, rows[0])
        largest = np.argsort(-chosen, axis=None, kind="stable")[:LONG]
        other = frequencies(target, ~rows[1]) - frequencies(reference, ~rows[0])
        added.append(other.ravel()[largest].sum())
    return float(np.mean(added))

"""Which rows of two sets are the same image: those have one key, and a bootstrap resamples them as a pair.

A sample id is a position in a listing and says nothing of another listing: two sets that were photographed on two days
both have a row 5. Rows are the same image where their bytes have one digest, where both sets come from one listing (the
same names with the same labels in the same order, as those of a set and its modified copy), or where files of
predictions name the same images.
"""

from collections.abc import Sequence

import numpy as np

from gapscope.inference.bootstrap import GOLDEN, mixed
from gapscope.predictions import Predictions
from gapscope.store import EmbeddingStore
from gapscope.store.selected import Selected

Array = np.ndarray
Keys = tuple[Array, Array]
# Images of one name are the same where at least this share of them has the same label in both sets.
LEAST_AGREEING = 0.5


def keys_of_stores(stores: Sequence[EmbeddingStore | Selected], sample_id: Sequence[Array]) -> Keys:
    """A key ``(n,) int64`` for each row of two stores, whose rows have these sample ids."""
    listings = [store.provenance.fingerprint for store in stores]
    if stores[0].folder == stores[1].folder or (listings[0].hash and listings[0] == listings[1]):
        return sample_id[0], sample_id[1]
    one, other = (store.digests() for store in stores)
    if one is not None and other is not None and len(np.intersect1d(one, other)):
        return one.view(np.int64), other.view(np.int64)
    return strangers(*sample_id)


def keys_of_predictions(reference: Predictions, target: Predictions) -> Keys:
    """A key ``(n,) int64`` for each row of two files of predictions."""
    named = reference.image is not None and target.image is not None  # and then the ids are hashes of the names
    if named and _agree(reference, target):
        return reference.sample_id, target.sample_id
    return strangers(reference.sample_id, target.sample_id)


def strangers(reference: Array, target: Array) -> Keys:
    """Keys of sets that have no image in common: another for each row, whatever its number in its own set."""
    with np.errstate(over="ignore"):
        moved = mixed(target.astype(np.uint64) * GOLDEN + np.uint64(1))
    return reference, moved.view(np.int64)


def _agree(reference: Predictions, target: Predictions) -> bool:
    """Whether images of one name mostly have one label: names such as 0001.jpg occur in any set."""
    common, one, other = np.intersect1d(reference.sample_id, target.sample_id, return_indices=True)
    return bool(len(common)) and bool((reference.label[one] == target.label[other]).mean() >= LEAST_AGREEING)

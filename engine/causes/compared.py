"""The images of both sets that are compared: each once, and those that both sets have as pairs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gapscope.blocks.formats import percent
from gapscope.causes.samples import LEFT_OUT, Sample, repeated, sample_of
from gapscope.core.errors import InputError
from gapscope.core.text import counted
from gapscope.evaluation.copies import copies_of
from gapscope.store import EmbeddingStore

Array = np.ndarray
# Fewer images of a side make no halves that say anything.
LEAST_IMAGES = 20
# From this share of near twins on, a set is warned about.
LEAST_REPEATED = 0.3


class Compared(NamedTuple):
    """The samples of the reference and of the target, and what is to be said of them."""

    reference: Sample
    target: Sample
    notes: list[str]


def samples_of(stores: Sequence[EmbeddingStore], labels: Sequence[Array], images: int, seed: int) -> Compared:
    """Rows of both sets, at most so many `images` of each; of the reference in the target's mix of classes, where that
    has labels.

    Parameters
    ----------
    labels : two of (n,) int
        The model's class index of every row of each store, -1 where there is none.

    Raises
    ------
    InputError
        One of them has too few.
    """
    copies = [copies_of(store) for store in stores]
    both = [
        label if one.first is None else np.where(one.first, label, LEFT_OUT)
        for one, label in zip(copies, labels, strict=True)
    ]
    known = both[1][both[1] >= 0]
    mixes = {int(one): float(np.mean(known == one)) for one in np.unique(known)}, {}
    samples = [sample_of(*one, images, seed) for one in zip(stores, both, mixes, strict=True)]
    for store, sample in zip(stores, samples, strict=True):
        if len(sample.x) < LEAST_IMAGES:
            raise InputError(
                f"{counted(len(sample.x), 'image')} of {store.name} are too few to choose a cause by one half and to "
                "say what it "
                f"explains by the other; give {LEAST_IMAGES} or more of each set, of the same classes, and --images of "
                "as many"
            )
    keys = [_keys(*one) for one in zip(stores, [one.key for one in copies], samples, strict=True)]
    target, pairs = _paired(*samples, *keys)
    notes = [one.said(store.name, store.rows) for one, store in zip(copies, stores, strict=True)]
    every = (*notes, pairs, *map(twins_note, (samples[0], target)))
    return Compared(samples[0], target, [note for note in every if note])


def _keys(store: EmbeddingStore, key: Array | None, sample: Sample) -> Array:
    """The `key` of each row of a sample ``(m,) uint64``; 0 where it is not known."""
    ids = store.sample_ids()
    order = np.argsort(ids)
    rows = order[np.searchsorted(ids[order], sample.sample_id)]
    return np.zeros(len(rows), np.uint64) if key is None else key[rows]


def _paired(reference: Sample, target: Sample, known: Array, keys: Array) -> tuple[Sample, str]:
    """The target's sample, whose images that are files of the reference have the names that these have there: images
    of one name are compared as pairs.
    """
    there = {key: name for key, name in zip(known.tolist(), reference.names, strict=True) if key}
    names = [there.get(key, name) for key, name in zip(keys.tolist(), target.names, strict=True)]
    renamed = sum(one != other for one, other in zip(names, target.names, strict=True))
    note = (
        f"{renamed:,} of the {len(names):,} images of {target.set} that were looked at are files of {reference.set} "
        "under another name; they are compared as pairs, for they are not independent."
    )
    return replace(target, names=names), note if renamed else ""


def twins_note(sample: Sample) -> str:
    """A warning where many images are near twins, which count as independent ones; nothing where few are."""
    share = repeated(sample)
    if share < LEAST_REPEATED:
        return ""
    return (
        f"warning: {percent(share)} of the images of {sample.set} have a near twin there, such as frames of one video; "
        "every image is taken for independent, so p-values and intervals are too small; give one image of each scene."
    )

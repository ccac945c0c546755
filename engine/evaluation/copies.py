"""Each image of a set once: a row that is a copy of another says nothing new, and tests and intervals take rows for
independent.

Rows are copies where they were made from the same bytes; imported ones, which often have a name each, where their
features are equal, unless these are so coarse that rows which have nothing to do with each other agree by chance.
Where the images of some classes are repeated more often than those of others, which is how a mix of classes is made,
all rows count, and it is said that tests and intervals are too sure then.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gapscope.core.errors import GapscopeError
from gapscope.core.location import Location
from gapscope.core.random import stream
from gapscope.predictions import Predictions
from gapscope.store import EmbeddingStore, open_store
from gapscope.store.selected import Selected, some_of

Array = np.ndarray
# Up to this share of copies changes no figure that is printed.
LITTLE = 0.01
# Of more features than this, 0.5 GB, equal ones are not looked for.
FEATURES = 2**27
# Rows whose features tell how coarse all are.
SAMPLE = 1024
FEW = 16
# Images of the classes are repeated to other degrees where chance would leave so much less often than this.
CHANCE = 1e-3


class RepeatedRows(NamedTuple):
    """Which rows of a set are copies.

    Attributes
    ----------
    key : (n,) uint64, or None
        The same for copies; 0 where that is not known, None where it is not of any row.
    first : (n,) bool, or None
        Which rows are not copies of one before them; None where all count.
    counted
        The copies that count.
    """

    key: Array | None = None
    first: Array | None = None
    counted: int = 0

    def said(self, name: str, rows: int) -> str:
        """What is to be said of the set; empty without many copies."""
        if self.first is not None:
            images = f"{rows:,} rows are {int(self.first.sum()):,} distinct images"
            return f"{name}: {images}; each counts once, for copies say nothing new."
        return (
            f"warning: {self.counted:,} of the {rows:,} rows of {name} are copies of others, of some classes more than "
            "of others, as where a mix of classes is made; they count, and tests and intervals, which take them for "
            "new images, are too sure."
        ) * bool(self.counted)


def once(store: EmbeddingStore | Selected) -> tuple[EmbeddingStore | Selected, str]:
    """Of rows that are copies of each other the first, rows being shuffled; the store itself without many copies, or
    with a warning where these count.
    """
    copies = copies_of(store)
    said = copies.said(store.name, store.rows)
    if copies.first is None:
        return store, said
    return some_of(store, copies.first, said), ""


def copies_of(store: EmbeddingStore | Selected) -> RepeatedRows:
    """Those among the rows of a store."""
    if isinstance(store, Selected):
        key = _key(store)
        return RepeatedRows() if key is None else copies_among(key, store.labels())
    known = _keys_of(str(store.folder), store.digest)
    return RepeatedRows() if known is None else copies_among(*known[1:])


def with_copies(store: EmbeddingStore | Selected, sample_id: Sequence[int] | Array) -> Array:
    """Ids of rows and of all those in the whole store that are copies of them, ascending."""
    known, sample_id = _keys_of(str(store.folder), store.digest), np.asarray(sample_id, np.int64)
    if known is None:
        return np.unique(sample_id)
    ids, key, _ = known
    return np.union1d(sample_id, ids[(key > 0) & np.isin(key, key[np.isin(ids, sample_id)])])


def first_of_each(store: EmbeddingStore | Selected, sample_id: Array) -> Array:
    """Which of the rows with ``sample_id : (n,)`` are not copies of one before them."""
    known = _keys_of(str(store.folder), store.digest)
    if known is None:
        return np.ones(len(sample_id), bool)
    order = np.argsort(known[0])
    key = known[1][order[np.searchsorted(known[0], sample_id, sorter=order)]]
    first = key == 0
    first[np.unique(key, return_index=True)[1]] = True
    return first


def predicted_once(several: Sequence[Predictions]) -> tuple[list[Predictions], list[str]]:
    """The same of predictions, where they are for the rows of a store, and what is to be said of each set."""
    result, said = zip(*map(_predicted_once, several), strict=True)
    return list(result), list(dict.fromkeys(filter(None, said)))


def _predicted_once(given: Predictions) -> tuple[Predictions, str]:
    known = _known(given.store)
    if known is None and given.digest is not None:
        known = given.sample_id, given.digest, given.label
    if known is None:
        return given, ""
    ids, key, label = (one[np.isin(known[0], given.sample_id)] for one in known)
    copies = copies_among(key, label)
    said = copies.said(given.name, given.n)
    if copies.first is None:
        return given, said
    return given.rows(np.flatnonzero(np.isin(given.sample_id, ids[copies.first]))), said


def copies_among(key: Array, label: Array) -> RepeatedRows:
    """Those among rows with ``key, label : (n,)``; of key 0 nothing is known."""
    some = np.flatnonzero(key)
    _, index, count = np.unique(key[some], return_index=True, return_counts=True)
    copies = len(some) - len(index)
    if copies <= LITTLE * len(key):
        return RepeatedRows(key)
    if _is_by_class(count, label[some[index]]):
        return RepeatedRows(key, None, copies)
    first = key == 0
    first[some[index]] = True
    return RepeatedRows(key, first)


def _is_by_class(count: Array, label: Array) -> bool:
    """Whether the images, with ``count, label : (m,)``, are repeated more often in some classes than in others: the
    variance between classes over that of all, times the images, which is chi-squared where classes play no part.
    """
    _, of, images = np.unique(label, return_inverse=True, return_counts=True)
    spread, mean = count.var(), np.bincount(of, count) / images
    if len(images) == 1 or spread == 0:
        return False
    from scipy.special import chdtrc  # here, for most sets have no copies

    return bool(chdtrc(len(images) - 1, (images * (mean - count.mean()) ** 2).sum() / spread) < CHANCE)


def _key(store: EmbeddingStore | Selected) -> Array | None:
    """The same for copies, ``(n,) uint64``, 0 where it is not known; None for all."""
    if not store.provenance.is_imported:
        return store.digests()
    if not store.rows or _are_coarse(store):
        return None
    return _of_features(store) if store.rows * store.dim <= FEATURES else store.digests()


def _are_coarse(store: EmbeddingStore | Selected) -> bool:
    """Whether two rows may have equal features by chance: by what each feature is seen to tell apart (of so few pairs
    one more that agrees is possible), of which half is taken, for features go together.
    """
    x = np.unique(store.view(0, min(store.rows, SAMPLE)).read().x, axis=0)
    pairs = len(x) * (len(x) - 1) / 2
    alike = np.array([(np.square(count) - count).sum() / 2 for count in map(_counts, x.T)])
    bits = -np.log2((alike + 1) / (pairs + 1))
    return bool(bits.sum() / 2 < 2 * np.log2(store.rows))


def _counts(feature: Array) -> Array:
    return np.unique(feature, return_counts=True)[1]


def _of_features(store: EmbeddingStore | Selected) -> Array:
    """A hash of each row's features, of a few where these tell rows apart; 0 for a row of one number, as failed images
    are filled with.
    """
    few = np.unique(np.linspace(0, store.dim - 1, FEW).astype(int))
    told = np.concatenate([_hashed(chunk.x[:, few]) for chunk in store.view().chunks()])
    if len(told) - len(np.unique(told)) <= LITTLE * len(told):
        return told
    whole = [np.where(np.ptp(chunk.x, axis=1) > 0, _hashed(chunk.x), 0) for chunk in store.view().chunks()]
    return np.concatenate(whole)


def _hashed(x: Array) -> Array:
    factor = stream(0, "copies").integers(0, 2**63, x.shape[1], np.uint64) * np.uint64(2) + np.uint64(1)
    return (x + np.float32(0)).view(np.uint32).astype(np.uint64) @ factor  # -0 becomes 0


def _known(folder: str) -> tuple[Array, Array, Array] | None:
    """``sample_id``, key and label of the rows of the store in `folder`; None where these are not known."""
    try:
        return _keys_of(folder, open_store(Location.of(folder)).digest) if folder else None
    except (GapscopeError, OSError):  # whoever needs the store says so
        return None


@lru_cache(maxsize=4)
def _keys_of(folder: str, digest: str) -> tuple[Array, Array, Array] | None:
    """The same of a store whose rows have this `digest`."""
    store = open_store(Location.of(folder))
    key = _key(store)
    return None if key is None else (store.sample_ids(), key, store.labels())

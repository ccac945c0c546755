"""Each image of a set once: a row that is a copy of another says nothing new, and tests and intervals take rows for
independent.

Rows are copies where they were made from the same bytes; imported ones, which often have a name each, where their
features are equal, unless these are so coarse that rows which have nothing to do with each other agree by chance.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from gapscope.core.errors import GapscopeError
from gapscope.core.location import Location
from gapscope.core.random import stream
from gapscope.predictions import Predictions
from gapscope.store import EmbeddingStore, open_store
from gapscope.store.selected import Selected, rows_of

Array = np.ndarray
# Up to this share of copies changes no figure that is printed.
LITTLE = 0.01
# Of more features than this, 0.5 GB, equal ones are not looked for.
FEATURES = 2**27
# Rows whose features tell how coarse all are, and what a feature counts for, in bits, of which no two of these agree.
SAMPLE, FINE = 1024, 32.0
FEW = 16


def once(store: EmbeddingStore | Selected) -> EmbeddingStore | Selected:
    """Of rows that are copies of each other the first, rows being shuffled; the store itself without many copies."""
    first = firsts(store)
    if first is None:
        return store
    whole = store.store if isinstance(store, Selected) else store
    kept = np.zeros(whole.rows, bool)
    kept[store.positions if isinstance(store, Selected) else slice(None)] = first
    before = f"{store.sentence} " if isinstance(store, Selected) else ""
    return rows_of(whole, kept, before + sentence(store.name, store.rows, int(first.sum())))


def keys_of(store: EmbeddingStore, sample_id: Array) -> Array:
    """The same for copies, ``(m,) uint64``, of the rows with these ids; 0 where it is not known."""
    key, ids = _key(store), store.sample_ids()
    order = np.argsort(ids)
    return np.zeros(len(sample_id), np.uint64) if key is None else key[order[np.searchsorted(ids[order], sample_id)]]


def firsts(store: EmbeddingStore | Selected) -> Array | None:
    """Which rows are not copies of one before them, ``(n,) bool``; None without many copies."""
    return _first(_key(store))


def predicted_once(several: Sequence[Predictions]) -> tuple[list[Predictions], list[str]]:
    """The same of predictions, where they are for the rows of a store, and what is to be said of each set."""
    result = list(map(_predicted_once, several))
    pairs = zip(several, result, strict=True)
    return result, list(dict.fromkeys(sentence(one.name, one.n, few.n) for one, few in pairs if few is not one))


def _predicted_once(given: Predictions) -> Predictions:
    known = _known(given.store)
    if known is None:
        return given
    rows = np.isin(known[0], given.sample_id)
    first = _first(known[1][rows])
    return given if first is None else given.rows(np.flatnonzero(np.isin(given.sample_id, known[0][rows][first])))


def sentence(name: str, rows: int, images: int) -> str:
    """What is to be said where so many rows are fewer images."""
    return f"{name}: {rows:,} rows are {images:,} distinct images; each counts once, for copies say nothing new."


def _first(key: Array | None) -> Array | None:
    """Which rows come first of those with their ``key : (n,) uint64``, ``(n,) bool``; None where few are not. Of key 0
    nothing is known.
    """
    if key is None or len(key) - (key == 0).sum() - len(np.unique(key[key != 0])) <= LITTLE * len(key):
        return None
    result = key == 0
    result[np.unique(key, return_index=True)[1]] = True
    return result


def _key(store: EmbeddingStore | Selected) -> Array | None:
    """The same for copies, ``(n,) uint64``, 0 where it is not known; None for all."""
    if not store.provenance.is_imported:
        return store.digests()
    if not store.rows or _are_coarse(store):
        return None
    return _of_features(store) if store.rows * store.dim <= FEATURES else store.digests()


def _are_coarse(store: EmbeddingStore | Selected) -> bool:
    """Whether two rows may have equal features by chance: by what each feature tells apart, of which half is taken, for
    features go together.
    """
    x = np.unique(store.view(0, min(store.rows, SAMPLE)).read().x, axis=0)
    pairs = max(len(x) * (len(x) - 1), 1)
    alike = np.array([(np.square(count) - count).sum() / pairs for count in map(_counts, x.T)])
    bits = np.where(alike > 0, -np.log2(np.maximum(alike, 2.0**-FINE)), FINE)
    return bool(bits.sum() / 2 < 2 * np.log2(store.rows))


def _counts(feature: Array) -> Array:
    return np.unique(feature, return_counts=True)[1]


def _of_features(store: EmbeddingStore | Selected) -> Array:
    """A hash of each row's features, of a few where these tell rows apart; 0 for a row of one number, as failed images
    are filled with.
    """
    few = np.unique(np.linspace(0, store.dim - 1, FEW).astype(int))
    told = np.concatenate([_hashed(chunk.x[:, few]) for chunk in store.view().chunks()])
    if _first(told) is None:
        return told
    whole = [np.where(np.ptp(chunk.x, axis=1) > 0, _hashed(chunk.x), 0) for chunk in store.view().chunks()]
    return np.concatenate(whole)


def _hashed(x: Array) -> Array:
    factor = stream(0, "copies").integers(0, 2**63, x.shape[1], np.uint64) * np.uint64(2) + np.uint64(1)
    return (x + np.float32(0)).view(np.uint32).astype(np.uint64) @ factor  # -0 becomes 0


def _known(folder: str) -> tuple[Array, Array] | None:
    """``sample_id`` and key of the rows of the store in `folder`; None where it is not there, or nothing is known."""
    try:
        return _keys_of(folder, open_store(Location.of(folder)).digest) if folder else None
    except (GapscopeError, OSError):  # whoever needs the store says so
        return None


@lru_cache(maxsize=2)
def _keys_of(folder: str, digest: str) -> tuple[Array, Array] | None:
    """The same of a store whose rows have this `digest`."""
    store = open_store(Location.of(folder))
    key = _key(store)
    return None if key is None else (store.sample_ids(), key)

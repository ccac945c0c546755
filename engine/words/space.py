"""From stored features into the space of texts: by the projection of a store, or a map that is learnt by ridge."""

from dataclasses import dataclass

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.files import read_tensors
from gapscope.core.text import counted
from gapscope.store import EmbeddingStore, Piece
from gapscope.words.texts import Texts, normalised

Array = np.ndarray
# Rows that a map is learnt from; more change it little, and each costs as many floats as the features have.
MAP_ROWS = 20_000
HELD_OUT = 5
STRENGTHS = 10.0 ** np.arange(-6, 2)
# A phrase whose similarities are predicted worse than that on images that the map has not seen is refused.
LEAST_R2 = 0.25
LEAST_ROWS = 100


@dataclass(frozen=True, eq=False)
class Space:
    """The way from features into the space of texts: ``z = x @ weight.T + bias``.

    Attributes
    ----------
    weight : (e, d) or None
        None where the features lie in that space.
    bias : (e,) or None
    r2 : (p + m,) or None
        Of a map that was learnt: for each phrase and each nonsense, the share of the variance of its similarity that is
        predicted on held-out images.
    through
        The backbone whose space it is, where it was learnt.
    """

    weight: Array | None = None
    bias: Array | None = None
    r2: Array | None = None
    through: str = ""

    def joint(self, x: Array) -> Array:
        """Vectors of length 1 in the space of texts, ``(n, e) float32``, of features ``x : (n, d)``."""
        x = np.asarray(x, np.float32)
        z = x if self.weight is None else x @ self.weight.T
        return normalised(z if self.bias is None else z + self.bias)

    def carried(self, phrases: int) -> Array:
        """Which of the first `phrases` texts the way carries, ``(p,) bool``."""
        return np.ones(phrases, bool) if self.r2 is None else self.r2[:phrases] >= LEAST_R2


def own_space(store: EmbeddingStore) -> Space | None:
    """The way that a store has of its own: its head where that is a projection, or none where its features lie there;
    None where it has neither.
    """
    tensor = store.provenance.tensor
    if tensor is not None and tensor.joint:
        return Space()
    if tensor is not None and tensor.head == "projection" and store.head.exists():
        head = read_tensors(store.head)
        return Space(head["weight"], head["bias"])
    return None


def texts_that_fit(space: Space, store: EmbeddingStore, texts: Texts) -> Texts:
    """`texts`, where they have the dimension of the space."""
    dim = store.dim if space.weight is None else len(space.weight)
    if dim != texts.dim:
        raise InputError(
            f"the text vectors of {texts.encoder} have {counted(texts.dim, 'number')}, "
            f"and {store.provenance.backbone} projects "
            f"images to {dim}; make them with the text tower of the same model"
        )
    return texts


def all_vectors(texts: Texts) -> Array:
    """Phrases, then nonsense, without what all texts have in common, ``(p + m, e)``: only differences count."""
    both = np.concatenate([texts.vectors, texts.null])
    return normalised(both - both.mean(axis=0))


def learnt_space(here: EmbeddingStore, there: EmbeddingStore, texts: Texts) -> Space:
    """A ridge map from the features of `here` into the space of `there`, learnt from the images that both have.

    One fifth of the images is held out to choose the penalty and to say which phrases the map carries. Memory: rows of
    both, `MAP_ROWS` at most; ``O(n d² + d³)``.

    Raises
    ------
    InputError
        `there` has no way to texts, or the stores share too few images.
    """
    way = own_space(there)
    if way is None:
        raise InputError(
            f"{there.provenance.backbone} is no model of images and texts ({there.name} has no projection), which "
            "--through wants"
        )
    texts_that_fit(way, there, texts)
    x, z = _shared_rows(here, there)
    z = way.joint(z)
    held = np.arange(len(x)) % HELD_OUT == 0
    vectors = all_vectors(texts)
    best = max((_fitted(x, z, held, strength, vectors) for strength in STRENGTHS), key=lambda one: one[0])
    weight, bias, r2 = best[1]
    return Space(weight, bias, r2, there.provenance.backbone)


def _shared_rows(here: EmbeddingStore, there: EmbeddingStore) -> tuple[Array, Array]:
    """Features of both for the images that both have, in one order."""
    if here.provenance.fingerprint != there.provenance.fingerprint:
        raise InputError(
            f"{here.name} with {here.provenance.backbone} and with {there.provenance.backbone} are other images"
        )
    one, other = (store.read(Piece(0, min(store.rows, MAP_ROWS))) for store in (here, there))
    _, mine, theirs = np.intersect1d(one.sample_id, other.sample_id, assume_unique=True, return_indices=True)
    if len(mine) < LEAST_ROWS:
        raise InputError(f"{here.name} has {counted(len(mine), 'image')} with both backbones; a map needs {LEAST_ROWS}")
    order = np.argsort(mine)
    return np.asarray(one.x, np.float64)[mine[order]], np.asarray(other.x)[theirs[order]]


def _fitted(
    x: Array, z: Array, held: Array, strength: float, vectors: Array
) -> tuple[float, tuple[Array, Array, Array]]:
    """Median R² over the phrases on held-out rows, and the map with its R² a phrase."""
    mean, target = x[~held].mean(axis=0), z[~held].mean(axis=0)
    centred = x[~held] - mean
    gram = centred.T @ centred
    gram[np.diag_indices_from(gram)] += strength * np.trace(gram) / len(gram) + np.finfo(np.float64).tiny
    weight = np.linalg.solve(gram, centred.T @ (z[~held] - target)).T
    bias = target - weight @ mean
    predicted, true = (normalised(one) @ vectors.T for one in (x[held] @ weight.T + bias, z[held]))
    left, all_of_it = ((true - predicted) ** 2).sum(axis=0), ((true - true.mean(axis=0)) ** 2).sum(axis=0)
    r2 = 1 - left / np.maximum(all_of_it, np.finfo(np.float32).tiny)
    return float(np.median(r2)), (weight.astype(np.float32), bias.astype(np.float32), r2)

"""Images that fit a phrase best: ``~a photo taken at night`` in the search field of a map whose features know texts."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gapscope.core.errors import InputError
from gapscope.explorer.points import Points
from gapscope.store import EmbeddingStore, Piece
from gapscope.words.space import Space, all_vectors, own_space, texts_that_fit
from gapscope.words.texts import Texts

Array = np.ndarray
MARK = "~"
# What is shown: the best of a map, and no more than can be looked at.
SHARE, MOST = 0.02, 500
ROWS = 65_536


@dataclass(frozen=True, eq=False)
class Phrases:
    """Text vectors that fit the stores behind a map."""

    stores: tuple[EmbeddingStore, ...]
    texts: Texts
    space: Space

    def vector(self, words: str) -> Array | None:
        """The vector ``(e,)`` of the phrase `words`, or the mean of those that contain it; None where none does."""
        words = words.strip().casefold()
        names = [phrase.text.casefold() for phrase in self.texts.phrases]
        places = [place for place, name in enumerate(names) if name == words]
        places = places or [place for place, name in enumerate(names) if words and words in name]
        return all_vectors(self.texts)[places].mean(axis=0) if places else None

    def found_by(self, points: Points, words: str) -> Array:
        """The points whose images fit `words` best, `SHARE` of all and `MOST` at most, ``(n,) bool``.

        One pass over all rows, some seconds for a million of 1024 features.
        """
        vector = self.vector(words)
        result = np.zeros(points.n, bool)
        if vector is None:
            return result
        fit = np.full(points.n, -np.inf)
        for number, store in enumerate(self.stores):
            cosines, ids = map(np.concatenate, zip(*self._cosines(store, vector), strict=True))
            own = np.flatnonzero((points.member == number) & (points.row < store.rows))
            own = own[ids[points.row[own]] == points.sample_id[own]]
            fit[own] = cosines[points.row[own]]
        count = min(max(1, round(SHARE * points.n)), MOST, int(np.isfinite(fit).sum()))
        result[np.argsort(-fit, kind="stable")[:count]] = True
        return result

    def _cosines(self, store: EmbeddingStore, vector: Array) -> Iterator[tuple[Array, Array]]:
        for start in range(0, store.rows, ROWS):
            chunk = store.read(Piece(start, min(start + ROWS, store.rows)))
            yield self.space.joint(chunk.x) @ vector, chunk.sample_id


def phrases_of(stores: tuple[EmbeddingStore, ...], texts: Texts) -> Phrases:
    """The search by phrases in `stores`.

    Raises
    ------
    InputError
        They are not there, or not of the model of the text vectors.
    """
    space = own_space(stores[0]) if stores else None
    if space is None:
        raise InputError("--texts needs the stores of the map, made by a model of images and texts such as CLIP")
    texts_that_fit(space, stores[0], texts)
    return Phrases(stores, texts, space)

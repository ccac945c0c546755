"""The training rows themselves: those most similar to a row vote for its class.

A neighbour's vote weighs ``exp(cosine similarity / 0.07)``, as in DINO (Caron et al. 2021, "Emerging properties in
self-supervised vision transformers"). The score of a class is the logarithm of its share in the votes, after one more
vote, of average weight, was divided among all classes with training rows: so that no share is nought.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gapscope.core.errors import ConfigMismatchError
from gapscope.core.location import Location
from gapscope.probes.nearest import Nearest, nearest
from gapscope.probes.rules.linear import NEVER
from gapscope.store import ArrayStore, EmbeddingStore, View, open_store

VOTE_TEMPERATURE = 0.07


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The k nearest of the labelled rows of a view vote.

    Rows on disk stay there, and are read again for every 4096 rows that are classified; what is saved, and what travels
    to workers, is where they are.

    Attributes
    ----------
    rows
        The training rows.
    class_rows : (C,) int64
        How many of them each class has.
    k
        Number of neighbours.
    temperature
        How fast votes lose weight with the angle.
    """

    rows: View
    class_rows: np.ndarray
    k: int
    temperature: float = VOTE_TEMPERATURE
    kind: ClassVar[str] = "neighbours"

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Scores ``(n, C)`` float32 of ``x : (n, d)``."""
        return vote(nearest(x, self.rows, self.k), self.k, self.class_rows, self.temperature)

    def tensors(self) -> dict[str, np.ndarray]:
        """See `Rule.tensors`: of rows in memory, the rows."""
        counts = {"class_rows": self.class_rows}
        if isinstance(self.rows.store, EmbeddingStore):
            return counts
        chunk = self.rows.read()
        return counts | {"x": chunk.x, "y": chunk.y}

    def settings(self) -> dict[str, Any]:
        """See `Rule.settings`: of rows on disk, where they are."""
        settings: dict[str, Any] = {"k": self.k, "temperature": self.temperature}
        store = self.rows.store
        if isinstance(store, EmbeddingStore):
            place = {"store": str(store.folder.absolute()), "config_hash": store.manifest.config_hash}
            settings |= place | {"start": self.rows.start, "stop": self.rows.stop}
        return settings

    @classmethod
    def restore(cls, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> "Neighbours":
        """See `Rule.restore`.

        Raises
        ------
        SchemaError
            The store of the training rows is gone.
        ConfigMismatchError
            Another store stands in its place.
        """
        if "store" in settings:
            rows = opened(settings)
        else:
            names = [str(index) for index in range(len(tensors["class_rows"]))]
            rows = ArrayStore(tensors["x"], tensors["y"], names).view()
        return cls(rows, tensors["class_rows"], settings["k"], settings["temperature"])


def opened(settings: Mapping[str, Any]) -> View:
    """The training rows on disk, if they are still those that the model was trained on."""
    store = open_store(Location(settings["store"]))
    if store.manifest.config_hash != settings["config_hash"] or store.rows < settings["stop"]:
        raise ConfigMismatchError(
            f"the rows in {store.folder} are not those that the neighbours were taken from "
            f"(configuration {store.manifest.config_hash[:8]}, wanted {settings['config_hash'][:8]}); train again"
        )
    return store.view(settings["start"], settings["stop"])


def vote(result: Nearest, k: int, class_rows: np.ndarray, temperature: float = VOTE_TEMPERATURE) -> np.ndarray:
    """Scores ``(n, C)`` float32 from the first `k` of the rows that were found; `NEVER` for a class without rows."""
    known = class_rows > 0
    similarity, label = result.similarity[:, :k], result.label[:, :k]
    weight = np.exp((similarity - 1) / temperature)  # -inf, where there are fewer than k rows, weighs nothing
    n, classes = len(weight), len(class_rows)
    cells = np.arange(n)[:, None] * classes + np.maximum(label, 0)
    votes = np.bincount(cells.ravel(), weight.ravel(), minlength=n * classes).reshape(n, classes)
    one = weight.sum(axis=1) / np.maximum((label >= 0).sum(axis=1), 1)
    votes = votes + (one / known.sum())[:, None]
    total = votes[:, known].sum(axis=1, keepdims=True)
    shares = np.divide(votes, total, out=np.full_like(votes, 1 / known.sum()), where=total > 0)
    return np.where(known, np.log(shares), NEVER).astype(np.float32)

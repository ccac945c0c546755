"""The predictions of one model for the rows of one set, in memory."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

UNLABELLED = -1


@dataclass(frozen=True, eq=False)
class Predictions:
    """One model's answers for n rows; about 50 bytes a row without scores.

    Attributes
    ----------
    model, dataset, split
        What tables and figures call them.
    class_names
        By class index, k of them.
    sample_id : (n,) int64
        The same for the same image in the files of all models.
    label : (n,) int32
        Class index, -1 where unknown.
    top : (n, t) int32
        Classes, best first; ``t >= 1``.
    confidence : (n,) float32 or None
        Probability of the best class.
    log_likelihood : (n,) float32 or None
        Of the label, in nats.
    scores : (n, k) or None
        Logarithms of probabilities up to a constant for each row; may be a memory map.
    is_synthetic : (n,) bool or None
        Which rows a generator has made; None where none.
    digest : (n,) uint64 or None
        Of the bytes that each image was made from, where a network has read them.
    image : (n,) text of Arrow, or None
        The names of the images, where a file has them.
    store
        Where the stored rows lie that these are of; empty where that is not known.
    """

    model: str
    dataset: str
    split: str
    class_names: tuple[str, ...]
    sample_id: np.ndarray
    label: np.ndarray
    top: np.ndarray
    confidence: np.ndarray | None = None
    log_likelihood: np.ndarray | None = None
    scores: np.ndarray | None = None
    is_synthetic: np.ndarray | None = None
    digest: np.ndarray | None = None
    image: pa.Array | None = None
    store: str = ""

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.label)

    @property
    def name(self) -> str:
        """``dataset/split``."""
        return f"{self.dataset}/{self.split}" if self.split else self.dataset

    @property
    def predicted(self) -> np.ndarray:
        """The best class of each row, ``(n,)``."""
        return self.top[:, 0]

    @property
    def known(self) -> np.ndarray:
        """Which rows have a label, ``(n,) bool``."""
        return self.label != UNLABELLED

    @property
    def right(self) -> np.ndarray:
        """Which rows are given their label, ``(n,) bool``; False where it is unknown."""
        return self.predicted == self.label

    def labelled(self) -> "Predictions":
        """The rows that have a label."""
        return self.rows(np.flatnonzero(self.known))

    def rows(self, chosen: np.ndarray) -> "Predictions":
        """The rows at the positions ``chosen : (m,)``."""
        columns = {name: getattr(self, name) for name in COLUMNS}
        picked = {name: None if column is None else column[chosen] for name, column in columns.items()}
        image = None if self.image is None else self.image.take(pa.array(chosen))
        return replace(self, **picked, image=image)

    def accuracy(self) -> float:
        """Share of the labelled rows that are given their label; NaN without any."""
        known = self.known
        return float(self.right[known].mean()) if known.any() else float("nan")

    def counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Right answers and labelled rows of each class, both ``(k,) int64``."""
        label, right = self.label[self.known], self.right[self.known]
        classes = len(self.class_names)
        return np.bincount(label[right], minlength=classes), np.bincount(label, minlength=classes)


COLUMNS = ("sample_id", "label", "top", "confidence", "log_likelihood", "scores", "is_synthetic", "digest")

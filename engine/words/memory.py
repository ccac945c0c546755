"""The memory that a comparison in words takes, known before the first row of its sets is read."""

from collections.abc import Sequence

from gapscope.core.budget import Budget, parse_bytes
from gapscope.store import EmbeddingStore
from gapscope.words.similarity import ROWS
from gapscope.words.texts import Texts

# Numbers of 8 bytes for each cosine of a row, each of its features, and each number of its vector beside the texts.
COSINES, FEATURES, JOINT = 6, 3, 2


def check_memory(stores: Sequence[EmbeddingStore], texts: Texts, predictions: int, *, allowed: str) -> None:
    """Refuse, before the first row is read, sets that would not fit beside the bytes of `predictions`.

    Raises
    ------
    BudgetError
        The projected need is above what is `allowed`, such as ``2GB``.
    """
    rows = [min(store.rows, ROWS) for store in stores]
    cosines = COSINES * (len(texts.phrases) + len(texts.null)) + JOINT * texts.dim
    needed = predictions + sum(8 * n * (cosines + FEATURES * one.dim) for n, one in zip(rows, stores, strict=True))
    needed += sum(8 * 4 * store.dim**2 for store in stores)
    what = f"comparing {sum(rows):,} rows in {len(texts.phrases):,} phrases"
    Budget(parse_bytes(allowed)).require(needed, what, "name a file of fewer --texts, or raise --memory")

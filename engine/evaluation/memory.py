"""The memory that predicting a stored set takes, known before its first row is read."""

from collections.abc import Sequence

from gapscope.attributes.memory import NAMED
from gapscope.core.budget import Budget, parse_bytes
from gapscope.core.location import Location
from gapscope.predictions.memory import check_predictions, predictions_bytes
from gapscope.store import EmbeddingStore
from gapscope.store.selected import Selected
from gapscope.stream import CHUNK_ROWS, chunk_bytes
from gapscope.summaries.scores import rank_bins

# Arrays of the scores of a chunk beside those of every chunk, in float64; bytes a class of what is counted of them.
SCORES, COUNTED = 6, 400
# Bytes of each row's predictions, of which freed memory keeps some; and of a part of them on its way to its file.
PREDICTED, PART = 150, 2**24


def bytes_of_chunk(dim: int, classes: int, threads: int) -> int:
    """A chunk with its scores, and counts so far, of a chunk, and of both, on each thread."""
    counts = 8 * classes * classes + classes * (COUNTED + 8 * rank_bins(classes))
    return threads * (PART + chunk_bytes(dim, classes) + 8 * SCORES * CHUNK_ROWS * classes + 3 * counts)


def bytes_of_set(store: EmbeddingStore | Selected, classes: int, threads: int, kept: int = PREDICTED) -> int:
    """What predicting a stored set takes, with so many bytes `kept` of each row."""
    return bytes_of_chunk(store.dim, classes, threads) + kept * store.rows


def check_memory(store: EmbeddingStore, classes: int, kept: int = PREDICTED, *, allowed: str, threads: int) -> None:
    """Refuse, before the first row is read, a set that cannot be predicted in so many classes, with so many bytes
    `kept` of each row.

    Raises
    ------
    BudgetError
        The projected need is above what is `allowed`, such as ``2GB``.
    """
    what = f"predicting {store.rows:,} rows of {store.dim:,} features in {classes:,} classes"
    Budget(parse_bytes(allowed)).require(bytes_of_set(store, classes, threads, kept), what, "raise --memory")


def check_joining(places: Sequence[Location], stores: Sequence[EmbeddingStore], allowed: str) -> None:
    """Refuse, before the first row is read, files of predictions that cannot be joined to the rows of stores.

    Raises
    ------
    BudgetError
        The projected need is above what is `allowed`, such as ``2GB``.
    """
    needed = [*map(predictions_bytes, places), NAMED * sum(store.rows for store in stores)]
    check_predictions("joining the predictions of these files to stored rows", needed, allowed)

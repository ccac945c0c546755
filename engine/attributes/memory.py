"""The memory that attributes and columns of stored rows take, known before the first row is read."""

from gapscope.core.budget import Budget, parse_bytes
from gapscope.core.location import Location
from gapscope.data.source import DECODED, decoders
from gapscope.predictions.memory import predictions_bytes
from gapscope.store import EmbeddingStore

# Bytes of a row of a part while it is measured; of an image that the dataset lists; of a row of a store whose names are
# looked for in a table: the name as it stands and in the forms in which it is looked for.
MEASURED, LISTED, NAMED = 4000, 300, 1500
# What a table takes as values of Python, as a multiple of the same in memory.
VALUES = 4


def check_measuring(store: EmbeddingStore, allowed: str) -> None:
    """Refuse, before the first image is read, a store whose images cannot be measured a part at a time.

    Raises
    ------
    BudgetError
        The projected need is above what is `allowed`, such as ``2GB``.
    """
    rows = max((part.rows for part in store.manifest.parts), default=0)
    needed = decoders() * DECODED + MEASURED * rows + LISTED * store.provenance.fingerprint.count
    what = f"measuring {store.rows:,} images of {store.name}, {rows:,} at a time"
    Budget(parse_bytes(allowed)).require(needed, what, "raise --memory")


def check_columns(store: EmbeddingStore, table: Location, allowed: str) -> None:
    """Refuse, before the first row is read, a `table` whose columns cannot be joined to a store.

    Raises
    ------
    BudgetError
        The projected need is above what is `allowed`, such as ``2GB``.
    """
    needed = VALUES * predictions_bytes(table) + NAMED * store.rows
    what = f"joining {table} to {store.rows:,} rows of {store.name}"
    Budget(parse_bytes(allowed)).require(needed, what, "give a table of --keep columns alone, or raise --memory")

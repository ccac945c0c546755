"""The memory that a search for a cause takes, known before the first row of its sets is read.

The network, and what it computes of a few images, come on top, as libraries do.
"""

from collections.abc import Sequence

from gapscope.causes.appearance import PLACES
from gapscope.core.budget import Budget, parse_bytes
from gapscope.data.modifications import MODIFICATIONS
from gapscope.data.modifications.modification import SEVERITIES
from gapscope.data.modified import SIDE
from gapscope.data.source import DECODED, decoders
from gapscope.store import EmbeddingStore

# Bytes of an image in memory, twice as long as high.
PIXELS = 3 * 2 * SIDE**2
# Bytes of a row of a set: its label, as stored and as the model has it, and which rows are of a class.
ROW = 50
# Matrices of all pairs of images that are compared at once, and versions of the images beside each cause at every
# severity.
PAIRS, VERSIONS = 64, 60


def check_memory(stores: Sequence[EmbeddingStore], *, own: int, images: int, allowed: str, threads: int) -> None:
    """Refuse, before the first row is read, so many `images` of each set, with all causes and so many of the user's
    `own`, that would not fit.

    Raises
    ------
    BudgetError
        The projected need is above what is `allowed`, such as ``2GB``.
    """
    rows = ROW * sum(store.rows for store in stores)
    versions = VERSIONS + (len(MODIFICATIONS) + own) * len(SEVERITIES)
    features = 4 * (stores[0].dim + len(PLACES)) * min(images, stores[0].rows) * versions
    pictures = PIXELS * sum(min(images, store.rows) for store in stores)
    needed = rows + features + pictures + 8 * PAIRS * (images // 2) ** 2 + min(threads, decoders()) * DECODED
    what = f"looking for a cause in {images:,} images of each set"
    Budget(parse_bytes(allowed)).require(needed, what, "ask for fewer --images, or raise --memory")

"""The memory that a network's predictions take beside the network itself, known before the first image is read."""

from gapscope.cnn.images import AHEAD
from gapscope.cnn.view import CHUNK_BYTES
from gapscope.core.budget import Budget, parse_bytes
from gapscope.evaluation.memory import bytes_of_chunk
from gapscope.networks.design import Design
from gapscope.stream import CHUNK_ROWS

# Bytes of each image that is listed: its name, label and digest, and what looks for copies among these.
LISTED = 300


def check_predicting(name: str, images: int, design: Design, allowed: str) -> None:
    """Refuse, before the first image is read, so many `images` of the set `name` that a network cannot predict.

    Raises
    ------
    BudgetError
        The projected need is above what is `allowed`, such as ``2GB``.
    """
    pixels = min(CHUNK_BYTES, CHUNK_ROWS * design.frame.pixels)
    needed = LISTED * images + 2 * (1 + AHEAD) * pixels + bytes_of_chunk(0, design.classes, 1)
    what = f"predicting {images:,} images of {name} in {design.classes:,} classes"
    Budget(parse_bytes(allowed)).require(needed, what, "raise --memory")

"""The three verbs over data too big for memory: `each`, `fold` and `scan`."""

from gapscope.stream.memory import chunk_bytes
from gapscope.stream.schedule import SHARDS, Rounds
from gapscope.stream.verbs import CHUNK_ROWS, Step, each, fold, scan
from gapscope.stream.workers import Workers, connect

__all__ = ["CHUNK_ROWS", "SHARDS", "Rounds", "Step", "Workers", "chunk_bytes", "connect", "each", "fold", "scan"]

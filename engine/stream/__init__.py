"""The three verbs over data too big for memory: `each`, `fold` and `scan`."""

from engine.stream.schedule import SHARDS, Rounds
from engine.stream.verbs import CHUNK_ROWS, Step, each, fold, scan
from engine.stream.workers import Workers, connect

__all__ = ["CHUNK_ROWS", "SHARDS", "Rounds", "Step", "Workers", "connect", "each", "fold", "scan"]

"""Whether synthetic rows may be trained on: realism, class agreement, copies, and the filter that follows from them."""

from engine.realism.assess import assess
from engine.realism.copies import Copies, find_copies
from engine.realism.filter import Filtered, FilterOptions, Origin, filter_rows
from engine.realism.sets import Sets
from engine.realism.table import REASONS, SYNTHETIC_SCHEMA

__all__ = [
    "REASONS",
    "SYNTHETIC_SCHEMA",
    "Copies",
    "FilterOptions",
    "Filtered",
    "Origin",
    "Sets",
    "assess",
    "filter_rows",
    "find_copies",
]

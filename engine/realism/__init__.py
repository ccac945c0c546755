"""Whether synthetic rows may be trained on: realism, class agreement, copies, and the filter that follows from them."""

from gapscope.realism.assess import assess
from gapscope.realism.copies import SyntheticCopies, find_copies
from gapscope.realism.filter import Filtered, FilterOptions, Origin, filter_rows
from gapscope.realism.sets import Sets
from gapscope.realism.table import REASONS, SYNTHETIC_SCHEMA

__all__ = [
    "REASONS",
    "SYNTHETIC_SCHEMA",
    "FilterOptions",
    "Filtered",
    "Origin",
    "Sets",
    "SyntheticCopies",
    "assess",
    "filter_rows",
    "find_copies",
]

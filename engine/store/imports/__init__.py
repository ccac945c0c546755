"""Features of any size and format into an embedding store, shuffled, in memory that does not grow with them."""

from gapscope.store.imports.build import import_rows
from gapscope.store.imports.job import Import

__all__ = ["Import", "import_rows"]

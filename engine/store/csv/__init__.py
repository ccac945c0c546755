"""CSV files of any size into an embedding store, in memory that does not grow with them."""

from gapscope.store.csv.build import Import, import_csv

__all__ = ["Import", "import_csv"]

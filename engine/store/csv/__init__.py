"""CSV files of any size as rows to import, in memory that does not grow with them."""

from gapscope.store.csv.source import CsvSource

__all__ = ["CsvSource"]

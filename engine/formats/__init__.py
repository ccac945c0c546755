"""Files of features that other programs have written, as rows to import."""

from gapscope.formats.open import FORMATS, open_tables

__all__ = ["FORMATS", "open_tables"]

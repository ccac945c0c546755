"""Pictures from plain arrays: one file for each kind of figure, each function returns a figure and `png` its bytes."""

from gapscope.draw.canvas import COLUMN, PAGE, Size, png

__all__ = ["COLUMN", "PAGE", "Size", "png"]

"""What a page is made of, and how it looks on a terminal, in Markdown and in HTML."""

from gapscope.blocks.blocks import (
    Answer,
    Block,
    Estimate,
    Figure,
    Gallery,
    Heading,
    Picture,
    Sentence,
    Table,
    Warning,
    estimate,
    of_row,
)

__all__ = [
    "Answer",
    "Block",
    "Estimate",
    "Figure",
    "Gallery",
    "Heading",
    "Picture",
    "Sentence",
    "Table",
    "Warning",
    "estimate",
    "of_row",
]

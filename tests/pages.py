"""What tests read of a page: its tables, its sentences."""

from gapscope.blocks import Sentence, Table, Warning


def tables_of(result):
    """The tables on the page of a result."""
    return [block for block in result.blocks if isinstance(block, Table)]


def texts_of(result):
    """The sentences and warnings on the page of a result."""
    return [block.text for block in result.blocks if isinstance(block, Sentence | Warning)]

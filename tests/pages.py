"""What tests read of a page: its tables."""

from gapscope.blocks import Table


def tables_of(result):
    """The tables on the page of a result."""
    return [block for block in result.blocks if isinstance(block, Table)]

"""The page of predictions of files that were joined to stored images: what they are worth, how they were matched."""

from gapscope.blocks import Block
from gapscope.evaluation import page as measured
from gapscope.runs.run import Run, note_blocks

JOIN = "join"


def page(run: Run) -> list[Block]:
    """The page of measured models, with what became of the rows of the files behind its answer."""
    blocks = measured.page(run)
    answers = 1 if run.headline else 0
    return [*blocks[:answers], *note_blocks(run.json(JOIN) or []), *blocks[answers:]]

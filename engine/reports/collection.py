"""What a report of one or several runs is made of: the answer and its evidence, then the other runs."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from gapscope.blocks import Block, Figure, Gallery, Heading, Sentence, Warning
from gapscope.blocks.formats import listed, upper
from gapscope.blocks.html import Part
from gapscope.core.errors import InputError
from gapscope.reports.accuracies import accuracy_blocks
from gapscope.reports.along import along_blocks
from gapscope.reports.cause import with_cause
from gapscope.reports.pages import page_of, rank_of
from gapscope.reports.provenance import differences, provenance, warnings_of
from gapscope.reports.samples import Images, sample_blocks
from gapscope.runs.run import FIGURES, Run

# Bytes of all pictures together; a page must stay below 10 MB, and base64 makes four of three.
PICTURE_BYTES = 6_000_000
# A run with several models has the pictures of each; what is more than this stays in its folder.
OTHERS = 12


class Report(NamedTuple):
    """A title, the blocks of the run that answers, and the other runs: what `gapscope.blocks.html.document` takes."""

    title: str
    blocks: list[Block]
    parts: list[Part]


def collected(runs: Sequence[Run], images: Images) -> Report:
    """The pages of all runs, that of the run which ranks first in front.

    Raises
    ------
    InputError
        There is no run.
    """
    if not runs:
        raise InputError("no run to report on; name one or several folders below runs/")
    runs = [replace(run, beside=tuple(runs)) for run in runs]
    first, *others = sorted(runs, key=rank_of)
    budget = Budget(PICTURE_BYTES)
    blocks = list(budget.spent(with_cause(first, others, findings(first, images))))
    if others:
        blocks = [*map(Warning, differences(runs)), *blocks, *accuracy_blocks(runs)]
    blocks += provenance(first)
    parts = [
        Part(f"run-{place}", run.name, [*budget.spent(findings(run, images)), *provenance(run)])
        for place, run in enumerate(others, 2)
    ]
    return Report(listed([run.name for run in (first, *others)]), blocks, parts)


def findings(run: Run, images: Images) -> list[Block]:
    """The page of a run with warnings in front and the images of its errors behind."""
    page = page_of(run)
    said = {block.text for block in page if isinstance(block, Warning | Sentence)}
    warnings = [Warning(text) for text in warnings_of(run) if text not in said]
    samples = sample_blocks(run, images)
    samples = _with_gallery(samples, along_blocks(run, images.data_root))
    shown = {block.name for block in [*page, *samples] if isinstance(block, Figure)}
    return [*warnings, *page, *samples, *_other_figures(run, shown)]


def _with_gallery(samples: list[Block], along: list[Block]) -> list[Block]:
    """The images of errors with those along an attribute behind, under one heading."""
    heading = [] if samples or not along else [Heading("samples", "Images")]
    return [*heading, *samples, *along]


def _other_figures(run: Run, shown: set[str]) -> list[Block]:
    """The figures of a run that no section shows, folded."""
    rest = [name for name in run.pictures if name not in shown]
    figures = [Figure(name, run.place / FIGURES / f"{name}.png", _words(name)) for name in rest[:OTHERS]]
    more = [Sentence(f"{len(rest) - OTHERS} more are in {run.place}/{FIGURES}.")] if len(rest) > OTHERS else []
    return [Heading("figures", "Other figures", folded=True), *more, *figures] if rest else []


def _words(name: str) -> str:
    """The name of a file as words."""
    return upper(name.replace("-", " ").replace("_", " "))


class Budget:
    """How many bytes of pictures there is still room for."""

    def __init__(self, allowed: int):
        self.left = allowed

    def spent(self, blocks: Iterable[Block]) -> Iterable[Block]:
        """The blocks, without the pictures for which there is no room; the last of a section says which these are."""
        missing: list[str] = []
        for block in blocks:
            if isinstance(block, Heading) and missing:
                yield _left_out(missing)
                missing = []
            size = _bytes(block)
            if size <= self.left:
                self.left -= size
                yield block
            else:
                missing.append(block.title if isinstance(block, Gallery) else block.name)
        if missing:
            yield _left_out(missing)


def _left_out(names: Sequence[str]) -> Sentence:
    return Sentence(f"Left out to keep this file small, and in the run's folder: {listed(names)}.")


def _bytes(block: Block) -> int:
    """Bytes of the pictures of a block."""
    if isinstance(block, Gallery):
        return sum(3 * len(image.src or "") // 4 for image in block.images)
    return len(block.png()) if isinstance(block, Figure) else 0

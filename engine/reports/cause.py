"""The cause of a gap on the first screen of its report, where a run of `explain` has looked for one."""

from collections.abc import Sequence

from gapscope.blocks import Answer, Block, Heading, Sentence
from gapscope.causes.page import headline, picture_blocks, why
from gapscope.causes.record import FINDINGS
from gapscope.core.errors import GapscopeError
from gapscope.runs.run import Run, read_run

JOB = "explain"
# What both runs have to be about.
SAME = ("reference", "target", "model")


def with_cause(gap: Run, runs: Sequence[Run], blocks: Sequence[Block]) -> list[Block]:
    """The `blocks` of a gap with the cause behind the answer: that of one of `runs`, or of a run in the same folder."""
    found = _explanation(gap, [*runs, *_beside(gap)])
    findings = found.json(FINDINGS) if found else None
    places = [place for place, block in enumerate(blocks, 1) if isinstance(block, Answer)]
    if found is None or not findings or not places:
        return list(blocks)
    text = " ".join([f"{headline(findings)}.", *why(findings), f"{found.command('report')} has the proof."])
    images = [block for block in picture_blocks(found, findings) if not isinstance(block, Heading)]
    return [*blocks[: places[0]], Sentence(text, headline=True), *images, *blocks[places[0] :]]


def _explanation(gap: Run, runs: Sequence[Run]) -> Run | None:
    """The first that explains the same two sets for the same model."""
    wanted = [gap.manifest.config.get(name) for name in SAME]
    alike = (run for run in runs if [run.manifest.config.get(name) for name in SAME] == wanted)
    return next((run for run in alike if run.job == JOB), None) if gap.job == "gap" else None


def _beside(gap: Run) -> list[Run]:
    """The finished runs of `explain` that lie beside a gap."""
    folder = gap.place.parent
    result = []
    for name in folder.names() if gap.job == "gap" else ():
        try:
            result += [read_run(folder / name)] if name.startswith(f"{JOB}-") else []
        except GapscopeError:
            continue  # unfinished or damaged: it has its own message where it is asked for
    return result

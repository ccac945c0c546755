"""`report`: one offline page about one or several runs."""

import time
from dataclasses import field
from typing import TYPE_CHECKING

from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.options import DataRoot, Memory, Out, Runs, Seed, Workspace, configuration, data_root

if TYPE_CHECKING:
    from gapscope.runs.result import RunResult

JOB = "report"


@configuration
class ReportConfig:
    """Write one offline page about one or several runs: the answer first, then the evidence.

    The page is a single HTML file of less than 10 MB that needs no network. The run that can say most, a gap or a
    study, gives the answer and its evidence: what was lost, between which sets, why, what to do and how sure that is;
    then classes, confusions, images of the most certain errors and where the numbers come from, as far as the run has
    them. The other runs stand folded below. When --out is not given it is report.html in the folder of the run, or, of
    several, in their workspace. With --json, all that it says is printed for programs. Takes seconds.

        python cli.py report gap-night
        python cli.py report gap-night shift-night --out night.html
    """

    runs: Runs = field(default=(), kw_only=False)
    out: Out = ""
    memory: Memory = "2GB"
    workspace: Workspace = "workspace"
    data_root: DataRoot = field(default_factory=data_root)
    seed: Seed = 0


def run(config: ReportConfig, progress: Progress = SILENT) -> "RunResult":
    """Read the runs, write the page."""
    from gapscope.blocks import Heading
    from gapscope.core.location import Location
    from gapscope.core.text import counted
    from gapscope.reports.write import REPORT, read_report, written
    from gapscope.runs.result import RunResult
    from gapscope.runs.run import find_run

    begun = time.perf_counter()
    if not config.runs:
        raise InputError("no run to report on; name one or several, such as gap-night or workspace/runs/gap-night")
    workspace = Location.of(config.workspace)
    runs = [find_run(workspace, name).absolute() for name in dict.fromkeys(config.runs)]
    out = Location.of(config.out).absolute() if config.out else None
    progress.say(f"writing the report of {counted(len(runs), 'run')}")
    report = read_report(runs, data_root=config.data_root, seed=config.seed, memory=config.memory)
    out = out or (runs[0] if len(runs) == 1 else runs[0].parent.parent) / REPORT
    about = written(report, out)
    others = [block for part in report.parts for block in (Heading(part.name, part.title, folded=True), *part.blocks)]
    blocks = [*report.blocks, *others, about]
    return RunResult(JOB, str(out.parent), time.perf_counter() - begun, blocks=blocks)

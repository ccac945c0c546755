"""One offline page about one or several runs: a dictionary of plain values first, then HTML from it alone."""

from gapscope.reports.page.findings import findings
from gapscope.reports.page.render import render
from gapscope.runs.run import Run, read_run

__all__ = ["Run", "findings", "read_run", "render"]

"""One offline page about one or several runs: a dictionary of plain values first, then HTML from it alone."""

from engine.report.page.findings import findings
from engine.report.page.render import render
from engine.report.page.run import Run, read_run

__all__ = ["Run", "findings", "read_run", "render"]

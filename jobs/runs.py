"""`runs`: the runs of a workspace."""

import time
from typing import TYPE_CHECKING

from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.options import Workspace, configuration

if TYPE_CHECKING:
    from gapscope.runs.result import RunResult

JOB = "runs"


@configuration
class RunsConfig:
    """List the runs of a workspace: their command, whether they are finished, and how accurate they are.

    python cli.py runs
    python cli.py runs --workspace s3://bucket/name
    """

    workspace: Workspace = "workspace"


def run(config: RunsConfig, progress: Progress = SILENT) -> "RunResult":
    """Read the manifests."""
    from gapscope.blocks import Sentence, Table, Warning
    from gapscope.core.location import Location
    from gapscope.runs.result import RunResult
    from gapscope.runs.run import list_runs

    begun = time.perf_counter()
    workspace = Location.of(config.workspace)
    found = list_runs(workspace)
    rows = [(one.name, one.job, one.status, one.seconds, one.accuracy) for one in found]
    columns = {"run": "text", "command": "text", "status": "text", "seconds": "number", "best accuracy": "share"}
    table = Table(f"Runs in {workspace / 'runs'}", columns, rows, headline=True, whole=True)
    nothing = Sentence(f"There are no runs in {workspace / 'runs'}.", headline=True)
    damaged = [Warning(one.damage) for one in found if one.damage]
    return RunResult(JOB, "", time.perf_counter() - begun, blocks=[table if rows else nothing, *damaged])

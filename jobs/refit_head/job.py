"""The door to `refit-head`: options in, a report out."""

from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.refit_head.config import RefitHeadConfig
from gapscope.jobs.reported import reported
from gapscope.runs.folder import opened
from gapscope.runs.result import RunResult
from gapscope.store.workspace import slug

JOB = "refit-head"


def run(config: RefitHeadConfig, progress: Progress = SILENT) -> RunResult:
    """Check all that is asked for, then learn the last layer of each network again and evaluate it."""
    from gapscope.jobs.refit_head.method import (
        method_of,  # here, because `--help` passes this module and torch takes seconds
    )
    from gapscope.jobs.refit_head.origin import origin_of
    from gapscope.jobs.refit_head.settled import settled
    from gapscope.jobs.refit_head.steps import finished
    from gapscope.jobs.refit_head.unseen import unseen_sets
    from gapscope.jobs.refit_head.work import Work

    method = method_of(config)
    origin = origin_of(config)
    config = settled(config, origin)
    tests = unseen_sets(origin)
    name = slug(config.name or f"{origin.called}-{method.name} {method.balance}")
    with opened(Location.of(config.workspace).absolute(), JOB, name, config, origin.inputs()) as folder:
        found = finished(Work(config, method, origin, folder, progress), tests)
    return reported(found, wanted=config.report, images=origin.data_root)

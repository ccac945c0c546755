"""The door to `refit-head`: options in, a report out."""

from engine.core.location import Location
from engine.core.progress import SILENT, Progress
from engine.store.workspace import slug
from jobs.folder import opened
from jobs.refit_head.config import RefitHeadConfig
from jobs.report import Report
from jobs.reported import reported

JOB = "refit-head"


def run(config: RefitHeadConfig, progress: Progress = SILENT) -> Report:
    """Check all that is asked for, then learn the last layer of each network again and evaluate it."""
    from jobs.refit_head.method import method_of  # here, because `--help` passes this module and torch takes seconds
    from jobs.refit_head.origin import origin_of
    from jobs.refit_head.settled import settled
    from jobs.refit_head.steps import finished
    from jobs.refit_head.unseen import unseen_sets
    from jobs.refit_head.work import Work

    method = method_of(config)
    origin = origin_of(config)
    config = settled(config, origin)
    tests = unseen_sets(origin)
    name = slug(config.name or f"{origin.called}-{method.name} {method.balance}")
    with opened(Location.of(config.workspace).absolute(), JOB, name, config, origin.inputs()) as folder:
        found = finished(Work(config, method, origin, folder, progress), tests)
    return reported(found, wanted=config.report, images=origin.data_root)

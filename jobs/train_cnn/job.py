"""The door to `train-cnn`: options in, a report out."""

from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.reported import reported
from gapscope.jobs.train_cnn.config import TrainCnnConfig
from gapscope.runs.folder import opened
from gapscope.runs.result import RunResult
from gapscope.store.workspace import slug

JOB = "train-cnn"


def run(config: TrainCnnConfig, progress: Progress = SILENT) -> RunResult:
    """Check all that is asked for, then train the network of each seed and evaluate it."""
    from gapscope.jobs.train_cnn.begin import begun  # here, because `--help` passes this module and torch takes seconds
    from gapscope.jobs.train_cnn.settled import settled
    from gapscope.jobs.train_cnn.steps import finished
    from gapscope.jobs.train_cnn.unseen import unseen_sets
    from gapscope.jobs.train_cnn.work import Work

    config = settled(config)
    beginning = begun(config)
    tests = unseen_sets(config, beginning.dataset, beginning.source)
    name = slug(config.name or f"{beginning.dataset.name}-{config.preset or config.network}")
    with opened(Location.of(config.workspace).absolute(), JOB, name, config, [beginning.record()]) as folder:
        found = finished(Work(config, beginning, folder, progress), tests)
    return reported(found, wanted=config.report, images=config.data_root)

"""`forecast`: options refused, and the two ways in: runs and stored sets, or predictions from files."""

from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.forecasts import FORECASTS
from gapscope.jobs.forecast.config import ForecastConfig
from gapscope.runs.result import RunResult


def run(config: ForecastConfig, progress: Progress = SILENT) -> RunResult:
    """Make the forecasts, and test them where there are labels."""
    _check(config)
    if config.predictions_reference:
        from gapscope.jobs.forecast.from_files import from_files  # here, because `--help` passes this module

        return from_files(config, progress)
    from gapscope.jobs.forecast.from_stores import from_stores

    return from_stores(config, progress)


def _check(config: ForecastConfig) -> None:
    for name in config.methods:
        FORECASTS[name]  # an unknown name is refused before anything is read
    if config.replicates < 0 or config.heads < 0:
        raise InputError("--replicates and --heads are numbers of 0 or more")
    files = config.predictions_reference, config.predictions_target
    if any(files):
        if config.runs or not all(files):
            raise InputError(
                "forecasts from files need --predictions-reference and --predictions-target, and no run folder"
            )
    elif not (config.runs and config.reference and config.target):
        raise InputError(
            "forecast needs a run folder, --reference dataset/split and --target dataset/split; "
            "or --predictions-reference and --predictions-target"
        )

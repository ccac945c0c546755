"""What a run of `forecast` leaves: a result for each model, target and method."""

from collections.abc import Sequence

from gapscope.forecasts.forecast import Forecast
from gapscope.jobs.forecast.cases import Case
from gapscope.jobs.forecast.told import notes_of, tables_of
from gapscope.runs.folder import RunFolder
from gapscope.runs.result import RunResult, finite
from gapscope.schemas.results import Result

JOB = "forecast"


def finished(folder: RunFolder, cases: Sequence[Case], notes: Sequence[str]) -> RunResult:
    """Write the results, and close the run with what is told of them."""
    results = [result for case in cases for result in _results(case)]
    return folder.finish(results, tables_of(cases), notes_of(cases, notes))


def _results(case: Case) -> list[Result]:
    """The truth where it is known, then each forecast."""
    rows = []
    if case.found:
        value, low, high, n = case.found
        rows.append(_result(case, "accuracy", value, n, low=low, high=high))
    return rows + [result for one in case.made for result in _of_method(case, one)]


def _of_method(case: Case, one: Forecast) -> list[Result]:
    """A forecast and, where the truth is known, how far it is off."""
    metric = f"forecast_{one.name.replace('-', '_')}"
    rows = [_result(case, metric, finite(one.value), one.n, low=one.low, high=one.high)]
    error = finite(case.error(one))
    return rows if error is None else [*rows, _result(case, f"{metric}_error", error, case.found.n)]


def _result(case: Case, metric: str, value: float | None, n: int, **interval: float | None) -> Result:
    place = {"dataset": case.dataset, "split": case.split, "model": case.model}
    return Result(**place, metric=metric, value=value, n=n, **interval)

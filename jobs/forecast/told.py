"""What `forecast` tells a person: a table for each target, and sentences about the methods and their errors."""

from collections.abc import Sequence

import numpy as np
from gapscope.forecasts.forecast import Forecast
from gapscope.forecasts.resampled import shown
from gapscope.jobs.forecast.cases import Case
from gapscope.runs.result import Table, finite

# With more models than this, what each forecast means is left to the table.
TOLD = 2
CAVEAT = (
    "intervals are over other samples of rows of these sizes; a method's own error is not in them and is often larger"
)


def notes_of(cases: Sequence[Case], notes: Sequence[str]) -> list[str]:
    """What few forecasts mean, the errors, `notes` once each, and what no interval says."""
    told = [f"{case.model}: {one.name}: {one.sentence}" for case in cases for one in case.made]
    few = len(cases) <= TOLD
    return [*(told if few else []), *_errors(cases), *dict.fromkeys(note for note in notes if note), CAVEAT]


def _errors(cases: Sequence[Case]) -> list[str]:
    """For each target with labels, the truth; over several models, each method's mean absolute error."""
    by_target = _by_target([case for case in cases if case.found])
    lines = [_truth(name, *here) if len(here) == 1 else _mean_errors(name, here) for name, here in by_target.items()]
    return [line for line in lines if line]


def _truth(name: str, case: Case) -> str:
    return f"{case.model}: labels of {name} say {shown(*case.found[:3])}"


def _mean_errors(name: str, cases: Sequence[Case]) -> str:
    """Of several models; empty where no method made a forecast."""
    errors: dict[str, list[float]] = {}
    for case in cases:
        for one in case.made:
            errors.setdefault(one.name, []).append(abs(case.error(one)))
    told = [(method, [error for error in found if not np.isnan(error)]) for method, found in errors.items()]
    each = ", ".join(f"{method} {100 * np.mean(found):.2f}" for method, found in told if found)
    return f"mean absolute error on {name} over {len(cases)} models, in points: {each}" if each else ""


def _by_target(cases: Sequence[Case]) -> dict[str, list[Case]]:
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(case.name, []).append(case)
    return found


def tables_of(cases: Sequence[Case]) -> list[Table]:
    """For each target, a row for each model and method."""
    return [_table(name, here) for name, here in _by_target(cases).items()]


def _table(name: str, cases: Sequence[Case]) -> Table:
    labels = any(case.found for case in cases)
    columns = ["model", "method", "forecast", "95 % interval", *(["labels say", "error, points"] if labels else [])]
    rows = [_row(case, one)[: len(columns)] for case in cases for one in case.made]
    return Table(f"Accuracy on {name}, forecast without its labels", columns, rows)


def _row(case: Case, one: Forecast) -> list[str | None]:
    """All columns, those that labels fill last."""
    value, error = finite(one.value), finite(case.error(one))
    return [
        case.model,
        one.name,
        None if value is None else f"{value:.2%}",
        None if one.low is None else f"{one.low:.2%} - {one.high:.2%}",
        f"{case.found.value:.2%}" if case.found else None,
        None if error is None else f"{100 * error:+.2f}",
    ]

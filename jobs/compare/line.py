"""How far models lie above the line that models lie on, from the accuracies on two sets."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from gapscope.jobs.compare.config import CompareConfig
from gapscope.jobs.compare.results import result_of
from gapscope.predictions import Predictions
from gapscope.runs.result import Table
from gapscope.schemas.results import Result

if TYPE_CHECKING:  # these load much of SciPy, and `--help` has to be instant
    from gapscope.evaluation.comparison import Robustness
    from gapscope.inference import ProbitLine


def against_line(
    config: CompareConfig, reference: Sequence[Predictions], target: Sequence[Predictions]
) -> tuple[dict, list[Result], Table, list[str]]:
    """The line as JSON, results, a table and sentences."""
    from gapscope.evaluation.comparison import baseline_line, robustness

    given = baseline_line(config.baseline_line) if config.baseline_line else None
    line, found = robustness(reference, target, given, replicates=config.replicates, seed=config.seed)
    results = []
    for one, side in zip(found, target, strict=True):
        n = int(side.known.sum())
        results.append(result_of(side, "effective_robustness", one.value, n, low=one.low, high=one.high))
        results.append(result_of(side, "accuracy_expected_on_line", one.expected, n))
        results.append(result_of(side, "accuracy_gap", one.gap, n, low=one.gap_low, high=one.gap_high))
    return _line_json(line), results, _line_table(found), [_said_of_line(line, config.baseline_line)]


def _line_json(line: "ProbitLine") -> dict:
    return {name: value if value == value else None for name, value in asdict(line).items()}


def _line_table(found: "Sequence[Robustness]") -> Table:
    rows = [
        (
            one.model,
            f"{one.reference:.2%}",
            f"{one.target:.2%}",
            f"{one.expected:.2%}",
            f"{100 * one.value:+.2f}",
            f"{100 * one.low:+.2f} - {100 * one.high:+.2f}",
        )
        for one in sorted(found, key=lambda one: -one.value)
    ]
    columns = ("model", "reference", "target", "expected on the line", "effective robustness, points", "95 % interval")
    return Table("Against the line on probit axes", columns, rows)


def _said_of_line(line: "ProbitLine", given: str) -> str:
    of = f"of {given}" if given else f"through these {line.models} models, r {line.r:.4f}"
    return f"probit(target) = {line.intercept:.4f} + {line.slope:.4f} probit(reference), the line {of}"

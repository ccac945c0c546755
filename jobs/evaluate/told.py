"""What `evaluate` tells a person: headline metrics, reliability, and what has to be known to read them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gapscope.predictions import Predictions
from gapscope.runs.result import Table
from gapscope.schemas.results import Result

if TYPE_CHECKING:  # this loads much of SciPy, and `--help` has to be instant
    from gapscope.summaries.outcomes import Outcomes

SHOWN = ("accuracy", "mcc", "log_loss", "ece", "aurc")


def notes_of(found: Predictions, results: Sequence[Result], counts: "Outcomes") -> list[str]:
    """What has to be known to read the numbers."""
    from gapscope.data.label_order import check_label_order

    values = {result.metric: result.value for result in results if result.class_name is None}
    order = check_label_order(counts.confusion)
    said = [f"warning: {found.model} on {found.name}: {order.sentence}"] if order else []
    if counts.unlabelled:
        said.append(f"{found.name}: {counts.unlabelled:,} rows without a label were left out")
    if counts.calibration is None:
        said.append(f"{found.model} gives no probabilities, so calibration and selection were left out")
    elif counts.scores is None:
        said.append(
            f"{found.model}: the probabilities of all classes are not there, so Brier score, class-wise calibration, "
            "AUROC and average precision were left out"
        )
    if "macro_auroc_error" in values:
        auroc, precision = (values[f"macro_{name}_error"] for name in ("auroc", "average_precision"))
        said.append(
            f"{found.model} on {found.name}: from histograms, AUROC is within {auroc:.1g} and average precision within "
            f"{precision:.1g} of the value of all scores"
        )
    return said


def tables_of(results: Sequence[Result], bars: Sequence[dict]) -> list[Table]:
    """Headline metrics of all models and sets, then the reliability of a single one."""
    return [_headline(results), *_reliability_tables(bars)]


def _headline(results: Sequence[Result]) -> Table:
    found: dict[tuple[str, str], dict[str, Result]] = {}
    for result in results:
        if result.class_name is None:
            place = f"{result.dataset}/{result.split}" if result.split else result.dataset
            found.setdefault((result.model, place), {})[result.metric] = result
    metrics = [metric for metric in (*SHOWN, "real_accuracy") if any(metric in row for row in found.values())]
    rows = [
        (*place, row["accuracy"].n, *(_shown(row.get(metric)) for metric in metrics)) for place, row in found.items()
    ]
    return Table("Metrics with 95 % intervals", ("model", "set", "rows", *metrics), rows)


def _shown(result: Result | None) -> str | None:
    if result is None:
        return None
    interval = "" if result.low is None else f" ({result.low:.4f} - {result.high:.4f})"
    return f"{result.value:.4f}{interval}"


def _reliability_tables(bars: Sequence[dict]) -> list[Table]:
    """One for a single model on a single set; the file has them all."""
    if not bars or len({(bar["model"], bar["dataset"], bar["split"]) for bar in bars}) > 1:
        return []
    rows = [
        (
            f"{bar['low']:.3f} - {bar['high']:.3f}",
            bar["n"],
            *(f"{bar[name]:.4f}" for name in ("confidence", "accuracy")),
        )
        for bar in bars
    ]
    return [
        Table("Reliability: what confidences claim, what holds", ("confidence in", "rows", "claimed", "right"), rows)
    ]

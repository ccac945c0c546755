"""Every other number of a run with its reading in plain language, and the reliability of confidences, as blocks."""

from collections.abc import Mapping

from gapscope.blocks import Block, Heading, Sentence, Table, estimate, of_row
from gapscope.blocks.blocks import Cell, Kind
from gapscope.blocks.formats import metric_words, percent, set_name
from gapscope.runs.run import Row, Run
from gapscope.summaries.calibration import BINS

READINGS: Mapping[str, str] = {
    "top5_accuracy": "share of images whose class is among the five with the highest scores",
    **{f"top{k}_accuracy": f"share of images whose class is among the {k} best that are known" for k in (2, 3, 4)},
    "balanced_accuracy": "mean recall over classes, so that rare classes count as much as frequent ones",
    "log_loss": "mean negative log-likelihood of the true class; 0 is perfect, guessing among k classes gives ln k",
    "macro_precision": "mean over classes of the share of predictions that are correct",
    "macro_recall": "mean over classes of the share of images that are classified correctly",
    "macro_f1": "mean over classes of F1, the harmonic mean of precision and recall",
    "weighted_precision": "macro precision with classes weighted by their images",
    "weighted_recall": "macro recall with classes weighted by their images",
    "weighted_f1": "macro F1 with classes weighted by their images",
    "mcc": "Matthews correlation of predictions and classes; 0 is guessing, 1 is perfect",
    "cohen_kappa": "agreement with the labels beyond chance; 0 is guessing, 1 is perfect",
    "ece": f"mean difference of confidence and accuracy over {BINS} bins of equal width, closed above; 0 is calibrated",
    "adaptive_ece": f"the calibration error over {BINS} bins of equally many images",
    "best_temperature": "what scores would have to be divided by for the least log loss on this set; 1 is calibrated",
    "classwise_ece": "the calibration error of the probability of each class",
    "brier": "mean squared error of the probabilities; 0 is perfect",
    "aurc": "error rate averaged over all shares of the most confident images; lower is better",
    "augrc": "share of undetected errors averaged over all shares of the most confident images; lower is better",
    "macro_auroc": "chance that an image of a class scores higher for it than one of another class; 0.5 is guessing",
    "macro_average_precision": "area under precision and recall, mean over classes; 1 is perfect",
    "real_accuracy": "share of images whose prediction is among their valid classes",
    "real_accuracy_one_label": "the same, over the images with one valid class",
    "real_accuracy_several_labels": "the same, over the images with several valid classes",
}
# What other tables show.
SHOWN_ELSEWHERE = ("accuracy", "gap", "repair_", "forecast_")
# Of a study or a comparison there are very many, in its own tables.
SHOWN = 150
MEASURES = {"measure": "text", "model": "text", "set": "text", "value": "number", "what it says": "text"}
HEADLINE = (
    *("top2_accuracy", "top3_accuracy", "top4_accuracy", "top5_accuracy", "balanced_accuracy", "mcc"),
    *("ece", "best_temperature", "aurc", "real_accuracy", "real_accuracy_one_label", "real_accuracy_several_labels"),
)


def measure_blocks(
    run: Run, readings: Mapping[str, str] = READINGS, skipped: tuple[str, ...] = SHOWN_ELSEWHERE
) -> list[Block]:
    """A table of all measures, except those that begin with one of `skipped` and have no reading."""
    rows = [
        row
        for row in run.headline
        if row["value"] is not None and (row["metric"] in readings or not row["metric"].startswith(skipped))
    ]
    places = {(row["model"], set_name(row)) for row in rows}
    shown = [name for name in MEASURES if len(places) > 1 or name not in ("model", "set")]
    cells = [[_measured(row, readings)[name] for name in shown] for row in rows[:SHOWN]]
    of = "".join(f" of {model} on {place}" for model, place in places if len(places) == 1)
    more = "" if len(rows) <= SHOWN else f", {SHOWN} of {len(rows):,}"
    table = Table(f"Measures{of}{more}", {name: MEASURES[name] for name in shown}, cells)
    return [Heading("measures", "Other measures", folded=True), table] if cells else []


def _measured(row: Row, readings: Mapping[str, str]) -> dict[str, Cell]:
    """The cells of a measure by column."""
    metric = row["metric"]
    values = metric_words(metric), row["model"], set_name(row), of_row(row), readings.get(metric, "")
    return dict(zip(MEASURES, values, strict=True))


def headline_measures(run: Run) -> list[Block]:
    """Agreement, calibration and selection of each model on each set, a row for each."""
    by_place: dict[tuple[str, str], dict] = {}
    for row in run.headline:
        by_place.setdefault((row["model"], set_name(row)), {})[row["metric"]] = estimate(row["value"])
    shown = [name for name in HEADLINE if any(name in row for row in by_place.values())]
    kinds: dict[str, Kind] = {name: "share" if "accuracy" in name else "number" for name in shown}
    columns = {"model": "text", "set": "text"} | {metric_words(name): kind for name, kind in kinds.items()}
    rows = [[*place, *(row.get(name) for name in shown)] for place, row in by_place.items()]
    return [Table("Agreement and calibration", columns, rows, headline=True)] if shown else []


def reliability_blocks(run: Run) -> list[Block]:
    """How often predictions are correct at each level of confidence; of a single model on a single set."""
    bars = run.table("reliability")
    if not bars or len({(bar["model"], bar["dataset"], bar["split"]) for bar in bars}) > 1:
        return []
    rows = [
        [
            f"above {percent(bar['low'])} to {percent(bar['high'])}",
            bar["n"],
            estimate(bar["confidence"]),
            estimate(bar["accuracy"]),
        ]
        for bar in bars
    ]
    columns = {"confidence": "text", "images": "count", "mean confidence": "share", "correct": "share"}
    return [
        Heading("reliability", "Reliability"),
        Table(
            f"Confidence and accuracy, in the bins of the ECE, of which {BINS} cover 0 to 100 %",
            columns,
            rows,
            headline=True,
            whole=True,
        ),
        Sentence("A calibrated model is correct as often as its mean confidence says."),
    ]

"""Every other number of a run, with its reading in plain language."""

from gapscope.reports.page.blocks import Block, estimate, number, of_row, section, table
from gapscope.reports.page.forecasts import PREFIX
from gapscope.reports.page.words import set_name, upper
from gapscope.runs.run import Row, Run

READINGS = {
    "top5_accuracy": "share of images whose class is among the five best guesses",
    "balanced_accuracy": "mean recall over classes, so that rare classes count as much as frequent ones",
    "log_loss": "surprise at the true class in nats; 0 is perfect, guessing among k classes gives ln k",
    "macro_precision": "mean over classes of the share of answers that are right",
    "macro_recall": "mean over classes of the share of images that are found",
    "macro_f1": "mean over classes of F1, the harmonic mean of precision and recall",
    "weighted_precision": "the same as macro precision, classes weighted by their images",
    "weighted_recall": "the same as macro recall, classes weighted by their images",
    "weighted_f1": "the same as macro F1, classes weighted by their images",
    "mcc": "Matthews correlation of answers and classes; 0 is guessing, 1 is perfect",
    "cohen_kappa": "agreement with the labels beyond what chance gives; 0 is guessing, 1 is perfect",
    "ece": "how far confidence is from accuracy on average; 0 is honest",
    "adaptive_ece": "the same in bins of equally many images",
    "classwise_ece": "the same for the probability of each class",
    "brier": "mean squared error of the probabilities; 0 is perfect",
    "aurc": "error rate averaged over all shares of the most confident images that one may keep; lower is better",
    "augrc": "share of confident errors averaged over all shares kept; lower is better",
    "macro_auroc": "chance that an image of a class scores higher for it than one of another class; 0.5 is guessing",
    "macro_average_precision": "area under precision and recall, mean over classes; 1 is perfect",
    "trustworthiness": "how rarely points are neighbours on the map that are none in the features; 1 is never",
    "neighbour_recall": "share of a row's nearest neighbours that are near it on the map too",
    "trustworthiness_fitted": "the same among the rows that the map was laid out on",
    "neighbour_recall_fitted": "the same among the rows that the map was laid out on",
    "placement_displacement": "how far a placed row lies from its own place in the layout, of the map's radius",
    "domain_auc": "chance that features tell a row of the target from one of the reference; 0.5 is alike",
    "domain_accuracy": "how often features tell which of the two sets a row is from; 0.5 is alike",
    "gap_effective_share_reference": "share of the reference's rows that the shared ground amounts to",
    "gap_effective_share_target": "share of the target's rows that the shared ground amounts to",
    "class_drop_expected_worst": "the drop that the worst class shows by luck alone, were all classes alike",
    "class_drop_worst": "the drop of the class that fell most, as seen",
    "class_drop_detectable": "the drop from which on a single class stands out",
    "class_drop_spread": "standard deviation of the true drops between classes",
    "class_drop_homogeneity": "how unlike the classes' drops are; compare with its p-value",
    "class_drop_homogeneity_p_value": "probability of classes so unlike if all dropped alike",
    "class_drop_flagged": "classes that differ from the common drop beyond luck",
    "confusion_pairs_flagged": "confusions that moved beyond luck",
    "rows": "rows on the map",
    "fitted_rows": "rows that the map was laid out on; the others were placed among them",
}
# Told elsewhere on the page.
ELSEWHERE = ("accuracy", "gap", "repair_", PREFIX)
# Of a study or a comparison there are very many, told by its own tables.
SHOWN = 150
VERDICTS = {"statistic": "text", "value": "number", "p": "p", "what it says": "text"}
MEASURES = {"measure": "text", "model": "text", "set": "text", "value": "number", "what it says": "text"}


def statistics_section(run: Run) -> Block | None:
    """The verdicts of a shift, and measures of models."""
    tables = [_verdicts(run), _measures(run)]
    return section("statistics", "Statistics and what they say", tables=tables)


def _verdicts(run: Run) -> Block:
    verdicts = [one for one in run.json("verdicts") or [] if one["class_name"] is None]
    several = len({one["target"] for one in verdicts}) > 1
    rows = [
        [
            _spelled(one["statistic"]),
            estimate(one["value"], one["low"], one["high"]),
            number(one["p"]),
            f"{one['target']}: {one['sentence']}" if several else upper(one["sentence"]),
        ]
        for one in verdicts
    ]
    return table("How far the sets lie apart", VERDICTS, rows)


def _measures(run: Run) -> Block:
    told = {one["statistic"] for one in run.json("verdicts") or []}
    rows = [row for row in run.headline if _is_measure(row) and not _told(row["metric"], told | _own(run))]
    found = [
        [_spelled(row["metric"]), row["model"], set_name(row), of_row(row), READINGS.get(row["metric"], "")]
        for row in rows[:SHOWN]
    ]
    more = "" if len(rows) <= SHOWN else f", {SHOWN} of {len(rows):,}"
    return table(f"Measures{more}", MEASURES, found)


def _is_measure(row: Row) -> bool:
    metric = row["metric"]
    return row["value"] is not None and (metric in READINGS or not metric.startswith(ELSEWHERE))


def _own(run: Run) -> set[str]:
    """What the section of a study tells of each model."""
    return {"effective_robustness"} if run.job == "study-imagenet-v2" else set()


def _told(metric: str, statistics: set[str]) -> bool:
    return any(metric in (name, f"{name}_p_value", f"{name}_effect") for name in statistics)


def _spelled(metric: str) -> str:
    words = metric.replace("_p_value", ", p-value").replace("_", " ")
    short = {"ece": "ECE", "mcc": "MCC", "f1": "F1", "auroc": "AUROC", "aurc": "AURC", "augrc": "AUGRC", "auc": "AUC"}
    return " ".join(short.get(word, word) for word in words.split(" "))

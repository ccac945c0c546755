"""What trainings gain over another, and how models differ on the same images."""

from collections.abc import Callable, Mapping

from gapscope.reports.page.augmentation import augmentation_section
from gapscope.reports.page.blocks import Block, estimate, figure, number, section, table
from gapscope.reports.page.replicated_models import replication_section
from gapscope.reports.page.verdicts import verdict
from gapscope.reports.page.words import percent, points, set_name
from gapscope.runs.run import Row, Run

MATRIX = {"trained on": "text", "tested on": "text", "accuracy": "share", "accuracy on what was learnt": "share"}
GAINS = {"trained on": "text", "tested on": "text", "gained": "change", "adjusted p": "p", "verdict": "text"}
CHANGES = {
    "class": "text",
    "modification": "text",
    "change": "text",
    "F1, points": "change",
    "adjusted p": "p",
    "verdict": "text",
}
PAIRS = {
    "model": "text",
    "against": "text",
    "set": "text",
    "difference": "change",
    "only the first is right": "count",
    "only the other is right": "count",
    "adjusted p": "p",
}
SHOWN = 100
SPELLED = {"lost": "lost by the modification", "won": "won by training on it"}


def study_section(run: Run) -> Block | None:
    """What a study has found, where the run is one."""
    section_of = STUDIES.get(run.job)
    return section_of(run) if section_of else None


def modification_section(run: Run) -> Block | None:
    """Accuracy of each training on each test set, gains over the first, and the classes that change."""
    rows = [row for row in run.table("accuracies") if row["seed"] is None]
    if not rows:
        return None
    gains = run.table("differences")
    tables = [
        table("Each training on each test set", MATRIX, map(_cell, rows)),
        table(f"Gained over training on {rows[0]['trained_on']}", GAINS, map(_gain, gains)),
        _changes(run),
    ]
    about = (
        "Accuracy is the mean over seeds; a gain is compared on the same images, tested for all pairs of training and "
        "test set together. Changes of classes are drawn towards the mean change as far as their few images demand."
    )
    figures = [figure(name, run.picture(name), alt, f"{alt}.") for name, alt in _alts(run, rows, gains).items()]
    return section("study", "Trained on one, tested on another", sentences=[about], tables=tables, figures=figures)


def _cell(row: Row) -> list:
    learnt = row["train_accuracy"]
    accuracy = estimate(row["accuracy"], row["low"], row["high"])
    return [row["trained_on"], row["tested_on"], accuracy, None if learnt is None else estimate(learnt)]


def _gain(row: Row) -> list:
    value = estimate(row["value"], row["low"], row["high"])
    return [row["trained_on"], row["tested_on"], value, number(row["adjusted_p"]), verdict(row)]


def _changes(run: Run) -> Block:
    rows = [row for row in run.table("changes") if number(row["shrunk"]) is not None]
    order = sorted(rows, key=lambda row: (not row["flagged"], -abs(row["shrunk"])))
    found = [
        [
            row["class"],
            row["modification"],
            SPELLED.get(row["change"], row["change"]),
            estimate(row["shrunk"], row["low"], row["high"]),
            number(row["adjusted_p"]),
            "beyond chance" if row["flagged"] else "may be chance",
        ]
        for row in order[:SHOWN]
    ]
    return table("Classes that change most", CHANGES, found)


def _alts(run: Run, rows: list[Row], gains: list[Row]) -> dict[str, str]:
    """What each picture shows, with what was found."""
    own = [row for row in rows if row["trained_on"] == rows[0]["trained_on"]]
    worst = min(own, key=lambda row: row["accuracy"])
    sure = [verdict(row) for row in gains]
    told = {
        "modifications": f"The same images in each of {len(own)} test sets",
        "accuracy": f"Accuracy of each training on each test set; trained on {worst['trained_on']} it is lowest on "
        f"{worst['tested_on']}, {percent(worst['accuracy'])}",
        "gains": f"Gains over training on {rows[0]['trained_on']}: {sure.count('gains')} of {len(sure)} are gains and "
        f"{sure.count('loses')} are losses beyond chance",
        "classes-lost": _class_alt(run, "lost", "Change of F1 by class under each modification"),
        "classes-won": _class_alt(run, "won", "Change of F1 by class when trained on the modification"),
    }
    return {name: alt for name, alt in told.items() if name in run.pictures}


def _class_alt(run: Run, change: str, title: str) -> str:
    rows = [row for row in run.table("changes") if row["change"] == change and row["flagged"]]
    if not rows:
        return f"{title}; no class changes beyond chance"
    most = max(rows, key=lambda row: abs(row["shrunk"]))
    return f"{title}; {most['class']} changes most, by {points(most['shrunk'])} with {most['modification']}"


def comparison_section(run: Run) -> Block | None:
    """Pairs of models on the same images."""
    rows = run.table("differences")
    if not rows or "one" not in rows[0]:
        return None
    found = [
        [
            row["one"],
            row["other"],
            set_name(row),
            estimate(row["value"], row["low"], row["high"]),
            row["only_one"],
            row["only_other"],
            number(row["adjusted_p"]),
        ]
        for row in rows
    ]
    about = (
        "Difference of the accuracies on the same images, positive where the first is better, tested by McNemar's "
        "exact test and corrected for the number of pairs."
    )
    compared = table("Models against each other on the same images", PAIRS, found)
    return section("comparison", "Comparison of models", sentences=[about], tables=[compared])


STUDIES: Mapping[str, Callable[[Run], Block | None]] = {
    "study-modifications": modification_section,
    "study-augmentation": augmentation_section,
    "study-imagenet-v2": replication_section,
}

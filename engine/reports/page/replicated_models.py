"""Each replication of a set with its line, and each model with what it lost and why."""

from collections.abc import Mapping

from gapscope.reports.page.blocks import Block, estimate, figure, number, section, table
from gapscope.reports.page.replication import (
    Found,
    first_of,
    headline_of,
    line_words,
    off_words,
    replication_of,
    turned_words,
)
from gapscope.reports.page.words import percent, points
from gapscope.runs.run import Row, Run

TITLE = "What was lost, and the line"
VARIANTS = {
    "replication": "text",
    "mean loss": "change",
    "harder images": "change",
    "rest": "change",
    "slope": "number",
    "r": "number",
}
MODELS = {
    "model": "text",
    "harder images": "change",
    "rest": "change",
    "off the line": "change",
    "adjusted p": "p",
}
PARTS = ("harder", "rest", "robustness")


def replication_section(run: Run) -> Block | None:
    """Each replication with its mean loss and line, and each model with its parts of the loss."""
    found = replication_of(run)
    if found is None:
        return None
    about = (
        "Intervals are over images, by bootstrap. Harder images: what a model would have lost had the reference's "
        "images been as hard for the other models as the replication's; the rest is lost at equal difficulty. Off the "
        "line: accuracy above what the line of the other models foretells (effective robustness), tested for all "
        "models together. Slope and r are those of the line on probit axes."
    )
    order = sorted(_models(run, found), key=lambda row: row["robustness"], reverse=True)
    tables = [
        table("Each replication", VARIANTS, [_variant(name, side) for name, side in found["by_target"].items()]),
        table(f"Each model on {found['primary']}", MODELS, map(_model, order)),
    ]
    return section("study", TITLE, sentences=[about], tables=tables, figures=figures_of(run, _alts(found)))


def _models(run: Run, found: Found) -> list[Row]:
    return [row for row in run.table("line") if row["set"] == found["primary"]]


def _variant(name: str, side: Found) -> list:
    line, harder = side["line"], side["harder"]
    return [
        name,
        estimate(side["mean_drop"], *side["mean_drop_interval"]),
        estimate(harder["mean_harder"], *harder["mean_harder_interval"]),
        estimate(harder["mean_rest"], *harder["mean_rest_interval"]),
        estimate(line["slope"], *line["slope_by_images"]),
        estimate(line["r"]),
    ]


def _model(row: Row) -> list:
    parts = [estimate(row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in PARTS]
    return [row["model"], *parts, number(row["robustness_p"])]


def figures_of(run: Run, alts: Mapping[str, str]) -> list[Block]:
    """Those of the pictures that the run has."""
    return [figure(name, run.picture(name), alt, f"{alt}.") for name, alt in alts.items() if name in run.pictures]


def _alts(found: Found) -> dict[str, str]:
    """What each picture shows, with what was found."""
    ranking, agreement, primary = found["ranking"], found["agreement"], found["primary"]
    return {
        "line": f"Accuracy of each model on {primary} against that on {found['reference']}, on probit axes; "
        f"{line_words(first_of(found))}",
        "accuracies": f"Accuracy of each model on each set; {headline_of(found)}",
        "robustness": f"How far each model lies above the line of the others; {off_words(first_of(found))}",
        "ranks": f"The order of the models on both sets; {turned_words(ranking)}",
        "agreement": "How often two models give the same answer; on average "
        f"{percent(agreement['mean_reference'])} of {found['reference']} and {percent(agreement['mean_target'])} of "
        f"{primary}",
        "forecast": f"Accuracy on {primary} foretold, each model from the others; {_foretold(agreement)}",
    }


def _foretold(agreement: Found) -> str:
    error = agreement["mean_error"][agreement["label_free"]]
    if error is None:
        return "a forecast from agreement needs a model more"
    return f"from agreement, without labels, the forecast errs by {points(error)} on average"

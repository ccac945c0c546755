"""Which classes lost, and which are answered worst."""

from collections.abc import Iterable

import numpy as np
from gapscope.evaluation.accuracy import best_models
from gapscope.inference import clopper_pearson
from gapscope.reports.page.blocks import Block, estimate, figure, number, section, table
from gapscope.reports.page.words import counted, listed, percent, points, set_name, upper
from gapscope.runs.run import Row, Run

SHOWN = 100
DROPS = {
    "class": "text",
    "drop, shrunk": "change",
    "drop, seen": "change",
    "accuracy, reference": "share",
    "accuracy, target": "share",
    "images, reference": "count",
    "images, target": "count",
    "adjusted p": "p",
    "verdict": "text",
}
RECALLS = {
    "class": "text",
    "recall": "share",
    "precision": "share",
    "F1": "share",
    "images": "count",
}


def class_section(run: Run) -> Block | None:
    """Shrunk drops where the run explains a gap, else recall, precision and F1 by class."""
    rows = run.table("classes")
    if rows and "reference_rows" in rows[0]:
        return _drops(run, rows)
    if rows and "class_mean_shift" in rows[0]:
        return _moved(rows)
    return _recalls(run)


def flagged(rows: Iterable[Row]) -> list[Row]:
    """The classes that fell by more than the others beyond luck, the worst first."""
    tested = [row for row in rows if number(row["shrunk"]) is not None]
    mean = np.mean([row["raw"] for row in tested]) if tested else 0.0
    found = [row for row in tested if row["flagged"] and row["raw"] > mean]
    return sorted(found, key=lambda row: -row["shrunk"])


def _drops(run: Run, rows: list[Row]) -> Block | None:
    tested = sorted((row for row in rows if number(row["shrunk"]) is not None), key=lambda row: -row["shrunk"])
    fell = flagged(rows)
    about = (
        "The drop of a class is drawn towards that of all classes as far as its few images demand, with 95 % intervals;"
        " seen is what the counts say. Verdicts hold for all classes together (false discovery rate of 5 %)."
    )
    what = f"{counted(len(fell), 'class', 'classes')} of {len(tested):,} fell by more than the common drop"
    told = f"{upper(what)}: {listed([row['class'] for row in fell])}." if fell else _none(tested)
    found = table(f"{_some('Drops by class', tested)}, the worst first", DROPS, map(_drop, tested[:SHOWN]))
    return section("classes", "Classes", sentences=[about, told], tables=[found], figures=_picture(run, tested, fell))


def _none(tested: list[Row]) -> str:
    return "No class is told from the common drop." if tested else "No class has images in both sets."


def _some(title: str, rows: list[Row]) -> str:
    return title if len(rows) <= SHOWN else f"{title}: {SHOWN} of {len(rows):,}"


def _drop(row: Row) -> list:
    common = "not told from the common drop"
    fell = "fell by more" if row["probability_worse"] > 0.5 else "fell by less"
    return [
        row["class"],
        estimate(row["shrunk"], row["low"], row["high"]),
        estimate(row["raw"]),
        *(_share(row[f"{side}_right"], row[f"{side}_rows"]) for side in ("reference", "target")),
        row["reference_rows"],
        row["target_rows"],
        number(row["adjusted_p"]),
        fell if row["flagged"] else common,
    ]


def _share(right: int, rows: int) -> dict | None:
    return estimate(right / rows, *clopper_pearson(right, rows)) if rows else None


def _picture(run: Run, tested: list[Row], fell: list[Row]) -> list[Block]:
    if "classes" not in run.pictures or not tested:
        return []
    worst = tested[0]
    alt = f"Drops of the classes that lost most: {worst['class']} at the top with {points(worst['shrunk'])}"
    alt += "" if fell else "; none differs from the common drop beyond luck"
    return [figure("classes", run.picture("classes"), alt, f"{alt}.")]


def _moved(rows: list[Row]) -> Block | None:
    """How far the classes of a shift moved."""
    order = sorted(rows, key=lambda row: -(number(row["class_mean_shift"]) or -1.0))
    columns = {
        "class": "text",
        "target": "text",
        "moved by": "number",
        "adjusted p": "p",
        "images, reference": "count",
        "images, target": "count",
    }
    found = [
        [
            row["class"],
            row["target"],
            number(row["class_mean_shift"]),
            number(row["class_mean_adjusted_p"]),
            row["rows_reference"],
            row["rows_target"],
        ]
        for row in order[:SHOWN]
    ]
    about = "How far the mean of each class moved, in standard deviations within the class, a feature."
    return section(
        "classes", "Classes", sentences=[about], tables=[table(_some("Shift by class", order), columns, found)]
    )


def _recalls(run: Run) -> Block | None:
    """Recall, precision and F1 of the most accurate model on each set."""
    tables, told = [], []
    for model, where in best_models(run):
        rows = _by_class(run, model, where)
        if len(rows) > 1 and all("recall" in one for one in rows.values()):
            order = sorted(rows, key=lambda name: rows[name]["recall"]["value"])
            title = _some(f"{model} on {where}, by class, the worst first", order)
            tables.append(table(title, RECALLS, [_recall(name, rows[name]) for name in order[:SHOWN]]))
            worst = rows[order[0]]["recall"]
            told.append(f"{where}: {order[0]} is found least, in {percent(worst['value'])} of {worst['n']:,} images.")
    about = (
        "Recall: share of the images of a class that are found. Precision: share of those given a class that are of it."
    )
    return section("classes", "Classes", sentences=[about, *told], tables=tables) if tables else None


def _by_class(run: Run, model: str, where: str) -> dict[str, dict[str, Row]]:
    found: dict[str, dict[str, Row]] = {}
    for row in run.results:
        if row["class"] is not None and row["model"] == model and set_name(row) == where and row["value"] is not None:
            found.setdefault(row["class"], {})[row["metric"]] = row
    return found


def _recall(name: str, rows: dict[str, Row]) -> list:
    recall, others = rows["recall"], [rows.get(metric) for metric in ("precision", "f1")]
    found = _share(round(recall["value"] * recall["n"]), recall["n"])
    return [name, found, *(one and estimate(one["value"], one["low"], one["high"]) for one in others), recall["n"]]

"""What a map shows: its figures, how far it can be believed, and how many of the joined predictions are right."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gapscope.blocks import Answer, Block, Estimate, Figure, Heading, Sentence, Table, estimate, of_row
from gapscope.blocks.formats import in_brackets, listed, percent, upper
from gapscope.core.files import read_table
from gapscope.core.program import called
from gapscope.core.text import counted
from gapscope.inference import clopper_pearson
from gapscope.maps.points import COORDINATES, set_of_rows
from gapscope.runs.run import FIGURES, Row, Run
from gapscope.schemas.coordinates import ABOUT, POINTS, PREDICTED_FIELDS

About = Mapping[str, Any]
METHODS = {
    "pca": "principal components",
    "umap": "UMAP",
    "tsne": "t-SNE",
    "lda": "discriminants",
    "head": "class border",
}
# What the place of a point means on each kind of map; figures say it too.
READINGS = {
    "pca": "Across and up: the two principal coordinates that vary most.",
    "umap": "UMAP: neighbours are alike; how far groups lie apart and how large they are means little.",
    "tsne": "t-SNE: neighbours are alike; how far groups lie apart and how large they are means little.",
    "lda": "Discriminants fitted with the labels of these rows: classes look farther apart than those of new rows.",
    "head": "Across: what separates the two classes.",
}
# What the name of a figure begins with that is coloured by a column.
BY = "by-"
# What each figure shows, in the order in which they are shown; those of further sets are `shift-2`, `shift-3` and on.
SHOWS = {
    "classes": "every point by its class",
    "sets": "every point by its set",
    "shift": "how dense each set is, and the ratio of the two",
    "answers": "which predictions are right",
    "confidence": "how confident the predictions are",
    "density": "how many points lie where",
    "each-class": "where each class lies among all points",
    BY: "every point by its",
}
MEANINGS = {
    "trustworthiness": "how rarely points are neighbours on the map but not in the features; 1 is never, 0.5 is chance",
    "neighbour_recall": "share of a row's nearest in the features that are among its nearest on the map",
    "trustworthiness_fitted": "the same among the rows that were laid out",
    "neighbour_recall_fitted": "the same among the rows that were laid out",
    "placement_displacement": "from where a laid-out row lies to where it would be placed; 1 is the map's radius",
    "placement_difference": "distance from the library's place to that by neighbours; 1 is the map's radius",
    "fitted_rows": "rows that were laid out; the others were placed among them",
    "rows": "rows on the map",
}
# Reading of trustworthiness, by judgement: maps of real features reach 0.8 to 0.99, a random one 0.5.
RELIABLE = ((0.95, "are nearly always"), (0.85, "are mostly"), (0.0, "often are not"))
# Classes listed of each map; all are in its table.
SHOWN = 100
MEASURES = {"measure": "text", "value": "number", "rows": "count", "meaning": "text"}
BY_SET = {"set": "text", "right": "share", "predictions": "count", "mean confidence": "share"}
BY_CLASS = {"class": "text", **BY_SET}


def page(run: Run) -> list[Block]:
    """The answer, how far the map can be believed, its figures, and the joined predictions by set and class."""
    about = run.json(f"{COORDINATES}/{ABOUT.removesuffix('.json')}")
    joined = _joined(run)
    return [
        _answer(run, about, joined),
        _measures(run),
        Heading("map", "Map"),
        *(Sentence(_whole(note)) for note in about["notes"]),
        *_figures(run, about),
        *_tables(joined),
    ]


def _answer(run: Run, about: About, joined: pa.Table | None) -> Answer:
    rows = next(iter(run.of_metric("rows")), None)
    count = counted(round(rows["value"]), "row") if rows else "Rows"
    shown = [f"{count} of {listed(about['sets'], 6)}, each with a place."]
    right = [f"{row[0]} {percent(row[1].value)}" for row in _by_set(joined)]
    shown += [f"Of the predictions that are joined to it these are right: {listed(right, 6)}."] if right else []
    parts = {
        "What was seen": shown,
        "How to read it": READINGS.get(about["method"], ""),
        "How sure": _reliability(run),
        "What to do next": f"Look at every point and its image: `{called()} explore {shlex.quote(str(run.place))}`",
    }
    return Answer.of(f"Map of {listed(about['sets'])} by {METHODS.get(about['method'], about['method'])}", parts)


def _reliability(run: Run) -> list[str]:
    """How far the map can be believed, in plain words."""
    values = {row["metric"]: row for row in run.headline}
    trust, recall = (values.get(name) for name in ("trustworthiness", "neighbour_recall"))
    sentences = []
    if trust:
        level = next(words for least, words in RELIABLE if trust["value"] >= least)
        sentences.append(
            f"Points that are neighbours on the map {level} neighbours in the features: trustworthiness "
            f"{_number(trust)}, where 1 is always and 0.5 is chance."
        )
    if recall:
        sentences.append(
            f"Of the nearest rows of a row in the features, {percent(recall['value'])} are among its nearest on the "
            "map; the others lie in other places, so that two points far apart may still be alike."
        )
    return [*sentences, *_placement(values)]


def _number(row: Row) -> str:
    value, low, high = (row[name] for name in ("value", "low", "high"))
    return f"{value:.3f}{in_brackets('' if low is None else f'95 % interval {low:.3f} to {high:.3f}')}"


def _placement(values: Mapping[str, Row]) -> list[str]:
    """What is to be said where some rows were placed among others."""
    moved, fitted, rows = (values.get(name) for name in ("placement_displacement", "fitted_rows", "rows"))
    if not (moved and fitted and rows):
        return []
    return [
        f"{fitted['value']:,.0f} of {rows['value']:,.0f} rows were laid out and the others placed among them; a row "
        f"that was laid out would, placed in this way, lie {percent(moved['value'])} of the map's radius from its own "
        "place (median)."
    ]


def _measures(run: Run) -> Table:
    rows = [
        [row["metric"].replace("_", " "), of_row(row), row["n"], MEANINGS[row["metric"]]]
        for row in run.headline
        if row["metric"] in MEANINGS
    ]
    return Table("How far the map can be believed", MEASURES, rows, headline=True)


def _whole(note: str) -> str:
    """A note as a sentence; a name that begins one stays as it is."""
    return f"{upper(note) if note.split(' ')[0].isalpha() else note}".rstrip(".") + "."


def _figures(run: Run, about: About) -> list[Figure]:
    order = list(SHOWS)
    known = sorted((name for name in run.pictures if _kind(name) in SHOWS), key=lambda name: order.index(_kind(name)))
    return [Figure(name, run.place / FIGURES / f"{name}.png", _alt(name, about)) for name in known]


def _kind(name: str) -> str:
    """The name of a figure without its number, `shift` of ``shift-2``; or without the column that colours it."""
    return BY if name.startswith(BY) else name.rstrip("0123456789").rstrip("-")


def _alt(name: str, about: About) -> str:
    sets, kind = about["sets"], _kind(name)
    column = f" {name.removeprefix(BY)}" if kind == BY else ""
    if kind == "shift":
        sets = [sets[0], sets[int(name.removeprefix("shift-")) if name != kind else 1]]
    return f"Map of {listed(sets)} by {METHODS.get(about['method'], about['method'])}: {SHOWS[kind]}{column}"


def _tables(joined: pa.Table | None) -> list[Block]:
    """How many of the joined predictions are right, by set, and by class with the worst first."""
    classes = sorted(_by_class(joined), key=lambda row: row[2].value)
    more = "" if len(classes) <= SHOWN else f", {SHOWN} of {len(classes):,}"
    return [
        Table("Predictions that are joined to the map", BY_SET, _by_set(joined)),
        Table(f"Joined predictions by class, the worst first{more}", BY_CLASS, classes[:SHOWN]),
    ]


def _joined(run: Run) -> pa.Table | None:
    """Set, class, right and confidence of each row with a known label; None where the map has no predictions."""
    rows = read_table(run.place / COORDINATES / POINTS)
    if PREDICTED_FIELDS[0].name not in rows.column_names:
        return None
    columns = {"set": set_of_rows(rows), "class": rows["class"].cast(pa.string()), "right": rows["right"]}
    return pa.table(columns | {"confidence": rows["confidence"]}).filter(pc.is_valid(rows["right"]))


def _by_set(joined: pa.Table | None) -> list[list]:
    return [[row["set"], *_share(row)] for row in _grouped(joined, ["set"])]


def _by_class(joined: pa.Table | None) -> list[list]:
    return [[row["class"], row["set"], *_share(row)] for row in _grouped(joined, ["class", "set"])]


def _grouped(joined: pa.Table | None, by: Sequence[str]) -> Iterable[Row]:
    wanted = [("right", "sum"), ("right", "count"), ("confidence", "mean")]
    return [] if joined is None else joined.group_by(list(by), use_threads=False).aggregate(wanted).to_pylist()


def _share(row: Row) -> tuple[Estimate, int, Estimate]:
    right, n = row["right_sum"], row["right_count"]
    return estimate(right / n, *clopper_pearson(right, n)), n, estimate(row["confidence_mean"])

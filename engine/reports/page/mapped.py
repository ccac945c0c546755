"""What a map shows: its pictures in order, how far it can be believed, and how many joined answers are right."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from gapscope.core.files import read_table
from gapscope.draw.points.mapped import NOTES
from gapscope.inference import clopper_pearson
from gapscope.reports.page.blocks import Block, estimate, figure, number, table
from gapscope.reports.page.words import counted, in_brackets, listed, percent, upper
from gapscope.runs.run import Row, Run
from gapscope.schemas.coordinates import POINTS, PREDICTED_FIELDS

About = Mapping[str, Any]
COORDINATES = "coordinates"
METHODS = {
    "pca": "principal components",
    "umap": "UMAP",
    "tsne": "t-SNE",
    "lda": "discriminants",
    "head": "class border",
}
# What each picture shows, in the order in which they are shown; those of further sets are `shift-2`, `shift-3` and on.
SHOWS = {
    "classes": "every point by its class",
    "sets": "every point by its set",
    "shift": "how dense each set is, and the ratio of the two",
    "answers": "which answers are right",
    "confidence": "how sure the answers are",
    "density": "how many points lie where",
    "each-class": "where each class lies among all points",
}
# Reading of trustworthiness, by judgement: maps of real features reach 0.8 to 0.99, a random one 0.5.
RELIABLE = ((0.95, "are nearly always"), (0.85, "are mostly"), (0.0, "often are not"))
# Classes listed of each map; all are in its table.
SHOWN = 100
BY_SET = {"set": "text", "right": "share", "answers": "count", "mean confidence": "share"}
BY_CLASS = {"class": "text", "set": "text", "right": "share", "answers": "count", "mean confidence": "share"}


def method_of(about: About) -> str:
    """What the kind of map is called."""
    return METHODS.get(about["method"], about["method"])


def map_notes(about: About) -> list[str]:
    """What the map says of itself, as sentences; a name that begins one stays as it is."""
    return [f"{upper(note) if note.split(' ')[0].isalpha() else note}." for note in about["notes"]]


def map_figures(run: Run, about: About) -> list[Block]:
    """The pictures of the map, each with what it shows."""
    order = list(SHOWS)
    known = sorted((name for name in run.pictures if _kind(name) in SHOWS), key=lambda name: order.index(_kind(name)))
    return [figure(name, run.picture(name), _alt(name, about)) for name in known]


def _kind(name: str) -> str:
    """The name of a picture without its number: `shift` of ``shift-2``."""
    return name.rstrip("0123456789").rstrip("-")


def _alt(name: str, about: About) -> str:
    sets, kind = about["sets"], _kind(name)
    if kind == "shift":
        sets = [sets[0], sets[int(name.removeprefix("shift-")) if name != kind else 1]]
    return f"Map of {listed(sets)} by {method_of(about)}: {SHOWS[kind]}"


def believed(run: Run) -> list[str]:
    """How far the map can be believed, in plain words."""
    trust, recall = (_first(run, name) for name in ("trustworthiness", "neighbour_recall"))
    told = []
    if trust:
        level = next(words for least, words in RELIABLE if trust["value"] >= least)
        told.append(
            f"Points that are neighbours on the map {level} neighbours in the features: trustworthiness "
            f"{_number(trust)}, where 1 is always and 0.5 is chance."
        )
    if recall:
        told.append(
            f"Of the nearest rows of a row in the features, {percent(recall['value'])} are among its nearest on the "
            "map; the others lie elsewhere, so that two points far apart may still be alike."
        )
    return [*told, *_placed(run)]


def _first(run: Run, metric: str) -> Row | None:
    return next(iter(run.of_metric(metric)), None)


def _number(row: Row) -> str:
    value, low, high = (row[name] for name in ("value", "low", "high"))
    return f"{value:.3f}{in_brackets('' if low is None else f'95 % interval {low:.3f} to {high:.3f}')}"


def _placed(run: Run) -> list[str]:
    """What is to be said where some rows were placed among others."""
    moved, fitted, rows = (_first(run, name) for name in ("placement_displacement", "fitted_rows", "rows"))
    if not (moved and fitted and rows):
        return []
    return [
        f"{fitted['value']:,.0f} of {rows['value']:,.0f} rows were laid out and the others placed among them; a row "
        f"that was laid out would, placed in this way, lie {percent(moved['value'])} of the map's radius from its own "
        "place (median)."
    ]


def map_seen(run: Run, about: About) -> list[str]:
    """How many rows lie on the map and, where answers are joined, how many are right."""
    rows = _first(run, "rows")
    told = [f"{counted(round(rows['value']), 'row')} of {listed(about['sets'], 6)}, each with a place."] if rows else []
    right = [f"{row[0]} {percent(row[1]['value'])}" for row in _by_set(_joined(run)) if row[1]]
    return told + ([f"Of the answers that are joined to it these are right: {listed(right, 6)}."] if right else [])


def map_reading(about: About) -> str:
    """What the place of a point means."""
    return NOTES.get(about["method"], "")


def answer_tables(run: Run) -> list[Block]:
    """How many of the joined answers are right, by set, and by class with the worst first."""
    joined = _joined(run)
    classes = sorted(_by_class(joined), key=lambda row: row[2]["value"])
    more = "" if len(classes) <= SHOWN else f", {SHOWN} of {len(classes):,}"
    return [
        table("Answers that are joined to the map", BY_SET, _by_set(joined)),
        table(f"Joined answers by class, the worst first{more}", BY_CLASS, classes[:SHOWN]),
    ]


def _joined(run: Run) -> pa.Table | None:
    """Set, class, right and confidence of each row with a known answer; None where the map has none."""
    rows = read_table(run.place / COORDINATES / POINTS)
    if PREDICTED_FIELDS[0].name not in rows.column_names:
        return None
    names = ["dataset", "split", "class", "right", "confidence"]
    where = pc.binary_join_element_wise(*(rows[name].cast(pa.string()) for name in names[:2]), "/")
    columns = {"set": where, "class": rows["class"].cast(pa.string()), "right": rows["right"]}
    return pa.table(columns | {"confidence": rows["confidence"]}).filter(pc.is_valid(rows["right"]))


def _by_set(joined: pa.Table | None) -> list[list]:
    return [[row["set"], *_measured(row)] for row in _grouped(joined, ["set"])]


def _by_class(joined: pa.Table | None) -> list[list]:
    return [[row["class"], row["set"], *_measured(row)] for row in _grouped(joined, ["class", "set"])]


def _grouped(joined: pa.Table | None, by: Sequence[str]) -> Iterable[Row]:
    wanted = [("right", "sum"), ("right", "count"), ("confidence", "mean")]
    return [] if joined is None else joined.group_by(list(by), use_threads=False).aggregate(wanted).to_pylist()


def _measured(row: Row) -> list:
    right, n, sure = row["right_sum"], row["right_count"], number(row["confidence_mean"])
    share = estimate(right / n, *clopper_pearson(right, n))
    return [share, n, None if sure is None else estimate(sure)]

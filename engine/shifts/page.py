"""What a run of `shift` has found, as blocks: whether the sets differ, in which statistics, features and classes."""

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from gapscope.attributes.moved import move_of
from gapscope.attributes.page import ABOUT, ASSOCIATION, sentences, table
from gapscope.blocks import Answer, Block, Heading, Sentence, Table, estimate
from gapscope.blocks.blocks import Cell
from gapscope.blocks.formats import listed, metric_words, upper
from gapscope.core.text import counted
from gapscope.inference import adjusted
from gapscope.runs.run import Row, Run
from gapscope.shifts.class_mix import NAME as MIX
from gapscope.shifts.exchanges import least_p
from gapscope.shifts.images import TABLE

LEVEL = 0.05
SAID = 5
# What compares the rows of each class, and so sees other labels too.
WITHIN = "class_mean_shift"
NAMED, FEATURES, CLASSES = 3, 20, 100
# The statistics that are read first, where the run has them.
FIRST = ("c2st_accuracy", "mmd", "mean_shift", "class_mean_shift", "ks_max", "precision", "recall", MIX, "label_shift")
VERDICTS = {"statistic": "text", "value": "number", "effect": "number", "p": "p"}
MEANINGS = {"statistic": "text", "what it says": "text"}
FEATURE_COLUMNS = {
    "feature": "text",
    "difference of means, sd": "number",
    "adjusted p": "p",
    "Kolmogorov-Smirnov": "number",
    "mean, reference": "number",
    "mean, target": "number",
}
CLASS_COLUMNS = {
    "class": "text",
    "shift of the mean, sd": "number",
    "adjusted p": "p",
    "images, reference": "count",
    "images, target": "count",
}


def page(run: Run) -> list[Block]:
    """The answer first; a table for each target."""
    verdicts = [one for one in run.json("verdicts") or [] if one["class_name"] is None]
    if not verdicts:
        return []
    targets = {target: list(rows) for target, rows in groupby(verdicts, key=lambda one: one["target"])}
    return [
        answer(run, verdicts),
        *run.notes,
        *_images(run),
        Heading("statistics", "Statistics and what they say"),
        *(table for target, rows in targets.items() for table in _verdicts(target, rows, _corrected(verdicts))),
        *_distances(run),
        *_features(run),
        *_classes(run),
    ]


def answer(run: Run, verdicts: Sequence[Mapping[str, Any]]) -> Answer:
    """Which sets differ, beyond what one of so many tests shows by chance, and by what."""
    corrected = _corrected(verdicts)
    tested, sure = list(corrected), [one for one, p in corrected.items() if p <= LEVEL]
    targets = list(dict.fromkeys(one["target"] for one in verdicts))
    reference = verdicts[0]["reference"]
    costs = not all(run.is_answered("gap", reference, target) for target in targets)
    known = [one for one in verdicts if not _may_be_chance(one, corrected)]
    said = {one["statistic"]: f"{upper(one['sentence'].partition(';')[0]).rstrip('.')}." for one in known}
    moved = sentences([move_of(row) for row in run.table(TABLE)], 1)
    of_features = [statistic for _, statistic in tested if statistic != MIX]
    mixed = {target for target, statistic in sure if statistic == MIX}
    mix = [said.pop(MIX)] if mixed else []
    shown = [said[name] for name in FIRST if name in said] or list(said.values())
    parts = {
        "What was seen": [*mix, *moved, *shown][:NAMED] if len(targets) == 1 else [],
        "What to do": "A shift need not cost accuracy: `gap` says how much of it does." if sure and costs else "",
        "How sure": f"{len(sure)} of {counted(len(tested), 'test')} {'see' if len(sure) != 1 else 'sees'} a difference "
        "beyond chance, corrected for their number (Holm, 5 %)."
        if of_features
        else "Unknown: none of the statistics that were chosen has a test.",
    }
    if not of_features:
        headline = f"The features of {listed(targets)} are not tested against those of {reference}"
        return Answer.of(headline + _mixed(mixed), parts)
    apart = {target for target, statistic in sure if statistic not in (WITHIN, MIX)}
    within = {target for target, statistic in sure if statistic == WITHIN} - apart
    few = _too_few(verdicts, len(tested)) if not sure else {}
    if few:
        parts["How sure"] += " " + _few_rows(few, len(tested))
    headline = _headline(targets, apart, reference, few)
    return Answer.of(headline + _within(within) + _mixed(mixed), parts)


def _too_few(verdicts: Sequence[Mapping[str, Any]], tests: int) -> dict[str, tuple[int, int]]:
    """The targets of which no test that exchanges rows could have been beyond chance, and the rows of both sets."""
    rows = {one["target"]: tuple(one["rows"]) for one in verdicts if "rows" in one}
    return {target: both for target, both in rows.items() if tests * least_p(*both) > LEVEL}


def _few_rows(few: Mapping[str, tuple[int, int]], tests: int) -> str:
    """How sure rows so few could be at all."""
    n, m = max(few.values(), key=lambda both: least_p(*both))
    return (
        f"Exchanging {n} and {m} rows gives no p-value below {least_p(n, m):.2g}, and one of {tests} tests would have "
        f"to be below {LEVEL / tests:.2g}: so few rows show no shift, however large; give more."
    )


def _mixed(targets: Collection[str]) -> str:
    """The end of the headline for sets in which the classes have other shares."""
    return f", and the class mix of {listed(sorted(targets))} {'differ' + 's' * (len(targets) == 1)}" if targets else ""


def _within(targets: Collection[str]) -> str:
    """The end of the headline for sets of which only the classes differ: their rows, or which are called so."""
    return f", but the classes of {listed(sorted(targets))} differ: their rows, or their labels" if targets else ""


def _corrected(verdicts: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], float]:
    """Holm's p of each test over all of them, by target and statistic."""
    tested = [one for one in verdicts if one["p"] is not None]
    values = adjusted(np.array([one["p"] for one in tested]), "holm").tolist()
    return {(one["target"], one["statistic"]): p for one, p in zip(tested, values, strict=True)}


def _may_be_chance(one: Mapping[str, Any], corrected: Mapping[tuple[str, str], float]) -> bool:
    """Whether a test sees a difference alone, but not among so many: its sentence says what may be chance."""
    return one["p"] is not None and one["p"] <= LEVEL < corrected[one["target"], one["statistic"]]


def _headline(targets: Sequence[str], sure: Collection[str], reference: str, few: Collection[str] = ()) -> str:
    """Which targets differ from the reference, which cannot be distinguished from it, and which are too `few` rows."""
    differ = [one for one in targets if one in sure]
    alike = [one for one in targets if one not in sure]
    if few and len(few) == len(targets):
        return f"Whether the features of {listed(targets)} differ from those of {reference} is unknown: too few rows"
    if not differ:
        return f"The features of {listed(alike)} cannot be distinguished from those of {reference}"
    rest = f", those of {listed(alike)} cannot be distinguished" if alike else ""
    return f"The features of {listed(differ)} differ from those of {reference}{rest}"


def _images(run: Run) -> list[Block]:
    """The attributes and columns of each target, those that moved most first."""
    rows = run.table(TABLE)
    blocks: list[Block] = []
    for target in dict.fromkeys(row["set"] for row in rows):
        moved = [move_of(row) for row in rows if row["set"] == target]
        said = [f"{target}: {one}" for one in sentences(moved, SAID)]
        nothing = f"{target}: no attribute of the images moved beyond chance."
        blocks += [Sentence(one, headline=True) for one in said or [nothing]]
        blocks.append(table(f"Attributes of the images of {target}", moved, headline=bool(said)))
    about = [Sentence(f"{ABOUT} {ASSOCIATION}")]
    return [Heading("images", "What is different about the images"), *blocks, *about] if rows else []


def _verdicts(
    target: str, rows: Sequence[Mapping[str, Any]], corrected: Mapping[tuple[str, str], float]
) -> list[Table]:
    """The numbers, and what they say; the statistics that are read first stand first."""
    aside = f"which may be chance, as one of {counted(len(corrected), 'test')}"
    rank = {name: place for place, name in enumerate(FIRST)}
    order = sorted(rows, key=lambda one: rank.get(one["statistic"], len(FIRST)))
    cells: list[list[Cell]] = [[metric_words(one["statistic"]), _value(one), one["effect"], one["p"]] for one in order]
    meanings = [
        [metric_words(one["statistic"]), upper(one["sentence"])]
        if not _may_be_chance(one, corrected)
        else [metric_words(one["statistic"]), f"{upper(one['sentence']).rstrip('.')}; {aside}"]
        for one in order
    ]
    caption = f"Shift of {target} against {rows[0]['reference']}"
    return [Table(caption, VERDICTS, cells, headline=True), Table(f"{caption}: what it means", MEANINGS, meanings)]


def _value(one: Mapping[str, Any]) -> Cell:
    """The value and its interval; the bracket of one that is known exactly says nothing."""
    return one["value"] if one["low"] == one["high"] else estimate(one["value"], one["low"], one["high"])


def _distances(run: Run) -> list[Block]:
    """A square of distances for each statistic, where there are several targets."""
    tables: list[Block] = []
    for statistic, group in groupby(run.table("distances"), key=lambda row: row["statistic"]):
        pairs = list(group)
        names = {row[place]: row[name] for row in pairs for place, name in (("i", "one"), ("j", "other"))}
        between = {frozenset((row["i"], row["j"])): row["distance"] for row in pairs}
        order = sorted(names)
        rows = [[names[i], *(between.get(frozenset((i, j)), 0.0) for j in order)] for i in order]
        columns = {"set": "text"} | dict.fromkeys((names[i] for i in order), "number")
        tables.append(Table(f"Distances between all sets: {metric_words(statistic)}", columns, rows))
    return [Heading("distances", "Distances between all sets"), *tables] if tables else []


def _features(run: Run) -> list[Block]:
    """The features that moved furthest, of all targets."""
    rows = [row for row in run.table("features") if row.get("standardised_difference") is not None]
    order = sorted(rows, key=lambda row: -abs(row["standardised_difference"]))[:FEATURES]
    several = len({row["target"] for row in rows}) > 1
    cells = [
        [
            f"feature {row['feature']}{' of ' + row['target'] if several else ''}",
            row["standardised_difference"],
            row.get("mean_adjusted_p"),
            row.get("ks"),
            row.get("mean_reference"),
            row.get("mean_target"),
        ]
        for row in order
    ]
    moved = Table(f"The {len(cells)} features whose means moved most, of {len(rows):,}", FEATURE_COLUMNS, cells)
    about = Sentence("The difference of means is in standard deviations of the feature.")
    return [Heading("features", "Features"), moved, about] if cells else []


def _classes(run: Run) -> list[Block]:
    """The classes that moved furthest, of all targets."""
    rows = [row for row in run.table("classes") if row.get("class_mean_shift") is not None]
    order = sorted(rows, key=lambda row: -row["class_mean_shift"])[:CLASSES]
    several = len({row["target"] for row in rows}) > 1
    moved = Table(
        "Classes, those that moved most first", CLASS_COLUMNS, [_class(row, several=several) for row in order]
    )
    about = Sentence("How far the mean of a class moved, in standard deviations within the class, a feature.")
    return [Heading("classes", "Classes"), moved, about] if rows else []


def _class(row: Row, *, several: bool) -> list[Cell]:
    name = str(row.get("class", row["index"]))
    return [
        f"{name} of {row['target']}" if several else name,
        row["class_mean_shift"],
        row["class_mean_adjusted_p"],
        row["rows_reference"],
        row["rows_target"],
    ]

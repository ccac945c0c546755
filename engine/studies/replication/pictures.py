"""The pictures of a study."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gapscope.draw.canvas import PAGE, Size
from gapscope.draw.dots import dots
from gapscope.draw.matrix import matrix
from gapscope.draw.probit import probit_line
from gapscope.draw.ranks import ranks
from gapscope.draw.shares import shares
from gapscope.draw.spread import spread
from gapscope.draw.versus import versus
from gapscope.draw.waterfall import waterfall
from gapscope.studies.replication.line import used_line

Findings = Mapping[str, Any]
PAIRS, CLASSES = 20, 30


def pictures(findings: Findings, size: Size = PAGE) -> dict[str, Figure]:
    """A figure for each finding of the page, by the name of its file."""
    return {
        name: draw(findings, size)
        for name, draw in FIGURES.items()
        if findings.get(NEEDS.get(name, "models")) is not None
    }


def _common(findings: Findings, name: str) -> dict[str, np.ndarray]:
    """Accuracies on a set of the models with predictions for both sets."""
    chosen = [findings["models"].index(model) for model in findings["common"]]
    return {key: value[chosen] for key, value in findings["accuracy"][name].items()}


def _accuracies(findings: Findings, size: Size) -> Figure:
    order = np.argsort(-np.nan_to_num(findings["accuracy"][findings["reference"]]["value"]), kind="stable")
    series = {
        name: tuple(100 * findings["accuracy"][name][key][order] for key in ("value", "low", "high"))
        for name in (findings["reference"], *findings["targets"])
    }
    names = [findings["models"][index] for index in order]
    title = "The same models on sets of the same classes"
    return dots(names, series, title=title, unit="top-1 accuracy, %, with 95 % intervals", joined=True, size=size)


def _line(findings: Findings, size: Size) -> Figure:
    before, after = (_common(findings, findings[key]) for key in ("reference", "primary"))
    line = findings["by_target"][findings["primary"]]["line"]
    used = used_line(line)
    return probit_line(
        findings["common"],
        before["value"],
        after["value"],
        (after["low"], after["high"]),
        (used["slope"], used["intercept"]),
        title=f"The line through {used['models']} models, r = {used['r']:.4f}",
        across=f"accuracy on {findings['reference']}",
        up=f"accuracy on {findings['primary']}",
        chosen=line["off_the_line"],
        size=size,
    )


def _robustness(findings: Findings, size: Size) -> Figure:
    line = findings["by_target"][findings["primary"]]["line"]
    order = np.argsort(-line["robustness"])
    columns = tuple(100 * line[key][order] for key in ("robustness", "robustness_low", "robustness_high"))
    return dots(
        [findings["common"][index] for index in order],
        {"model": columns},
        title="Effective robustness: how far each model lies above the line of the others",
        unit="percentage points, with 95 % intervals",
        zero=0,
        size=size,
    )


def _classes(findings: Findings, size: Size) -> Figure:
    classes = findings["classes"]
    series = {
        f"{classes['typical']}, as observed": 100 * classes["raw_typical"],
        "if all classes had dropped alike": 100 * classes["by_noise"],
        "all models together, shrunk": 100 * classes["shrunk"],
    }
    title = "Class drops as observed, and as chance alone would spread them"
    return spread(
        series, title=title, across="accuracy lost by a class, percentage points", up="classes", width=10, size=size
    )


def _worst(findings: Findings, size: Size) -> Figure:
    classes = findings["classes"]
    order = np.argsort(-np.nan_to_num(classes["shrunk"], nan=-np.inf))[:CLASSES]
    series = {
        "shrunk towards the mean drop": tuple(100 * classes[key][order] for key in ("shrunk", "low", "high")),
        "as observed": (100 * classes["raw"][order], None, None),
    }
    return dots(
        [_short(findings["class_names"][index]) for index in order],
        series,
        title="The classes that lost most, all models together",
        unit="accuracy lost, percentage points, with 95 % intervals; the line is the mean drop",
        zero=100 * classes["centre"],
        joined=True,
        size=size,
    )


def _pairs(findings: Findings, size: Size) -> Figure:
    pairs = findings["pairs"]
    names = findings["class_names"]
    shown = slice(0, min(PAIRS, int((pairs["added"] > 0).sum())))
    labels = [
        f"{_short(names[true])} → {_short(names[given])}"
        for true, given in zip(pairs["true"][shown], pairs["given"][shown], strict=True)
    ]
    series = {
        findings["reference"]: (1e4 * pairs["reference"][shown], None, None),
        findings["primary"]: (1e4 * pairs["target"][shown], None, None),
    }
    title = "The confusions that grew most: true class → class given"
    return dots(
        labels, series, title=title, unit="in ten thousand predictions, mean of all models", joined=True, size=size
    )


def _difficulty(findings: Findings, size: Size) -> Figure:
    sides = findings["difficulty"]
    series = {
        name: side["shares"] for name, side in zip((findings["reference"], findings["primary"]), sides, strict=True)
    }
    if findings["sharing"] is not None:
        series["if each model had lost on images of its own"] = findings["sharing"]["alone"]
    return shares(
        np.arange(len(sides[0]["shares"])),
        series,
        title="How many models classify an image correctly",
        across=f"models that are correct, of {len(sides[0]['shares']) - 1}",
        size=size,
    )


def _kinds(findings: Findings, size: Size) -> Figure:
    kinds = findings["kinds"]
    return waterfall(
        (findings["reference"], kinds["start"]),
        kinds["kinds"],
        kinds["terms"],
        findings["primary"],
        title="On which images the mean model lost its accuracy",
        size=size,
    )


def _harder(findings: Findings, size: Size) -> Figure:
    harder = findings["by_target"][findings["primary"]]["harder"]
    order = np.argsort(-harder["rest"], kind="stable")
    columns = tuple(100 * harder[key][order] for key in ("rest", "rest_low", "rest_high"))
    return dots(
        [findings["common"][index] for index in order],
        {"model": columns},
        title="What each model lost beyond images that are harder for the others too",
        unit="percentage points at equal difficulty, with 95 % intervals",
        zero=0,
        size=size,
    )


def _second(findings: Findings, size: Size) -> Figure:
    second = findings["second"]
    order = np.argsort(-second["reference"]["first"])
    series = {
        findings[key]: tuple(100 * second[side][name][order] for name in ("rescued", "rescued_low", "rescued_high"))
        for key, side in (("reference", "reference"), ("primary", "target"))
    }
    title = f"When the first guess is wrong, the label is among the first {second['depth']}"
    unit = "share of wrong first guesses, %, with 95 % intervals"
    return dots([findings["common"][index] for index in order], series, title=title, unit=unit, joined=True, size=size)


def _agreement(findings: Findings, size: Size) -> Figure:
    order = np.argsort(-_common(findings, findings["reference"])["value"])
    values = 100 * findings["agreement"]["target"][np.ix_(order, order)]
    names = [findings["common"][index] for index in order]
    title = f"How often two models predict the same class on {findings['primary']}"
    return matrix(names, values, title=title, unit="same class, % of images", size=size)


def _forecast(findings: Findings, size: Size) -> Figure:
    agreement = findings["agreement"]
    return versus(
        agreement["truth"],
        agreement["forecasts"],
        title=f"Accuracy on {findings['primary']} predicted for each model from the others",
        across=f"accuracy on {findings['primary']}",
        up="forecast",
        size=size,
    )


def _ranks(findings: Findings, size: Size) -> Figure:
    before, after = (_common(findings, findings[key])["value"] for key in ("reference", "primary"))
    sets = findings["reference"], findings["primary"]
    title = f"{findings['ranking']['turned']} of {findings['ranking']['pairs']} pairs of models change places"
    return ranks(findings["common"], before, after, title=title, sets=sets, size=size)


def _short(name: str, longest: int = 26) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1].rstrip()}…"


FIGURES: Mapping[str, Callable[[Findings, Size], Figure]] = {
    "accuracies": _accuracies,
    "line": _line,
    "robustness": _robustness,
    "classes": _classes,
    "worst-classes": _worst,
    "pairs": _pairs,
    "difficulty": _difficulty,
    "kinds": _kinds,
    "harder": _harder,
    "second-guess": _second,
    "agreement": _agreement,
    "forecast": _forecast,
    "ranks": _ranks,
}
NEEDS = {"second-guess": "second"}

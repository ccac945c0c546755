"""The pictures of a study of modifications; their titles say what was found."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gapscope.blocks.formats import percent
from gapscope.core.text import counted
from gapscope.draw.canvas import PAGE, Size
from gapscope.draw.modification_matrix import numbers, strip
from gapscope.studies.modifications.findings import LEVEL, ORIGINAL

Findings = Mapping[str, Any]
Samples = Mapping[str, Sequence[np.ndarray]]
# Classes up to which all are shown; of more, those that change most.
SHOWN = 20
TRAINED, TESTED = "trained on", "tested on"


def pictures(findings: Findings, samples: Samples, names: Sequence[str], size: Size = PAGE) -> dict[str, Figure]:
    """A figure for each section of the page, by the name of its file.

    Parameters
    ----------
    samples
        What each test set makes of the same few images, ``(h, w, 3) uint8``.
    names
        Their classes.
    """
    drawn = {
        "modifications": _modifications(samples, names, size),
        "accuracy": _accuracy(findings, size),
        "gains": _gains(findings, size),
        "classes-lost": _classes(findings, "lost", size),
        "classes-won": _classes(findings, "won", size),
    }
    return {name: figure for name, figure in drawn.items() if figure is not None}


def _modifications(samples: Samples, names: Sequence[str], size: Size) -> Figure:
    title = f"The same {counted(len(names), 'image')} in each test set"
    return strip(list(samples), [short(name) for name in names], list(samples.values()), title=title, size=size)


def short(name: str, longest: int = 12) -> str:
    """`name`, cut where it is too long for a column."""
    return name if len(name) <= longest else f"{name[: longest - 1].rstrip()}…"


def _accuracy(findings: Findings, size: Size) -> Figure:
    """Accuracies on all test sets, with that on the training images at the left where it is known."""
    train = findings["learnt"].mean(axis=1)
    known = np.isfinite(train).any()
    values = np.column_stack([train, findings["accuracy"]["value"]]) if known else findings["accuracy"]["value"]
    return numbers(
        findings["trainings"],
        ["training images"] * bool(known) + findings["tests"],
        100 * values,
        title=_accuracy_title(findings),
        across=TESTED,
        up=TRAINED,
        unit="accuracy, %",
        after=int(known),
        size=size,
    )


def _accuracy_title(findings: Findings) -> str:
    lost, value = findings["differences"]["lost"], findings["accuracy"]["value"]
    worst = int(np.nanargmax(lost["value"]))
    test = findings["tests"][worst]
    if not lost["adjusted_p"][worst] <= LEVEL or lost["value"][worst] <= 0:
        return "Accuracy: what the modifications take from the original training may be chance"
    most = f"{test} takes most: {percent(value[ORIGINAL, ORIGINAL])} become {percent(value[ORIGINAL, worst])}"
    if test not in findings["trainings"]:
        return f"Accuracy: {most}"
    after = percent(value[findings["trainings"].index(test), worst])
    return f"Accuracy: {most}; after training on {test} they are {after}"


def _gains(findings: Findings, size: Size) -> Figure:
    gained = findings["differences"]["gained"]
    sure = gained["adjusted_p"] <= LEVEL
    better, worse = (int((sure & (sign * gained["value"] > 0)).sum()) for sign in (1, -1))
    total = int(np.isfinite(gained["value"]).sum())
    return numbers(
        findings["trainings"][1:],
        findings["tests"],
        100 * gained["value"][1:],
        title=f"Against training on the original, {better} of {total} cells gain and {worse} lose surely (framed)",
        across=TESTED,
        up=TRAINED,
        unit="accuracy gained, percentage points",
        diverging=True,
        framed=list(zip(*np.nonzero(sure[1:]), strict=True)),
        size=size,
    )


def _classes(findings: Findings, change: str, size: Size) -> Figure | None:
    """Changes of F1 by class and modification, shrunk; None where there are none."""
    side = findings["classes"][change]
    shown = np.flatnonzero(np.isfinite(side["shrunk"]).any(axis=1))
    if not len(shown):
        return None
    sign = -1 if change == "lost" else 1
    values = sign * 100 * side["shrunk"][shown].T
    order = _most_changed(values)
    tests = [findings["tests"][1 + place] for place in shown]
    names = [short(findings["class_names"][index], 24) for index in order]
    flagged = side["flagged"][shown].T[order]
    return numbers(
        names,
        tests,
        values[order],
        title=_classes_title(change, names, tests, values[order], flagged),
        across="modification" if change == "lost" else "trained and tested on",
        unit="change of F1, percentage points, shrunk",
        diverging=True,
        framed=list(zip(*np.nonzero(flagged), strict=True)),
        size=size,
    )


def _most_changed(values: np.ndarray) -> np.ndarray:
    """Rows in their order; of more than can be shown, those with the largest change."""
    largest = np.nan_to_num(np.abs(values)).max(axis=1)
    return np.sort(np.argsort(-largest, kind="stable")[:SHOWN])


def _classes_title(
    change: str, names: Sequence[str], tests: Sequence[str], values: np.ndarray, flagged: np.ndarray
) -> str:
    """The class whose change is the largest of those that are sure."""
    lost = change == "lost"
    trained = "Trained on the original" if lost else "Trained on the modification instead"
    if not flagged.any():
        return f"{trained}, no class {'stands out from the mean class' if lost else 'changes for sure'}"
    index, place = np.unravel_index(np.argmax(np.where(flagged, np.abs(values), -1.0)), values.shape)
    most = f"{names[index]} {'falls' if values[index, place] < 0 else 'rises'} most under {tests[place]}"
    framed = "unlike the mean class" if lost else "changed for sure"
    return f"{trained}, {most} ({values[index, place]:+.0f} points); framed: {framed}"

"""The classes and confusions of a run's best model on each set, as blocks."""

from functools import partial

import numpy as np

from gapscope.blocks import Block, Estimate, Figure, Heading, Sentence, Table, estimate
from gapscope.blocks.blocks import Cell
from gapscope.blocks.formats import percent, set_name, upper
from gapscope.evaluation.accuracy import best_models
from gapscope.evaluation.best_predictions import best_predictions
from gapscope.inference import clopper_pearson
from gapscope.predictions import Predictions
from gapscope.predictions.confusions import confused_pairs, confusion_counts
from gapscope.runs.run import FIGURES, Row, Run

CLASSES, PAIRS = 100, 15
# Classes up to which a confusion matrix is drawn.
DRAWN = 30
RECALLS = {"class": "text", "recall": "share", "precision": "share", "F1": "share", "images": "count"}
COUNTS = {"class": "text", "predicted as": "text", "share of the class": "share", "images": "count"}


def class_blocks(run: Run) -> list[Block]:
    """Recall, precision and F1 by class of the most accurate model on each set."""
    tables, lowest = [], []
    for model, where in best_models(run):
        rows = _by_class(run, model, where)
        if len(rows) > 1 and all("recall" in one for one in rows.values()):
            order = sorted(rows, key=lambda name: rows[name]["recall"]["value"])
            caption = some_of(f"{model} on {where} by class, the lowest recall first", len(order))
            tables.append(Table(caption, RECALLS, [_recall(name, rows[name]) for name in order[:CLASSES]]))
            worst = rows[order[0]]["recall"]
            lowest.append(f"{order[0]} ({percent(worst['value'])} of {worst['n']:,} images) on {where}")
    about = (
        "Recall is the share of the images of a class that are predicted as it; precision is the share of the images "
        "predicted as a class that are of it."
    )
    if not tables:
        return []
    return [
        Heading("classes", "Classes"),
        Sentence(f"The lowest recall: {'; '.join(lowest)}."),
        *tables,
        Sentence(about),
    ]


def some_of(caption: str, rows: int) -> str:
    """The caption of a table by class, which may not show all of them."""
    return caption if rows <= CLASSES else f"{caption}: {CLASSES} of {rows:,}"


def share(part: int, whole: int) -> Estimate | None:
    """A share of independent images with its exact interval; None of none."""
    return estimate(part / whole, *clopper_pearson(part, whole)) if whole else None


def _by_class(run: Run, model: str, where: str) -> dict[str, dict[str, Row]]:
    rows: dict[str, dict[str, Row]] = {}
    for row in run.results:
        if row["class"] is not None and row["model"] == model and set_name(row) == where and row["value"] is not None:
            rows.setdefault(row["class"], {})[row["metric"]] = row
    return rows


def _recall(name: str, rows: dict[str, Row]) -> list[Cell]:
    recall, others = rows["recall"], [rows.get(metric) for metric in ("precision", "f1")]
    result = share(round(recall["value"] * recall["n"]), recall["n"])
    return [name, result, *(one and estimate(one["value"], one["low"], one["high"]) for one in others), recall["n"]]


def confusion_blocks(run: Run) -> list[Block]:
    """The most frequent confusions on each set, drawn where classes are few."""
    blocks: list[Block] = []
    for where, predictions in best_predictions(run):
        counts = confusion_counts(predictions)
        if counts.sum() > np.trace(counts):
            pairs = confused_pairs(predictions.class_names, counts, PAIRS)
            rows = [[one.true, one.predicted, estimate(one.share), one.count] for one in pairs]
            caption = f"{predictions.model} on {where}: the most frequent confusions"
            blocks += [Table(caption, COUNTS, rows), *_figure(run, where, predictions, counts)]
    return [Heading("confusions", "Confusions"), *blocks] if blocks else []


def _figure(run: Run, where: str, predictions: Predictions, counts: np.ndarray) -> list[Block]:
    """The run's own picture where it has one, else one that is drawn when it is shown; none of very many classes."""
    worst = confused_pairs(predictions.class_names, counts, 1)[0]
    most = f"{worst.true} is predicted as {worst.predicted} most, in {percent(worst.share)} of its images"
    alt = f"Confusion matrix of {predictions.model} on {where}: {most}"
    own = [name for name in run.pictures if name.startswith("confusion-") and name.endswith(where.replace("/", "-"))]
    if own:
        return [Figure(own[0], run.place / FIGURES / f"{own[0]}.png", alt, f"{upper(alt)}.")]
    if len(predictions.class_names) > DRAWN:
        return []
    drawn = partial(_draw, predictions.class_names, counts, f"{predictions.model} on {where}")
    return [Figure(f"confusion-{where.replace('/', '-')}", drawn, alt, f"{upper(alt)}.")]


def _draw(names: tuple[str, ...], counts: np.ndarray, title: str) -> bytes:
    from gapscope.draw import png  # here, because Matplotlib takes longer to load than a terminal should wait
    from gapscope.draw.matrix import confusion

    return png(confusion(names, counts, title=title))

"""Which classes are taken for which."""

import numpy as np
from gapscope.draw import png
from gapscope.draw.matrix import confusion
from gapscope.predictions import Predictions
from gapscope.predictions.confusions import confused_pairs, confusion_counts
from gapscope.reports.page.blocks import Block, estimate, figure, number, section, table
from gapscope.reports.page.words import percent, upper
from gapscope.runs.run import Run

SHOWN, DRAWN = 15, 30
PAIRS = {
    "class": "text",
    "taken for": "text",
    "points": "change",
    "images, reference": "count",
    "images, target": "count",
    "adjusted p": "p",
}
COUNTS = {"class": "text", "taken for": "text", "share of the class": "share", "images": "count"}
Held = list[tuple[str, Predictions]]


def confusion_section(run: Run, held: Held) -> Block | None:
    """The pairs that cost most of a gap; else those of each set, drawn where classes are few."""
    pairs = run.table("pairs")
    if pairs:
        return _moved(pairs)
    tables, figures = [], []
    for where, said in held:
        counts = confusion_counts(said)
        if counts.sum() > np.trace(counts):
            tables.append(_table(where, said, counts))
            figures += _figure(run, where, said, counts)
    return section("confusions", "Confusions", tables=tables, figures=figures)


def _moved(pairs: list[dict]) -> Block | None:
    rows = [
        [
            row["label"],
            row["predicted"],
            estimate(row["points"], row["low"], row["high"]),
            row["reference_count"],
            row["target_count"],
            number(row["adjusted_p"]),
        ]
        for row in pairs[:SHOWN]
    ]
    real = sum(row["flagged"] for row in pairs)
    about = (
        f"Points of accuracy that a confusion takes from the target beyond the reference; of the {len(pairs)} that "
        f"moved most, {real} moved beyond chance (false discovery rate of 5 %)."
    )
    found = table("Confusions that cost most", PAIRS, rows)
    return section("confusions", "Confusions", sentences=[about], tables=[found])


def _table(where: str, said: Predictions, counts: np.ndarray) -> Block:
    rows = [
        [one.true, one.predicted, estimate(one.share), one.count]
        for one in confused_pairs(said.class_names, counts, SHOWN)
    ]
    return table(f"{said.model} on {where}: the most frequent confusions", COUNTS, rows)


def _figure(run: Run, where: str, said: Predictions, counts: np.ndarray) -> list[Block]:
    """The run's own picture where it has one, else one drawn now; none of very many classes."""
    worst = confused_pairs(said.class_names, counts, 1)[0]
    told = f"{worst.true} is taken for {worst.predicted} most, in {percent(worst.share)} of its images"
    alt = f"Confusion matrix of {said.model} on {where}: {told}"
    own = [name for name in run.pictures if name.startswith("confusion-") and name.endswith(where.replace("/", "-"))]
    if own:
        return [figure(own[0], run.picture(own[0]), alt, f"{upper(alt)}.")]
    if len(said.class_names) > DRAWN:
        return []
    drawn = confusion(said.class_names, counts, title=f"{said.model} on {where}")
    return [figure(f"confusion-{where}", png(drawn), alt, f"{upper(alt)}.")]

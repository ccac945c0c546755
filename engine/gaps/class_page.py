"""The classes, confusions and features of a gap, as blocks."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gapscope.blocks import Block, Figure, Heading, Sentence, Table, estimate
from gapscope.blocks.blocks import Cell
from gapscope.blocks.formats import listed, p_value, points, upper
from gapscope.core.text import counted
from gapscope.evaluation.class_page import CLASSES, share, some_of
from gapscope.runs.run import FIGURES, Row, Run

PAIRS, FEATURES = 15, 20
LEVEL = 0.05
DROPS = {
    "class": "text",
    "drop, shrunk": "change",
    "drop, observed": "change",
    "accuracy, reference": "share",
    "accuracy, target": "share",
    "images, reference": "count",
    "images, target": "count",
    "adjusted p": "p",
    "verdict": "text",
}
CONFUSIONS = {
    "class": "text",
    "predicted as": "text",
    "points lost": "change",
    "images, reference": "count",
    "images, target": "count",
    "adjusted p": "p",
}
MARGINS = {"feature": "text", "margin change": "number", "adjusted p": "p", "shift within classes": "number"}


def fell_more(run: Run, account: Mapping[str, Any]) -> list[Row]:
    """The classes that fell by more than the others beyond chance, the worst first."""
    common = max(_common(run, account), 0.0)
    return [row for row in _tested(run) if row["flagged"] and row["raw"] > common]


def _common(run: Run, account: Mapping[str, Any]) -> float:
    """The drop that classes are tested against; their mean in runs that did not keep it."""
    known = (account.get("classes") or {}).get("common")
    tested = [row["raw"] for row in _tested(run)]
    return float(np.mean(tested)) if known is None and tested else known or 0.0


def is_unequal(account: Mapping[str, Any]) -> bool:
    """Whether the classes' drops differ by more than sampling error makes them."""
    p = (account.get("classes") or {}).get("p")
    return p is not None and p <= LEVEL


def unequal_text(run: Run, account: Mapping[str, Any]) -> str:
    """How unequal the drops are, with the test, and between which classes."""
    known, tested = account["classes"], _tested(run)
    first, last = tested[0], tested[-1]
    changes = f"from {_drop_of(first['shrunk'])} in {first['class']} to {_drop_of(last['shrunk'])} in {last['class']}"
    verb = "gained" if first["shrunk"] < 0 else "lost" if last["shrunk"] >= 0 else "changed"
    return (
        f"The classes {verb} unequally (standard deviation {points(known['spread'])}, p {p_value(known['p'])}): "
        f"{changes}."
    )


def _drop_of(change: float) -> str:
    """A change of accuracy, positive where some is lost.

    >>> _drop_of(0.05), _drop_of(-0.2)
    ('a drop of 5.0 points', 'a gain of 20.0 points')
    """
    return f"a {'gain' if change < 0 else 'drop'} of {points(change)}"


def _tested(run: Run) -> list[Row]:
    """The classes with rows in both sets, the worst first."""
    rows = [row for row in run.table("classes") if row["shrunk"] is not None and math.isfinite(row["shrunk"])]
    return sorted(rows, key=lambda row: -row["shrunk"])


def class_blocks(run: Run, account: Mapping[str, Any]) -> list[Block]:
    """Drops by class, shrunk towards their mean, with what sampling error alone does to a list of worst classes."""
    tested, fell = _tested(run), fell_more(run, account)
    if not tested:
        return []
    what = f"{len(fell):,} of {len(tested):,} classes {'falls' if len(fell) == 1 else 'fall'} by more than the others"
    common = _common(run, account)
    named = f"{what}: {listed([row['class'] for row in fell])}." if fell else _none(run, len(tested), common)
    about = (
        "The drop of a class is drawn towards that of all classes as far as its few images demand, with 95 % intervals;"
        " the observed drop is what the counts say. Verdicts hold for all classes together (false discovery rate of "
        "5 %)."
    )
    caption = some_of("Drops by class, the worst first", len(tested))
    return [
        Heading("classes", "Classes"),
        *_expected_worst(run, account, len(tested), common),
        Sentence(named),
        *([Sentence(unequal_text(run, account))] if is_unequal(account) else []),
        Table(caption, DROPS, [_drop(row, common) for row in tested[:CLASSES]]),
        Sentence(about),
        *_picture(run, tested, fell),
    ]


def _measure(run: Run, metric: str) -> float | None:
    return next((row["value"] for row in run.of_metric(metric)), None)


def _expected_worst(run: Run, account: Mapping[str, Any], classes: int, common: float) -> list[Block]:
    """What has to be known before any list of worst classes is read."""
    expected, worst = (_measure(run, f"class_drop_{name}") for name in ("expected_worst", "worst"))
    if classes < 2 or expected is None or worst is None:
        return []
    observed = f"; the worst observed is {account.get('worst_class') or 'one'} with {_drop_of(worst)}"
    verb, shown = "gained" if common < 0 else "lost", _drop_of(expected).replace(" of ", " of about ")
    return [
        Sentence(
            f"If all {classes:,} classes had {verb} alike, the worst would still show {shown} by sampling error alone"
            f"{observed}."
        )
    ]


def _none(run: Run, classes: int, common: float) -> str:
    detectable = _measure(run, "class_drop_detectable")
    power = ""
    if detectable:
        from_what = _drop_of(detectable).replace(" of ", " of less than about " if detectable < 0 else " of about ")
        power = f"; a single class would stand out from {from_what}"
    if detectable and detectable > 1:  # more than a class can lose
        power = "; not even a class that lost everything would usually stand out"
    shared = "gain" if common < 0 else "drop"
    return f"None of the {counted(classes, 'class', 'classes')} can be distinguished from the common {shared}{power}."


def _drop(row: Row, common: float) -> list[Cell]:
    verdict = "worse than the others" if row["raw"] > common else "better than the others"
    return [
        row["class"],
        estimate(row["shrunk"], row["low"], row["high"]),
        estimate(row["raw"]),
        *(share(row[f"{side}_right"], row[f"{side}_rows"]) for side in ("reference", "target")),
        row["reference_rows"],
        row["target_rows"],
        row["adjusted_p"],
        verdict if row["flagged"] else "like the others",
    ]


def _picture(run: Run, tested: Sequence[Row], fell: Sequence[Row]) -> list[Block]:
    if "classes" not in run.pictures:
        return []
    worst = tested[0]
    alt = f"Drops of the classes that lost most: {worst['class']} at the top with {_drop_of(worst['shrunk'])}"
    alt += "" if fell else "; none differs from the common drop beyond chance"
    return [Figure("classes", run.place / FIGURES / "classes.png", alt, f"{upper(alt)}.")]


def pair_blocks(run: Run, account: Mapping[str, Any]) -> list[Block]:
    """The confusions that cost most."""
    pairs = run.table("pairs")
    if not pairs:
        return []
    rows = [
        [
            row["label"],
            row["predicted"],
            estimate(row["points"], row["low"], row["high"]),
            row["reference_count"],
            row["target_count"],
            row["adjusted_p"],
        ]
        for row in pairs[:PAIRS]
    ]
    real = sum(row["flagged"] for row in pairs)
    about = (
        f"Points of accuracy that a confusion takes from the target beyond the reference; of the {len(pairs)} that "
        f"moved most, {real} moved beyond chance (false discovery rate of 5 %)."
    )
    mixed = "" if account.get("same_mix", True) else " The points include the class mix; the p-values do not."
    return [
        Heading("confusions", "Confusions"),
        Table("Confusions that cost most", CONFUSIONS, rows),
        Sentence(about + mixed),
    ]


def feature_blocks(run: Run) -> list[Block]:
    """The features that lower the margins most."""
    features = run.table("features")
    if not features:
        return []
    order = sorted(features, key=lambda row: row["margin_change"])[:FEATURES]
    lowering = sum(row["margin_change"] < 0 and (row["margin_adjusted_p"] or 0) <= LEVEL for row in features)
    rows = [
        [
            f"feature {row['feature']}",
            _with_error(row["margin_change"], row["margin_error"]),
            row["margin_adjusted_p"],
            row["class_free_shift"],
        ]
        for row in order
    ]
    about = (
        "The margin of a prediction is the score of the true class less that of its best rival, in logits; the changes "
        f"of all features sum to its change from reference to target. {counted(lowering, 'feature')} of "
        f"{len(features):,} lower it beyond chance."
    )
    return [
        Heading("features", "Features", folded=True),
        Table("Features that lower the margins most", MARGINS, rows),
        Sentence(about),
    ]


def _with_error(value: float, error: float) -> Cell:
    return estimate(value, value - 1.96 * error, value + 1.96 * error)

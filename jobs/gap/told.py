"""What `gap` tells a person: an answer in sentences, and tables."""

from typing import Any

import numpy as np
from gapscope.gaps.sentences import fallen, trap
from gapscope.jobs.gap.found import Found
from gapscope.runs.result import Table

SHOWN = 10
LEVEL = 0.05


def answer(found: Found) -> str:
    """Two or three sentences: whether anything was lost, to what, and which classes."""
    account = found.ledger
    reference, target = (side.name for side in found.sides)
    if account.same:
        return f"{reference} and {target} are the same images with the same answers, so there is no gap to explain."
    direction = "falls" if account.gap >= 0 else "rises"
    span = f"95 % interval of the gap {100 * account.low:+.2f} to {100 * account.high:+.2f}"
    levels = f"from {account.accuracy[0]:.2%} on {reference} to {account.accuracy[1]:.2%} on {target}"
    start = f"Accuracy {direction} by {abs(100 * account.gap):.2f} points, {levels} ({span})"
    if not account.significant:
        return f"{start}: no gap beyond what sets of this size show by chance, so its parts mean little."
    largest = account.largest
    name = largest.name.replace("_", " ")
    part = f"the largest part is {name}, {100 * largest.value:+.2f} points: {largest.sentence}"
    return f"{start}; {part}. {_repaired(found)}".strip()


def _repaired(found: Found) -> str:
    useful = [rung for rung in found.features.rungs if not rung.uses_labels and rung.adjusted_p <= LEVEL]
    useful = [rung for rung in useful if rung.regained > 0]
    if not found.features.rungs:
        return ""
    if not useful:
        return "No repair of the features without labels regains anything beyond chance."
    best = max(useful, key=lambda rung: rung.regained)
    return f"Of the repairs without labels, {best.name} regains most, {100 * best.regained:.2f} points."


def notes_of(found: Found) -> list[str]:
    """The sentences below them, the answer first."""
    stand = fallen(found.ledger.drops, found.names)
    return [answer(found), *([stand] if stand else []), *found.ledger.notes, *found.notes]


def _points(value: float) -> str:
    return f"{100 * value:+.2f}" if np.isfinite(value) else "-"


def _span(low: float, high: float) -> str:
    return f"{_points(low)} … {_points(high)}" if np.isfinite(low) else "-"


def tables_of(found: Found) -> list[Table]:
    """The tables for the terminal, the ledger first."""
    tables = [
        _ledger_table(found),
        _class_table(found),
        _pair_table(found),
        _feature_table(found),
        _repair_table(found),
        _reason_table(found),
    ]
    return [table for table in tables if table is not None]


def _ledger_table(found: Found) -> Table:
    """The ledger; its title says first what noise alone does to a list of worst classes."""
    account = found.ledger
    warning = trap(account.drops, found.names)
    rows = [
        (term.name.replace("_", " "), _points(term.value), _span(term.low, term.high), term.sentence)
        for term in account.terms
    ]
    rows.append(("gap", _points(account.gap), _span(account.low, account.high), "the sum"))
    warning = f"{warning[0].upper()}{warning[1:]}."
    title = warning if account.significant else f"{answer(found)}\n{warning}"
    title += "\n\nWhere the points went"
    return Table(title, ("term", "points", "95 % interval", "what it means"), rows)


def _class_table(found: Found) -> Table | None:
    drops = found.ledger.drops
    if drops.tested < 2:
        return None
    order = np.lexsort((-np.nan_to_num(drops.shrunk, nan=-9.0), ~drops.flagged))[: min(SHOWN, drops.tested)]
    rows = [
        (
            found.names[index],
            int(found.ledger.counts[0].rows[index]),
            int(found.ledger.counts[1].rows[index]),
            _points(drops.raw[index]),
            _points(drops.shrunk[index]),
            _span(drops.low[index], drops.high[index]),
            f"{drops.adjusted_p[index]:.2g}",
            _verdict(drops, index),
        )
        for index in order
    ]
    columns = ("class", "rows", "rows, target", "drop seen", "shrunk", "95 % interval", "adjusted p", "verdict")
    return Table(f"Class drops in points, of {drops.tested:,}: those that stand out, then the worst", columns, rows)


def _verdict(drops: Any, index: int) -> str:
    if not drops.flagged[index]:
        return "not told from the common drop"
    return "fell by more" if drops.raw[index] > drops.common else "fell by less"


def _pair_table(found: Found) -> Table | None:
    pairs = found.pairs
    if not len(pairs.points):
        return None
    rows = [
        (
            f"{found.names[pairs.label[index]]} taken for {found.names[pairs.predicted[index]]}",
            int(pairs.reference_count[index]),
            int(pairs.target_count[index]),
            _points(pairs.points[index]),
            _span(pairs.low[index], pairs.high[index]),
            f"{pairs.adjusted_p[index]:.2g}",
        )
        for index in range(min(SHOWN, len(pairs.points)))
    ]
    caveat = "" if pairs.same_mix else "; points include the class mix, p-values do not"
    real = f"{int(pairs.flagged.sum())} of the {len(pairs.points)} that moved most are real{caveat}"
    title = f"Confusions that cost most, of {pairs.occurring:,} pairs; {real}"
    return Table(title, ("pair", "rows", "rows, target", "points", "95 % interval", "adjusted p"), rows)


def _feature_table(found: Found) -> Table | None:
    found_features = found.features.attribution
    if found_features is None:
        return None
    rows = [
        (
            str(index),
            float(found_features.feature[index]),
            float(found_features.error[index]),
            f"{found_features.adjusted_p[index]:.2g}",
        )
        for index in found_features.order[:SHOWN]
    ]
    columns = ("feature", "margin change, logits", "standard error", "adjusted p")
    return Table(f"Features that lower the margins most; {found_features.sentence()}", columns, rows)


def _repair_table(found: Found) -> Table | None:
    rows = [
        (rung.name, f"{rung.accuracy_after:.2%}", _points(rung.regained), _span(rung.low, rung.high),
         f"{rung.adjusted_p:.2g}", rung.sentence)
        for rung in found.features.rungs
    ]  # fmt: skip
    columns = ("repair", "accuracy", "regained", "95 % interval", "adjusted p", "what it means")
    return Table("Repairs of the target, one at a time", columns, rows) if rows else None


def _reason_table(found: Found) -> Table | None:
    if found.features.reasons is None:
        return None
    from gapscope.gaps.reasons import code_shares

    shares = code_shares(found.features.reasons)
    rows = [
        (one.code.replace("_", " "), one.errors, f"{one.of_errors:.1%}", one.rows, f"{one.of_rows:.1%}")
        for one in shares
    ]
    columns = ("reason", "errors", "of errors", "rows", "of rows")
    return Table("Reason codes of the target's rows (an image may have several)", columns, rows)

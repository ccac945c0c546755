"""What a run of `gap` leaves: tables, the breakdown as JSON (``ledger.json``), reasons by code, and results."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from gapscope.attributes.moved import table_of_moves
from gapscope.core.files import write_json
from gapscope.gaps.analysis import GapAnalysis
from gapscope.gaps.breakdown import inputs_of
from gapscope.gaps.figures import draw
from gapscope.gaps.image_page import MOVED, SLICES, TERMS
from gapscope.gaps.images import ImageEvidence
from gapscope.gaps.page import headline
from gapscope.gaps.reasons import CodeShare, about_codes, code_shares
from gapscope.gaps.shared_drop import standing_apart
from gapscope.predictions import Predictions
from gapscope.runs.folder import RunFolder
from gapscope.runs.result import finite
from gapscope.schemas.results import Result

DROP_COLUMNS = ("raw", "shrunk", "low", "high", "error", "p", "adjusted_p", "flagged", "probability_worse")


def write(analysis: GapAnalysis, made: RunFolder, *, linear: bool = False) -> None:
    """Write the tables, the breakdown and the figures into the run's folder; `linear` models can be repaired."""
    evidence = analysis.evidence
    made.write_table("classes.parquet", _class_table(analysis))
    made.write_table("pairs.parquet", analysis.pairs.table(analysis.class_names))
    if evidence.attribution is not None:
        made.write_table("features.parquet", pa.table(evidence.attribution.columns()))
    if evidence.images is not None:
        _write_images(evidence.images, made)
    if evidence.reasons is not None:
        made.write_table("reasons.parquet", evidence.reasons)
        left_out, precision = about_codes(evidence.reasons)
        shares = [_reason_json(one) for one in code_shares(evidence.reasons)]
        write_json(made.place / "reasons.json", shares)
        write_json(made.place / "reasons-known.json", {"left_out": left_out, "precision": precision})
    account = _breakdown_json(analysis) | {"linear": linear}
    write_json(made.place / "ledger.json", account, allow_nan=False)
    draw(analysis, account["answer"], made.place)


def _write_images(images: ImageEvidence, made: RunFolder) -> None:
    """What moved, what it has to do with the gap, and the slices."""
    if images.moved:
        made.write_table(f"{MOVED}.parquet", table_of_moves(images.moved))
    if images.terms:
        made.write_table(f"{TERMS}.parquet", pa.Table.from_pylist([asdict(one) for one in images.terms]))
    if images.found.slices:
        rows = [asdict(one) | {"slice": " and ".join(one.conditions)} for one in images.found.slices]
        made.write_table(f"{SLICES}.parquet", pa.Table.from_pylist(rows))


def _reason_json(one: CodeShare) -> dict[str, Any]:
    return {name: finite(value) if isinstance(value, float) else value for name, value in asdict(one).items()}


def _breakdown_json(analysis: GapAnalysis) -> dict[str, Any]:
    breakdown, sides = analysis.breakdown, analysis.sides
    drops, names = breakdown.drops, analysis.class_names
    result = {
        "model": sides[0].model,
        **{
            name: {"set": side.name, "accuracy": accuracy, "rows": rows}
            for name, side, accuracy, rows in zip(
                ("reference", "target"), sides, breakdown.accuracy, breakdown.rows, strict=True
            )
        },
        "gap": {"value": breakdown.gap, "low": finite(breakdown.low), "high": finite(breakdown.high)},
        "terms": [
            {
                **{name: finite(getattr(one, name)) for name in ("value", "low", "high")},
                "name": one.name,
                "meaning": one.sentence,
            }
            for one in breakdown.terms
        ],
        "inputs": inputs_of(breakdown),
        "mix_or_labels": breakdown.mix_or_labels,
        "same": breakdown.same,
        "paired": breakdown.paired,
        "classes": {
            "spread": finite(drops.spread),
            "common": finite(drops.common),
            "p": finite(drops.homogeneity_p),
            "apart": [names[index] for index in np.flatnonzero(standing_apart(drops))],
        },
        "worst_class": names[drops.worst] if drops.tested else "",
        "same_mix": analysis.pairs.same_mix,
        "confused_pairs": analysis.pairs.occurring,
        "notes": list(breakdown.notes),
    }
    return result | {"answer": headline(result)}


def _class_table(analysis: GapAnalysis) -> pa.Table:
    """One row for each class: rows, drops, tests, and its part of every term."""
    breakdown, drops = analysis.breakdown, analysis.breakdown.drops
    columns: dict[str, Any] = {"class": list(analysis.class_names)}
    for side, counts in zip(("reference", "target"), breakdown.counts, strict=True):
        columns |= {f"{side}_right": counts.right, f"{side}_rows": counts.rows}
    columns |= {name: getattr(drops, name) for name in DROP_COLUMNS}
    return pa.table(columns | {f"gap_{term.name}": term.by_class for term in breakdown.terms})


def _place(side: Predictions) -> dict[str, str]:
    return {"dataset": side.dataset, "split": side.split, "model": side.model}


def headline_results(analysis: GapAnalysis) -> list[Result]:
    """The accuracies, the gap, its terms, measures of the class drops, and what remedies regain."""
    return [*_accuracies(analysis), *_terms(analysis), *_measures(analysis), *_remedies(analysis)]


def class_results(analysis: GapAnalysis) -> list[Result]:
    """What each class adds to each term."""
    place, rows = _place(analysis.sides[1]), analysis.breakdown.counts[1].rows
    return [
        Result(**place, metric=f"gap_{term.name}", class_name=name, value=float(value), n=int(count))
        for term in analysis.breakdown.terms
        for name, value, count in zip(analysis.class_names, term.by_class, rows, strict=True)
    ]


def _accuracies(analysis: GapAnalysis) -> Iterator[Result]:
    breakdown = analysis.breakdown
    for side, accuracy, rows in zip(analysis.sides, breakdown.accuracy, breakdown.rows, strict=True):
        yield Result(**_place(side), metric="accuracy", value=accuracy, n=rows)


def _terms(analysis: GapAnalysis) -> Iterator[Result]:
    breakdown = analysis.breakdown
    place, n = _place(analysis.sides[1]), breakdown.rows[1]
    spans = [("gap", breakdown.gap, breakdown.low, breakdown.high)]
    spans += [(f"gap_{term.name}", term.value, term.low, term.high) for term in breakdown.terms]
    for name, value, low, high in spans:
        yield Result(**place, metric=name, value=value, low=finite(low), high=finite(high), n=n)


def _measures(analysis: GapAnalysis) -> Iterator[Result]:
    breakdown, drops, domain = analysis.breakdown, analysis.breakdown.drops, analysis.evidence.domain
    measures = {
        "class_drop_expected_worst": drops.expected_worst,
        "class_drop_worst": drops.raw[drops.worst] if drops.tested else float("nan"),
        "class_drop_detectable": drops.detectable,
        "class_drop_spread": drops.spread,
        "class_drop_homogeneity": drops.homogeneity_statistic,
        "class_drop_homogeneity_p_value": drops.homogeneity_p,
        "class_drop_flagged": float(drops.flagged.sum()),
        "confusion_pairs_flagged": float(analysis.pairs.flagged.sum()),
    }
    if breakdown.split is not None and breakdown.split.overlap:
        for side, share in zip(("reference", "target"), breakdown.split.effective_share, strict=True):
            measures[f"gap_effective_share_{side}"] = share
    if domain is not None:
        measures |= {"domain_auc": domain.auc, "domain_accuracy": domain.accuracy}
    place, n = _place(analysis.sides[1]), breakdown.rows[1]
    for name, value in measures.items():
        yield Result(**place, metric=name, value=finite(value), n=n)


def _remedies(analysis: GapAnalysis) -> Iterator[Result]:
    place = _place(analysis.sides[1])
    for one in analysis.evidence.trials:
        metric = f"repair_{one.name}"
        yield Result(**place, metric=metric, value=one.regained, low=one.low, high=one.high, n=one.n)
        yield Result(**place, metric=f"{metric}_p_value", value=one.p, n=one.n)

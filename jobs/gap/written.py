"""What a run of `gap` leaves: tables, the ledger as JSON, results."""

from typing import Any

import pyarrow as pa
from gapscope.core.files import write_json
from gapscope.jobs.gap.figures import draw
from gapscope.jobs.gap.found import Found
from gapscope.jobs.gap.told import answer, notes_of, tables_of
from gapscope.predictions import Predictions
from gapscope.runs.folder import RunFolder
from gapscope.runs.result import RunResult, finite
from gapscope.schemas.results import Result


def finished(found: Found, made: RunFolder) -> RunResult:
    """Write everything, and close the run."""
    tables = {"classes": _class_columns(found), "pairs": found.pairs.table(found.names)}
    if found.features.attribution is not None:
        tables["features"] = pa.table(found.features.attribution.columns())
    if found.features.reasons is not None:
        tables["reasons"] = found.features.reasons
    for name, table in tables.items():
        made.write_table(f"{name}.parquet", table)
    write_json(made.place / "ledger.json", _as_json(found), allow_nan=False)
    draw(found, made.place)
    results = [*_headline_results(found), *_repair_results(found)]
    return made.finish(results, tables_of(found), notes_of(found), kept=_class_results(found))


def _span_json(one: Any) -> dict[str, float | None]:
    return {"value": getattr(one, "value", None), "low": finite(one.low), "high": finite(one.high)}


def _as_json(found: Found) -> dict[str, Any]:
    account = found.ledger
    terms = [_span_json(one) | {"name": one.name, "meaning": one.sentence} for one in account.terms]
    sides = [
        {"set": side.name, "accuracy": accuracy, "rows": rows}
        for side, accuracy, rows in zip(found.sides, account.accuracy, account.rows, strict=True)
    ]
    return {
        "model": found.sides[0].model,
        "reference": sides[0],
        "target": sides[1],
        "gap": _span_json(account) | {"value": account.gap},
        "terms": terms,
        "answer": answer(found),
        "notes": list(account.notes),
    }


def _class_columns(found: Found) -> pa.Table:
    """One row for each class: rows, drops, tests, and its part of every term."""
    account, drops = found.ledger, found.ledger.drops
    names = ("raw", "shrunk", "low", "high", "error", "p", "adjusted_p", "flagged", "probability_worse")
    columns: dict[str, Any] = {"class": list(found.names)}
    for side, counts in zip(("reference", "target"), account.counts, strict=True):
        columns |= {f"{side}_right": counts.right, f"{side}_rows": counts.rows}
    columns |= {name: getattr(drops, name) for name in names}
    return pa.table(columns | {f"gap_{term.name}": term.by_class for term in account.terms})


def _place(side: Predictions) -> dict[str, str]:
    return {"dataset": side.dataset, "split": side.split, "model": side.model}


def _headline_results(found: Found) -> list[Result]:
    account, drops = found.ledger, found.ledger.drops
    place, n = _place(found.sides[1]), account.rows[1]
    results = [
        Result(**_place(side), metric="accuracy", value=accuracy, n=rows)
        for side, accuracy, rows in zip(found.sides, account.accuracy, account.rows, strict=True)
    ]
    spans = [("gap", account.gap, account.low, account.high)]
    spans += [(f"gap_{term.name}", term.value, term.low, term.high) for term in account.terms]
    results += [
        Result(**place, metric=name, value=value, low=finite(low), high=finite(high), n=n)
        for name, value, low, high in spans
    ]
    single = {
        "class_drop_expected_worst": drops.expected_worst,
        "class_drop_worst": drops.raw[drops.worst] if drops.tested else float("nan"),
        "class_drop_detectable": drops.detectable,
        "class_drop_spread": drops.spread,
        "class_drop_homogeneity": drops.homogeneity_statistic,
        "class_drop_homogeneity_p_value": drops.homogeneity_p,
        "class_drop_flagged": float(drops.flagged.sum()),
        "confusion_pairs_flagged": float(found.pairs.flagged.sum()),
    }
    if account.split is not None:
        for side, share in zip(("reference", "target"), account.split.effective_share, strict=True):
            single[f"gap_effective_share_{side}"] = share
    if found.features.domain is not None:
        single |= {"domain_auc": found.features.domain.auc, "domain_accuracy": found.features.domain.accuracy}
    return results + [Result(**place, metric=name, value=finite(value), n=n) for name, value in single.items()]


def _class_results(found: Found) -> list[Result]:
    place, rows = _place(found.sides[1]), found.ledger.counts[1].rows
    return [
        Result(**place, metric=f"gap_{term.name}", class_name=name, value=float(value), n=int(count))
        for term in found.ledger.terms
        for name, value, count in zip(found.names, term.by_class, rows, strict=True)
    ]


def _repair_results(found: Found) -> list[Result]:
    place, results = _place(found.sides[1]), []
    for rung in found.features.rungs:
        metric = f"repair_{rung.name}"
        results.append(Result(**place, metric=metric, value=rung.regained, low=rung.low, high=rung.high, n=rung.n))
        results.append(Result(**place, metric=f"{metric}_p_value", value=rung.p, n=rung.n))
    return results

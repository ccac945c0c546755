"""What an explanation of features without images leaves in its run's folder: findings as JSON, results."""

from collections.abc import Sequence
from typing import Any

from gapscope.causes.feature_analysis import FeatureAnalysis, FeatureProof
from gapscope.causes.feature_changes import CHANGES
from gapscope.causes.record import result_of
from gapscope.core.files import write_json
from gapscope.runs.folder import RunFolder
from gapscope.schemas.results import Result

FINDINGS = "feature-changes"


def write(analysis: FeatureAnalysis, of: Sequence[int], model: str, made: RunFolder, *, linear: bool) -> None:
    """Write `feature-changes.json`; the samples are `of` so many rows, and a `linear` model can be repaired."""
    sides = analysis.reference, analysis.target
    judged = [len(one.x) - one.half for one in sides]
    findings = {
        "reference": analysis.reference.set,
        "target": analysis.target.set,
        "model": model,
        "linear": linear,
        "rows": judged,
        "of": list(of),
        "labelled": [int((one.label[one.halves[1]] >= 0).sum()) for one in sides],
        "half": analysis.reference.half,
        "chance": analysis.chance,
        "beyond_chance": analysis.is_beyond_chance,
        "auc": analysis.auc,
        "accuracies": [one._asdict() if one else None for one in analysis.accuracies],
        "changes": [
            {"name": name, "words": CHANGES[name].words, "explained": share} for name, share in analysis.shares.items()
        ],
        "proofs": [_proof(one) for one in analysis.proofs],
    }
    write_json(made.place / f"{FINDINGS}.json", findings)


def results_of(analysis: FeatureAnalysis, model: str) -> list[Result]:
    """The rows of the results table: accuracies of the second halves, and what the chosen change explains there."""
    sides = analysis.reference, analysis.target
    counts = [int((one.label[one.halves[1]] >= 0).sum()) for one in sides]
    rows = [
        result_of(one.set, model, "accuracy", measure, n)
        for one, measure, n in zip(sides, analysis.accuracies, counts, strict=True)
        if measure
    ]
    if analysis.proofs:
        best, n = analysis.proofs[0], len(analysis.reference.x) - analysis.reference.half
        rows.append(result_of(analysis.target.set, model, "explained_share", best.explained, n))
        if best.accuracy:
            rows.append(result_of(analysis.target.set, model, "accuracy_reproduced", best.accuracy, counts[0]))
    return rows


def _proof(one: FeatureProof) -> dict[str, Any]:
    measures = {name: getattr(one, name) for name in ("explained", "accuracy", "lost")}
    return {
        **{name: getattr(one, name) for name in ("name", "said", "of_files", "auc", "inseparable")},
        **{name: measure._asdict() if measure else None for name, measure in measures.items()},
        "words": CHANGES[one.name].words,
        "named": one.is_named,
        "complete": one.is_complete,
        "rival": one.is_rival and one.is_named,
    }

"""What an explanation leaves in its run's folder: findings as JSON, every cause and attribute as a table, results."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from gapscope.attributes.moved import Moved
from gapscope.blocks.formats import listed
from gapscope.causes.analysis import Analysis
from gapscope.causes.families import KINDS, OWN
from gapscope.causes.forecast import Expected
from gapscope.causes.proof import Measure, Proof
from gapscope.causes.samples import Sample
from gapscope.causes.search import Explanation, Version
from gapscope.core.errors import GapscopeError
from gapscope.core.files import write_json
from gapscope.core.location import Location
from gapscope.runs.folder import RunFolder
from gapscope.runs.run import Run, read_run
from gapscope.schemas.results import Result
from gapscope.store import EmbeddingStore
from gapscope.store.selected import Selected
from gapscope.store.workspace import OF_FEATURES, option_words

# Options of `extract` that say which images and labels are read.
OF_IMAGES = ("classes", "labels", "path_column", "label_column", "seed")
JOB = "explain"
FINDINGS, CAUSES, ATTRIBUTES, REPRODUCED = "explanation", "causes", "attributes", "reproduced"


def write(
    analysis: Analysis,
    stores: Sequence[EmbeddingStore],
    moved: Sequence[Moved],
    model: str,
    trained: Sequence[EmbeddingStore | Selected],
    made: RunFolder,
) -> None:
    """Write `explanation.json`, `causes.parquet` and `attributes.parquet`; the samples are of the `stores`, and `model`
    was trained on the sets `trained`.
    """
    findings = {
        "reference": analysis.reference.set,
        "target": analysis.target.set,
        "model": model,
        "trained": [one.name for one in trained],
        "rows": [len(analysis.reference.x), len(analysis.target.x)],
        "of": [store.rows for store in stores],
        "places": {one.provenance.dataset: place_of(one) for one in (stores[0], *trained)},
        "extract": words_of_features(stores[0].manifest.command or {}),
        "labelled": [int((one.label >= 0).sum()) for one in (analysis.reference, analysis.target)],
        "half": analysis.reference.half,
        "chance": analysis.chance,
        "beyond_chance": analysis.is_beyond_chance,
        "by_chance": [one._asdict() for one in analysis.by_chance],
        "auc": analysis.auc,
        "accuracies": [_measure(one) for one in analysis.accuracies],
        "expected": _measure(analysis.expected),
        "proofs": [_proof(one) for one in analysis.proofs],
    }
    write_json(made.place / f"{FINDINGS}.json", findings)
    causes = [_ranked(place, one) for place, one in enumerate(analysis.ranking, 1)]
    if causes:
        made.write_table(f"{CAUSES}.parquet", pa.Table.from_pylist(causes))
    if moved:
        made.write_table(f"{ATTRIBUTES}.parquet", pa.Table.from_pylist([one._asdict() for one in moved]))


def place_of(store: EmbeddingStore | Selected) -> str:
    """The name or place of the dataset of a store, as `extract` takes it."""
    given = (store.manifest.command or {}).get("options", {}).get("dataset")
    return str(given[0]) if given else store.provenance.dataset


def explanations(runs: Location) -> list[Run]:
    """The finished runs of `explain` in the folder `runs`, those that have looked at most images first."""
    result = []
    for name in runs.folders():
        try:
            result += [read_run(runs / name)] if name.startswith(f"{JOB}-") else []
        except GapscopeError:
            continue  # unfinished or damaged: it has its own message where it is asked for
    return sorted(result, key=lambda run: -sum((run.json(FINDINGS) or {}).get("rows", ())))


def words_of_features(command: Mapping[str, Any]) -> list[str]:
    """The options of a stored `command` of `extract` that say which features are made of which images, as typed.

    >>> words_of_features({"options": {"backbone": "resnet18", "pool": ["avg", "token"], "weights": "", "seed": 0}})
    ['--backbone', 'resnet18', '--pool', 'avg', 'token']
    """
    return option_words(command.get("options", {}), (*OF_FEATURES, *OF_IMAGES))


def write_reproduced(
    sample: Sample, target: str, x: np.ndarray, cause: str, class_names: Sequence[str], made: RunFolder
) -> None:
    """Write the features ``x : (n, d)`` of the reference's images after the cause, for `repair` to train on."""
    known = np.flatnonzero(sample.label >= 0)
    columns = {
        "sample_id": pa.array(sample.sample_id[known], pa.int64()),
        "class": pa.array([class_names[label] for label in sample.label[known]], pa.string()),
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(x[known].ravel(), pa.float32()), x.shape[1]),
    }
    about = {"reference": sample.set, "target": target, "cause": cause}
    made.write_table(f"{REPRODUCED}.parquet", pa.table(columns).replace_schema_metadata(about))


def results_of(analysis: Analysis, model: str) -> list[Result]:
    """The rows of the results table: accuracies, and what the best cause explains and reproduces."""
    rows = [
        result_of(sample.set, model, "accuracy", measure, int((sample.label >= 0).sum()))
        for sample, measure in zip((analysis.reference, analysis.target), analysis.accuracies, strict=True)
        if measure
    ]
    if analysis.proofs:
        best, n = analysis.proofs[0], len(analysis.reference.x)
        rows.append(result_of(analysis.target.set, model, "explained_share", best.explained, n // 2))
        rows.append(result_of(analysis.target.set, model, "explained_auc", Measure(best.auc, None, None), n // 2))
        if best.accuracy:
            rows.append(result_of(analysis.target.set, model, "accuracy_reproduced", best.accuracy, n))
    return rows


def result_of(where: str, model: str, metric: str, measure: Measure, n: int) -> Result:
    """A row of the results table about the set `where`."""
    dataset, _, split = where.rpartition("/")
    return Result(dataset=dataset, split=split, model=model, metric=metric, value=measure.value, low=measure.low,
                  high=measure.high, n=n)  # fmt: skip


def _proof(proof: Proof) -> dict[str, Any]:
    return {
        **_named(proof.explanation.name),
        "versions": [_version(one) for one in proof.explanation.versions],
        "explained": _measure(proof.explained),
        "felt": _measure(proof.felt),
        "auc": proof.auc,
        "inseparable": proof.inseparable,
        "accuracy": _measure(proof.accuracy),
        "lost": _measure(proof.lost),
        "beyond": _measure(proof.beyond),
        "enough": proof.is_enough,
        "away": [*proof.away],
        "against": [*proof.against],
        "named": proof.is_named,
        "complete": proof.is_complete,
        "rival": proof.is_rival,
    }


def _ranked(place: int, one: Explanation) -> dict[str, Any]:
    versions = "; ".join(f"{version.share:.2f} {version.candidate or 'plain'}" for version in one.versions)
    return {"place": place, **_named(one.name), "explained": one.explained, "versions": versions, "images": one.images}


def _named(name: str) -> dict[str, Any]:
    """The name, the family and the words of a cause or of two."""
    kinds = [KINDS.get(one) for one in name.split("+")]
    families = dict.fromkeys(kind.family if kind else OWN for kind in kinds)
    words = [kind.words if kind else "a function of your own" for kind in kinds]
    return {"name": name, "family": listed([*families]), "words": "; ".join(words)}


def _version(version: Version) -> dict[str, Any]:
    steps = version.candidate.steps if version.candidate else ()
    return {"steps": [[step.cause.name, step.severity] for step in steps], "share": version.share}


def _measure(measure: Measure | Expected | None) -> dict[str, float] | None:
    return measure._asdict() if measure else None

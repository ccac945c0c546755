"""What runs say of the points of a map: predictions of their models, and why `gap` says that images were missed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.files import read_json, read_table
from gapscope.core.location import Location
from gapscope.explorer.colouring import NO_LABEL, Colouring, answered, by_confidence, by_reason, distinct
from gapscope.explorer.points import Points, Set
from gapscope.predictions import Predictions, read_predictions
from gapscope.predictions.run import MANIFEST, sets_in_run, titles_in_run
from gapscope.schemas.reasons import CODES

Array = np.ndarray
REASONS = "reasons.parquet"
TITLE = "reason of the error"


def joined(points: Points, runs: Sequence[Location]) -> tuple[Points, list[str]]:
    """The points with what each run says of them, and sentences about runs that say nothing.

    Raises
    ------
    InputError
        One of them is no run folder.
    """
    result = []
    for run in runs:
        if not (run / MANIFEST).exists():
            raise InputError(f"{run} is no run folder: it has no {MANIFEST}; name a folder below runs/")
        more, confidence = _predicted(points, run)
        more |= _explained(points, run)
        if confidence is None and not any(key.startswith("prediction") for key in more):
            others, confidence = _of_explained(points, run)
            more |= others
        if not more:
            result.append(f"{run.name} says nothing of {', '.join(one.name for one in points.sets)}")
        points = points.coloured(**more)
        if points.confidence is None and confidence is not None:
            points = replace(points, confidence=confidence)
    return points, result


def _of_explained(points: Points, run: Location) -> tuple[dict[str, Colouring], Array | None]:
    """The predictions of the run that a gap explains, where the gap itself keeps none; nothing for other runs."""
    manifest = read_json(run / MANIFEST)
    inputs = manifest.get("inputs") or [{"place": ""}]
    place = Location.of(inputs[0]["place"])
    runs = [one for one in (place, place.parent.parent) if manifest.get("job") == "gap" and (one / MANIFEST).exists()]
    return _predicted(points, runs[0], manifest["config"].get("model") or "") if runs else ({}, None)


def positions(points: Points, number: int, sample_id: Array) -> tuple[Array, Array]:
    """The points of the set `number` that are among the images ``sample_id : (m,)``, and where in these; ``(q,)``."""
    mine = np.flatnonzero(points.member == number)
    if not len(sample_id):
        return mine[:0], mine[:0]
    order = np.argsort(sample_id, kind="stable")
    at = np.minimum(np.searchsorted(sample_id, points.sample_id[mine], sorter=order), len(sample_id) - 1)
    there = sample_id[order[at]] == points.sample_id[mine]
    return mine[there], order[at[there]]


def _predicted(points: Points, run: Location, only: str = "") -> tuple[dict[str, Colouring], Array | None]:
    """Colourings by the predictions of all models of the run, or of the one called so, and how sure the first is that
    says it, ``(n,)``.
    """
    result: dict[str, Colouring] = {}
    first = None
    titles = titles_in_run(run) or {"": run.name}
    for model in [only] if only else titles:
        answers = list(_answers(points, run, model))
        if answers:
            more, confidence = _coloured(points, answers, titles.get(model, model))
            result |= more
            first = confidence if first is None else first
    return result, first


def _answers(points: Points, run: Location, model: str) -> Iterator[tuple[int, Predictions]]:
    """The model's predictions for each set of the map that it has predicted."""
    named = set(sets_in_run(run, model).values())
    for number, one in enumerate(points.sets):
        if one in named:
            yield number, read_predictions(str(run), model=model, dataset=one.dataset, split=one.split)


def _coloured(
    points: Points, answers: Sequence[tuple[int, Predictions]], model: str
) -> tuple[dict[str, Colouring], Array | None]:
    label, names = _labels(points, answers)
    predicted, confidence = _merged(points, answers, names)
    result = answered(label, predicted, names, model)
    if np.isnan(confidence).all():
        return result, None
    return result | {f"confidence-{model}": by_confidence(f"confidence of {model}", confidence)}, confidence


def _merged(points: Points, answers: Sequence[tuple[int, Predictions]], names: Sequence[str]) -> tuple[Array, Array]:
    """What is predicted for each point, an index of `names` or -1, and how surely, NaN where unknown; ``(n,)`` each."""
    index = {name: code for code, name in enumerate(names)}
    predicted, confidence = np.full(points.n, -1, np.int32), np.full(points.n, np.nan, np.float32)
    for number, result in answers:
        here, there = positions(points, number, result.sample_id)
        code = np.array([index[name] for name in distinct(result.class_names)], np.int32)
        predicted[here] = code[result.predicted[there]]
        if result.confidence is not None:
            confidence[here] = result.confidence[there]
    return predicted, confidence


def _labels(points: Points, answers: Sequence[tuple[int, Predictions]]) -> tuple[Array, list[str]]:
    """Class index of each point, -1 where it is not known, and the names of the map's classes and all models'."""
    known = points.colourings.get("label")
    names = [name for name in known.names if name != NO_LABEL] if known else []
    label = np.where(known.code < len(names), known.code, -1) if known else np.full(points.n, -1)
    return label, list(
        dict.fromkeys([*names, *(name for _, result in answers for name in distinct(result.class_names))])
    )


def _explained(points: Points, run: Location) -> dict[str, Colouring]:
    """By the codes that a run of `gap` gives its target's images, if this is one and its target is on the map."""
    place = run / REASONS
    target = read_json(run / MANIFEST).get("config", {}).get("target", "")
    one = Set(*target.rpartition("/")[::2])
    if not place.exists() or one not in points.sets:
        return {}
    table = read_table(place)
    here, there = positions(points, points.sets.index(one), table["sample_id"].to_numpy())
    flags = np.zeros((points.n, len(CODES)), bool)
    right, known = np.zeros(points.n, bool), np.zeros(points.n, bool)
    for column, code in enumerate(CODES):
        if code not in table.column_names:  # a run of an earlier version
            continue
        flags[here, column] = table[code].to_numpy()[there]
    answer = table["right"].fill_null(fill_value=False).to_numpy()
    judged = table["right"].is_valid().to_numpy()
    right[here], known[here] = answer[there], judged[there]
    return {"reason": by_reason(TITLE, flags, right, known)}

"""Forecasts from files of predictions for both sets, of the same models."""

from collections.abc import Sequence
from dataclasses import replace

from gapscope.core.errors import InputError
from gapscope.core.hashing import digest_json
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.forecasts.scored import scored_predictions, temperature_of, unlabelled_scores
from gapscope.jobs.forecast.cases import case_of
from gapscope.jobs.forecast.config import ForecastConfig
from gapscope.jobs.forecast.written import JOB, finished
from gapscope.predictions import Predictions
from gapscope.predictions.matched import matched, with_classes_of_both
from gapscope.predictions.read import read_all_models, read_predictions
from gapscope.runs.connection import connected
from gapscope.runs.folder import opened
from gapscope.runs.inputs import input_of_file
from gapscope.runs.result import RunResult
from gapscope.schemas.run import Input
from gapscope.store.workspace import slug

ARRAY = ".npy"
Pair = tuple[Predictions, Predictions]


def from_files(config: ForecastConfig, progress: Progress) -> RunResult:
    """Match the models of both sides, and make the forecasts of each."""
    pairs = _paired(
        _read(config.predictions_reference, config.labels_reference),
        _read(config.predictions_target, config.labels_target, bare=True),
        config.model,
    )
    reference, target = pairs[0]
    workspace = Location.of(config.workspace).absolute()
    name = slug(config.name or f"{reference.name}-{target.name}")
    with connected(config, progress), opened(workspace, JOB, name, config, _inputs(config, pairs[0])) as folder:
        with folder.timed("answers"):
            temperatures = [1.0 if one.scores is None else temperature_of(one.scores, one.label) for one, _ in pairs]
            known, asked = (scored_predictions(side, temperatures) for side in zip(*pairs, strict=True))
            done = [case_of(*both, target.dataset, target.split, config) for both in zip(known, asked, strict=True)]
        notes = ["the labelled predictions must be for images that the models were not trained on"]
        notes += _said_of_temperatures([one for one, _ in pairs], temperatures)
        notes += [sentence for _, missing in done for sentence in missing]
        return finished(folder, [case for case, _ in done], notes)


def _read(places: Sequence[str], labels: str, *, bare: bool = False) -> list[Predictions]:
    """The predictions in all files; the first file's rows in its order. An array without labels may be `bare`."""
    found: list[Predictions] = []
    for place in places:
        if not place.endswith(ARRAY):
            found += read_all_models(place)
        elif labels or not bare:
            found.append(read_predictions(place, labels=labels))
        else:
            found.append(unlabelled_scores(Location.of(place)))
    return [found[0], *(matched(found[0], other)[1] for other in found[1:])]


def _paired(reference: Sequence[Predictions], target: Sequence[Predictions], chosen: Sequence[str]) -> list[Pair]:
    """Each model's predictions for both sets, by name; by position where the files name none in common.

    Raises
    ------
    InputError
        No model is in both.
    """
    there = {one.model: one for one in target}
    pairs = [(one, there[one.model]) for one in reference if one.model in there]
    if not pairs and len(reference) == len(target):
        pairs = list(zip(reference, target, strict=True))
    pairs = [pair for pair in pairs if not chosen or pair[0].model in chosen]
    if not pairs:
        raise InputError(
            f"no model is in both files{' and among --model' * bool(chosen)}: the reference has "
            f"{', '.join(one.model for one in reference)}, the target {', '.join(one.model for one in target)}"
        )
    return [_of_one_kind(one.labelled(), other) for one, other in pairs]


def _of_one_kind(one: Predictions, other: Predictions) -> Pair:
    """Both with the same classes, and with scores only if both have them."""
    one, other = with_classes_of_both(one, other)
    if (one.scores is None) == (other.scores is None):
        return one, other
    return replace(one, scores=None, confidence=None), replace(other, scores=None, confidence=None)


def _said_of_temperatures(reference: Sequence[Predictions], temperatures: Sequence[float]) -> list[str]:
    if all(one.scores is None for one in reference):
        return ["confidences are used as the files have them"] * any(one.confidence is not None for one in reference)
    told = ", ".join(f"{one.model} {value:.3g}" for one, value in zip(reference, temperatures, strict=True))
    return [f"temperatures from {reference[0].name}: {told}"]


def _inputs(config: ForecastConfig, pair: Pair) -> list[Input]:
    """The records that the run reads the files, each with the rows of its side."""
    sides = zip((config.predictions_reference, config.predictions_target), pair, strict=True)
    return [_input(Location.of(place), side.n) for places, side in sides for place in places]


def _input(place: Location, rows: int) -> Input:
    if place.is_folder():
        return Input(place=str(place), config_hash=digest_json(place.names()), rows=rows)
    return input_of_file(place, place, rows)

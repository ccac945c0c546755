"""Predictions for a reference and a target, made of the same models, as pairs."""

from collections.abc import Sequence
from dataclasses import replace

from gapscope.core.errors import InputError
from gapscope.core.hashing import digest_json
from gapscope.core.location import Location
from gapscope.predictions import Predictions
from gapscope.predictions.matched import matched, with_classes_of_both
from gapscope.predictions.read import read_all_models
from gapscope.runs.inputs import input_of_file
from gapscope.schemas.run import Input

Pair = tuple[Predictions, Predictions]


def read_models(
    places: Sequence[str], labels: str, *, bare: bool = False, of: tuple[str, str] = ("", "")
) -> list[Predictions]:
    """The predictions in all files, or of runs for the set `of`; the first one's rows in its order. Files that may be
    `bare` need no labels.
    """
    called = dict(zip(("dataset", "split"), of, strict=True))
    models = [one for place in places for one in read_all_models(place, **called, labels=labels, bare=bare)]
    return [models[0], *(matched(models[0], other)[1] for other in models[1:])]


def paired(reference: Sequence[Predictions], target: Sequence[Predictions], chosen: Sequence[str]) -> list[Pair]:
    """Each model's predictions for both sets, by name; by position where the files name none in common.

    Raises
    ------
    InputError
        No model is in both.
    """
    by_name = {one.model: one for one in target}
    pairs = [(one, by_name[one.model]) for one in reference if one.model in by_name]
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


def temperature_notes(reference: Sequence[Predictions], temperatures: Sequence[float]) -> list[str]:
    """What the confidences of each model were divided by."""
    if all(one.scores is None for one in reference):
        return ["Confidences are used as the files have them."] * any(one.confidence is not None for one in reference)
    values = ", ".join(f"{one.model} {value:.3g}" for one, value in zip(reference, temperatures, strict=True))
    return [f"Temperatures from {reference[0].name}: {values}."]


def inputs(sides: Sequence[Sequence[str]], pair: Pair) -> list[Input]:
    """The records that a run reads the files of both sides, each with the rows of its side."""
    return [_input(Location.of(one), half.n) for side, half in zip(sides, pair, strict=True) for one in side]


def _input(place: Location, rows: int) -> Input:
    if place.is_folder():
        return Input(place=str(place), config_hash=digest_json(place.names()), rows=rows)
    return input_of_file(place, place, rows)

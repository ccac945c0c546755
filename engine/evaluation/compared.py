"""The models that are compared: which of runs or files are meant, and the predictions of each for one set."""

from collections.abc import Sequence
from dataclasses import replace

from gapscope.core.errors import InputError, unknown_name
from gapscope.core.location import Location
from gapscope.predictions import Predictions, models_in, read_predictions
from gapscope.predictions.memory import check_predictions, set_bytes
from gapscope.predictions.run import models_in_run
from gapscope.runs.inputs import stem


def among(several: Sequence[str], chosen: Sequence[str], *, of_run: bool) -> list[str]:
    """Which of `several` models of a place are `chosen`: all where none is, and the only one of a run in any case; an
    empty one where there are none.
    """
    every = not chosen or (of_run and len(several) == 1)
    return [name for name in several if every or name in chosen] if several else [""]


def models_of(
    places: Sequence[str], chosen: Sequence[str], dataset: str = "", split: str = "", *, of_runs: bool = False
) -> list[Predictions]:
    """The predictions of the `chosen` models of all places; models of one name are distinguished by their place, and
    files are of the set of the first.

    Raises
    ------
    InputError
        A model is nowhere, or runs predicted different sets.
    """
    named = [(place, name) for place in places for name in among(models_in(place), chosen, of_run=of_runs)]
    models = [(place, read_predictions(place, model=name, dataset=dataset, split=split)) for place, name in named]
    unknown = set(chosen) - {name for _, name in named} - {one.model for _, one in models}
    if unknown or not models:
        known = {one.model for _, one in models} | {name for place in places for name in models_in(place)}
        raise unknown_name(f"model in {', '.join(places)}", ", ".join(sorted(unknown)), known)
    if of_runs and len({one.name for _, one in models}) > 1:
        sets = ", ".join(sorted({one.name for _, one in models}))
        raise InputError(f"the runs predicted different sets, {sets}; name one with --dataset and --split")
    names, stems = [one.model for _, one in models], {place: stem(Location.of(place)) for place in places}
    called = stems if len(set(stems.values())) == len(stems) else {place: place for place in places}
    first = models[0][1]
    return [
        replace(
            one,
            model=one.model if names.count(one.model) == 1 else _told_apart(called[place], one.model, stems[place]),
            dataset=first.dataset,
            split=first.split,
        )
        for place, one in models
    ]


def check_memory(places: Sequence[str], sets: Sequence[tuple[str, str]], chosen: Sequence[str], allowed: str) -> None:
    """Refuse, before a row is read, predictions of the `chosen` models for `sets`, as dataset and split, that would not
    fit together.

    Raises
    ------
    BudgetError
        The projected need is above what is `allowed`, such as ``2GB``.
    """
    needed = [
        set_bytes(place, name, *one)
        for place in map(Location.of, places)
        for one in sets
        for name in among(models_in_run(place), chosen, of_run=True)
    ]
    check_predictions(f"comparing the predictions of {len(needed)} models and sets", needed, allowed)


def _told_apart(place: str, model: str, stem: str) -> str:
    """The name of a model behind that of its place, or this alone where the file has given the model its name."""
    return place if model == stem else f"{place}: {model}"

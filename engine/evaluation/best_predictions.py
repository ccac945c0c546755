"""The predictions that a run holds, of the most accurate model on each set."""

from collections.abc import Iterator

from gapscope.blocks.formats import set_name
from gapscope.core.errors import GapscopeError
from gapscope.evaluation.accuracy import best_models
from gapscope.predictions import Predictions, read_predictions
from gapscope.predictions.run import MODELS, PREDICTIONS, sets_in_run, titles_in_run
from gapscope.runs.run import Run

# Sets whose predictions are read: a run of a study may hold dozens.
SETS = 8


def best_predictions(run: Run) -> Iterator[tuple[str, Predictions]]:
    """For each set its name and the predictions of the most accurate model that the run keeps; at most `SETS`."""
    chosen = {where: model for model, where in best_models(run)}
    places = _places(run)
    rank = {where: place for place, where in enumerate(chosen)}
    ordered = sorted(places.items(), key=lambda one: rank.get(one[0][0], len(rank)))
    for (where, folder), models in ordered[:SETS]:
        title, place = _preferred(models, chosen.get(where, ""))
        dataset, _, split = where.rpartition("/")
        names = {"dataset": dataset or where, "split": split if dataset else ""}
        yield where, read_predictions(str(run.place / place / PREDICTIONS / folder), model=title, **names)
    yield from _target_of_gap(run, {where for where, _ in places})


def _target_of_gap(run: Run, there: set[str]) -> Iterator[tuple[str, Predictions]]:
    """Of a gap whose target was predicted by the run that it explains, that run's predictions, if they still exist."""
    target, explained = (run.manifest.config.get(name) for name in ("target", "run"))
    if run.job != "gap" or not explained or not isinstance(target, str) or target in there:
        return
    dataset, _, split = target.rpartition("/")
    model = run.manifest.config.get("model") or ""
    try:
        yield target, read_predictions(run.manifest.inputs[0].place, model=model, dataset=dataset, split=split)
    except GapscopeError:
        return


def _places(run: Run) -> dict[tuple[str, str], dict[str, str]]:
    """For each set and its folder, where each model's predictions lie below the run, by the name of the model."""
    places: dict[tuple[str, str], dict[str, str]] = {}
    for model, title in (titles_in_run(run.place) or {"": ""}).items():
        for folder, (dataset, split) in sets_in_run(run.place, model).items():
            where = set_name({"dataset": dataset, "split": split})
            places.setdefault((where, folder), {})[title] = f"{MODELS}/{model}" if model else "."
    return places


def _preferred(models: dict[str, str], best: str) -> tuple[str, str]:
    """The title and place of the model called `best`; of the first where none is called so."""
    name = best if best in models else next(iter(models))
    return best or name, models[name]

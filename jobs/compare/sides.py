"""The models to compare, on one set or on two."""

from collections.abc import Sequence
from dataclasses import replace

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.jobs.compare.config import CompareConfig
from gapscope.predictions import Predictions, models_in, read_predictions
from gapscope.runs.inputs import stem


def sides_of(config: CompareConfig) -> list[list[Predictions]]:
    """The models on one set, or on two, in the same order."""
    if not config.reference:
        return [_enough(_models(config, config.runs or config.predictions, config.dataset, config.split), config)]
    sides = []
    for named in (config.reference, config.target):
        if config.runs:
            dataset, _, split = named[0].partition("/")
            sides.append(_models(config, config.runs, dataset, split))
        else:
            sides.append(_models(config, named, "", ""))
    reference, target = sides
    other = {one.model: one for one in target}
    common = [one for one in reference if one.model in other]
    if not config.runs and len(reference) == len(target) == 1:
        return [reference, target]
    if not common:
        raise InputError(
            f"no model is in both sets: {', '.join(sorted({one.model for one in reference}))} and "
            f"{', '.join(sorted(other))}; use the same names"
        )
    return [_enough(common, config), [other[one.model] for one in common]]


def _enough(models: list[Predictions], config: CompareConfig) -> list[Predictions]:
    if len(models) < 2 and not config.baseline_line:
        raise InputError(f"there is only the model {models[0].model} to compare; name another run, file or model")
    return models


def _models(config: CompareConfig, places: Sequence[str], dataset: str, split: str) -> list[Predictions]:
    """All models that are asked for, of all places; models of one name are told apart by their place."""
    found, unused = [], set(config.model)
    for place in places:
        several = models_in(place)
        wanted = [name for name in several if not config.model or name in config.model] if several else [""]
        unused -= set(several)
        for name in wanted:
            found.append((place, read_predictions(place, model=name, dataset=dataset, split=split)))
    unused -= {one.model for _, one in found}
    if unused or not found:
        known = sorted({one.model for _, one in found} | {name for place in places for name in models_in(place)})
        raise InputError(
            f"no model named {', '.join(sorted(unused))} in {', '.join(places)}; there are {', '.join(known)}"
        )
    if config.runs and len({one.name for _, one in found}) > 1:
        sets = ", ".join(sorted({one.name for _, one in found}))
        raise InputError(f"the runs predicted different sets, {sets}; name one with --dataset and --split")
    names = [one.model for _, one in found]
    return [_renamed(one, place) if names.count(one.model) > 1 else one for place, one in found]


def _renamed(one: Predictions, place: str) -> Predictions:
    return replace(one, model=f"{stem(Location.of(place))}: {one.model}")

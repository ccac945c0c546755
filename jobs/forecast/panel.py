"""The models whose answers are read together: those to forecast, and heads trained to be compared with each other."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.evaluation.stored import classes_of
from gapscope.forecasts import FORECASTS
from gapscope.forecasts.heads import train_heads
from gapscope.forecasts.scored import Panel, temperature_of, temperature_rows
from gapscope.jobs.forecast.candidates import Candidate
from gapscope.jobs.forecast.config import ForecastConfig
from gapscope.networks.runs import holds_network
from gapscope.probes.model import Classifier
from gapscope.runs.folder import MANIFEST
from gapscope.store import EmbeddingStore, open_store
from gapscope.stream import Workers

FEWEST = 2


class Heads(NamedTuple):
    """Models to compare, and for each the group that has seen the same rows; neither where nothing was trained."""

    models: tuple[Classifier, ...] = ()
    groups: tuple[int, ...] = ()


def heads_of(
    config: ForecastConfig, candidates: Sequence[Candidate], workers: Workers, progress: Progress
) -> tuple[Heads, list[str]]:
    """Models to compare, where the runs hold only one; and a sentence about where they come from."""
    if len(candidates) > 1:
        return Heads(), [
            f"gde and aline compare the {len(candidates)} models of the runs; models trained on the same rows agree "
            "more often than the methods suppose"
        ]
    if config.heads < FEWEST or not _compares(config):
        return Heads(), []
    if holds_network(candidates[0].place):
        return Heads(), [
            f"heads on the features of {candidates[0].title} would share all that it has learnt, so none were trained "
            "to compare"
        ]
    return _trained(config, candidates[0], workers, progress)


def _compares(config: ForecastConfig) -> bool:
    """Whether a method that was asked for needs several models."""
    return not config.methods or any({"heads", "line"} & set(FORECASTS[name].needs) for name in config.methods)


def _trained(config: ForecastConfig, one: Candidate, workers: Workers, progress: Progress) -> tuple[Heads, list[str]]:
    seen = one.trained_on
    if seen is None or not (Location.of(seen.place) / MANIFEST).exists():
        return Heads(), ["the training rows are not at hand, so no heads were trained to compare"]
    store = open_store(Location.of(seen.place))
    progress.say(f"training {config.heads} heads on the halves of {store.name} and on shares of them")
    heads = train_heads(one.model, store.view(), config.heads, workers, seed=config.seed, progress=progress)
    synthetic = store.unseen is not None
    return Heads(*heads), [
        f"gde compares two heads trained on the halves of {store.name}, aline these and {config.heads - FEWEST} on "
        "smaller shares"
        + "; its synthetic rows are made from rows of both halves, which makes heads agree more"
        * synthetic
    ]


def panel_of(candidates: Sequence[Candidate], heads: Heads, reference: EmbeddingStore) -> tuple[Panel, list[str]]:
    """The models with the temperatures that suit the reference, and a sentence about these."""
    first = candidates[0].model
    classes, _ = classes_of(first, reference)
    rows = temperature_rows(reference.view(), len(first.class_names))
    label = np.append(classes, -1)[rows.y]
    temperatures = tuple(temperature_of(one.model.scores(rows.x), label) for one in candidates)
    titles = tuple(one.title for one in candidates)
    known = f"from the first {int((label >= 0).sum()):,} labelled rows of {reference.name}"
    told = ", ".join(f"{title} {value:.3g}" for title, value in zip(titles, temperatures, strict=True))
    models = tuple(one.model for one in candidates)
    return Panel(models, titles, temperatures, *heads), [f"temperatures {known}: {told}"]

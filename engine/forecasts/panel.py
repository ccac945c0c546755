"""The models whose predictions are read together: those to forecast, and heads trained to be compared."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.evaluation.stored import classes_of
from gapscope.forecasts import FORECASTS
from gapscope.forecasts.candidates import Candidate
from gapscope.forecasts.heads import train_heads
from gapscope.forecasts.scored import Panel, temperature_of, temperature_rows
from gapscope.networks.runs import holds_network
from gapscope.probes.model import Classifier
from gapscope.runs.folder import MANIFEST
from gapscope.store import EmbeddingStore, open_store
from gapscope.stream import Workers

FEWEST = 2


class Heads(NamedTuple):
    """Models to compare, and for each the group that was trained on the same rows; none where nothing was trained."""

    models: tuple[Classifier, ...] = ()
    groups: tuple[int, ...] = ()


def heads_for(
    candidates: Sequence[Candidate],
    methods: Sequence[str],
    count: int,
    workers: Workers,
    progress: Progress,
    *,
    seed: int,
) -> tuple[Heads, str]:
    """Models to compare, where there is only one candidate and a method needs several; and a note, which may be empty.

    `methods` are names in `FORECASTS`, all of them when none is named.
    """
    first = candidates[0]
    if len(candidates) > 1:
        return Heads(), (
            f"GDE and ALine compare the {len(candidates)} models of the runs; models trained on the same rows agree "
            "more often than the methods suppose."
        )
    compares = any({"heads", "line"} & set(FORECASTS[name].needs) for name in methods or FORECASTS)
    if count < FEWEST or not compares:
        return Heads(), ""
    if holds_network(first.place):
        return Heads(), f"Heads on the features of {first.title} would share what it has learned, so none were trained."
    if len(first.trained_on.inputs) > 1:
        return Heads(), "The model was trained on several sets, so no heads were trained on halves of one to compare."
    place = next((Location.of(rows.place) for rows in first.trained_on.inputs), None)
    if place is None or not (place / MANIFEST).exists():
        return Heads(), "The training rows are not available, so no heads were trained to compare."
    store = open_store(place)
    progress.say(f"training {count} heads on the halves of {store.name} and on shares of them")
    heads = train_heads(first.model, store.view(), count, workers, seed=seed, progress=progress)
    synthetic = "; its synthetic rows are made from rows of both halves, which makes heads agree more"
    return Heads(*heads), (
        f"GDE compares two heads trained on the halves of {store.name}, ALine these and {count - FEWEST} on smaller "
        f"shares{synthetic if store.unseen is not None else ''}."
    )


def panel_of(candidates: Sequence[Candidate], heads: Heads, reference: EmbeddingStore) -> tuple[Panel, str]:
    """The models with the temperatures that suit the reference, and a sentence about these."""
    first = candidates[0].model
    classes, _ = classes_of(first, reference)
    rows = temperature_rows(reference.view(), len(first.class_names))
    label = np.append(classes, -1)[rows.y]
    temperatures = tuple(temperature_of(one.model.scores(rows.x), label) for one in candidates)
    titles = tuple(one.title for one in candidates)
    known = f"from the first {int((label >= 0).sum()):,} labelled rows of {reference.name}"
    values = ", ".join(f"{title} {value:.3g}" for title, value in zip(titles, temperatures, strict=True))
    models = tuple(one.model for one in candidates)
    return Panel(models, titles, temperatures, *heads), f"Temperatures {known}: {values}."

"""What a run has predicted for the rows of a map."""

from typing import NamedTuple

import numpy as np
from gapscope.core.errors import InputError
from gapscope.core.hashing import digest_file
from gapscope.core.location import Location
from gapscope.jobs.map.config import MapConfig
from gapscope.jobs.map.sets import Sets, class_index
from gapscope.runs.folder import MANIFEST
from gapscope.schemas.run import Input
from gapscope.store import EmbeddingStore
from gapscope.store.workspace import slug


class Answers(NamedTuple):
    """What a run predicts for a set, by sample id ascending, with the class indices of the map.

    Attributes
    ----------
    sample_id : (n,) int64
    predicted : (n,) int32
    confidence : (n,) float32
        NaN where unknown.
    """

    sample_id: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray


def input_of_run(config: MapConfig) -> list[Input]:
    """The record that the map reads a run, known by the hash of its manifest; nothing where it reads none.

    Raises
    ------
    InputError
        ``--run`` names no run folder.
    """
    if not config.run:
        return []
    place = Location.of(config.run).absolute()
    if not (place / MANIFEST).exists():
        raise InputError(f"{place} is no run folder: it has no {MANIFEST}; name a folder below runs/")
    with (place / MANIFEST).open_input() as file:
        return [Input(place=str(place), config_hash=digest_file(file), rows=0)]


def answers_of(config: MapConfig, sets: Sets) -> tuple[list[Answers | None], list[str]]:
    """What the run predicts for each set, None for one that it has not predicted; and sentences about those.

    Nothing of either where there is no run.
    """
    if not config.run:
        return [], []
    from gapscope.predictions.run import sets_in_run  # here, because `--help` passes this module

    place = Location.of(config.run).absolute()
    there = sets_in_run(place, config.model)
    missing = [store.name for store in sets.stores if _called(store) not in there]
    answers = [None if store.name in missing else _read(place, config, store, sets) for store in sets.stores]
    return answers, [f"{place.name} has no predictions for {name}; their columns are empty there" for name in missing]


def _called(store: EmbeddingStore) -> str:
    """The name of the store's set in a run folder."""
    return slug(f"{store.provenance.dataset}-{store.provenance.split}")


def _read(place: Location, config: MapConfig, store: EmbeddingStore, sets: Sets) -> Answers:
    from gapscope.predictions import read_predictions

    made = store.provenance
    found = read_predictions(str(place), model=config.model, dataset=made.dataset, split=made.split)
    index = np.array([class_index(name, sets.class_names) for name in found.class_names], np.int32)
    order = np.argsort(found.sample_id, kind="stable")
    sure = np.full(found.n, np.nan, np.float32) if found.confidence is None else found.confidence
    return Answers(found.sample_id[order], index[found.predicted][order], sure[order])

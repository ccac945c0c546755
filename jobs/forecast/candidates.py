"""The models to make forecasts for, and what they were trained on."""

from collections.abc import Sequence
from typing import NamedTuple

from gapscope.core.errors import InputError
from gapscope.core.files import read_json
from gapscope.core.hashing import digest_file, digest_json
from gapscope.core.location import Location
from gapscope.evaluation.models import model_in
from gapscope.evaluation.stored import title_of_model
from gapscope.jobs.forecast.config import ForecastConfig
from gapscope.networks.runs import holds_network
from gapscope.probes.model import MODEL, Classifier
from gapscope.runs.folder import MANIFEST, MODELS
from gapscope.runs.inputs import run_of
from gapscope.schemas.run import Input
from gapscope.store import EmbeddingStore


class Candidate(NamedTuple):
    """A model to make forecasts for: where it lies, what tables call it, and its training rows, if known."""

    place: Location
    title: str
    model: Classifier
    trained_on: Input | None

    @property
    def record(self) -> Input:
        """The record that a run reads the model: a hash of all that decides its answers."""
        with (self.place / MODEL).open_input() as file:
            rule = self.model.rule
            decisive = [digest_file(file), rule.kind, rule.settings(), self.model.normalised]
        return Input(place=str(self.place), config_hash=digest_json(decisive), rows=self.model.details.get("rows", 0))


def candidates_of(config: ForecastConfig) -> list[Candidate]:
    """The models of all runs, those named by ``--model`` if any are.

    Raises
    ------
    InputError
        No model has such a name, or the models cannot be compared with each other.
    """
    found = _all_of(config)
    chosen = [one for one in found if not config.model or {one.title, one.place.name} & set(config.model)]
    if not chosen:
        there = ", ".join(one.title for one in found)
        raise InputError(f"no model is called {', '.join(config.model)}; the runs have {there}")
    for one in chosen:
        if one.model.class_names != chosen[0].model.class_names:
            raise InputError(f"{one.title} and {chosen[0].title} have other classes; forecast them one by one")
    _check_networks(chosen)
    return chosen


def _all_of(config: ForecastConfig) -> list[Candidate]:
    """The models of all runs; models of one title are told apart by their run."""
    places = []
    for folder in (Location.of(one).absolute() for one in config.runs):
        places += [folder / MODELS / name for name in (folder / MODELS).names()] or [folder]
    models = [model_in(place) for place in places]
    titles = [title_of_model(model) for model in models]
    apart = [
        title if titles.count(title) == 1 else f"{title} ({run_of(place).name})"
        for place, title in zip(places, titles, strict=True)
    ]
    return list(map(Candidate, places, apart, models, map(_trained_on, places)))


def _trained_on(place: Location) -> Input | None:
    """The rows that the model in `place` was trained on, as its run has written it down."""
    manifest = run_of(place) / MANIFEST
    inputs = read_json(manifest)["inputs"] if manifest.exists() else []
    return Input(**inputs[0]) if inputs else None


def _check_networks(candidates: Sequence[Candidate]) -> None:
    """Refuse several networks, of which each has features of its own."""
    networks = [one.place.name for one in candidates if holds_network(one.place)]
    if len(networks) > 1:
        raise InputError(
            f"{', '.join(networks)} are networks, each with features of its own; choose one with --model, or compare "
            "them by --predictions-reference and --predictions-target"
        )


def check_independence(candidates: Sequence[Candidate], reference: EmbeddingStore) -> list[str]:
    """Refuse a reference that a model was trained on; say so where that cannot be known.

    A probe has learnt from a store, a network from the images of a listing.
    """
    origins = {
        reference.manifest.config_hash: reference.name,
        reference.provenance.fingerprint.hash: f"the images of {reference.name}",
    }
    for one in candidates:
        if one.trained_on and one.trained_on.config_hash in origins:
            raise InputError(
                f"{one.title} was trained on {origins[one.trained_on.config_hash]}, where it is surer and more often "
                "right than on new images, so that a threshold or a temperature from there is biased; give --reference "
                "a labelled split that was held out, such as val or test"
            )
    unknown = [one.title for one in candidates if not one.trained_on]
    return [
        f"warning: nothing says which rows {', '.join(unknown)} saw in training; forecasts are too high if "
        f"{reference.name} is among them"
    ] * bool(unknown)

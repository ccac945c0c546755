"""The models to make forecasts for, and what they were trained on."""

from collections.abc import Sequence
from typing import NamedTuple

from gapscope.core.errors import InputError
from gapscope.core.hashing import digest_file, digest_json
from gapscope.core.location import Location
from gapscope.evaluation.models import model_in
from gapscope.evaluation.stored import title_of_model
from gapscope.evaluation.training_sets import TrainingSets
from gapscope.networks.runs import holds_network
from gapscope.predictions.run import models_in_run
from gapscope.probes.model import MODEL, Classifier
from gapscope.runs.folder import MODELS
from gapscope.runs.inputs import run_of
from gapscope.schemas.run import Input
from gapscope.store import EmbeddingStore


class Candidate(NamedTuple):
    """A model to make forecasts for: where it lies, what tables call it, and its training rows, if known."""

    place: Location
    title: str
    model: Classifier
    trained_on: TrainingSets

    @property
    def record(self) -> Input:
        """The record that a run reads the model: a hash of all that decides its predictions."""
        with (self.place / MODEL).open_input() as file:
            rule = self.model.rule
            decisive = [digest_file(file), rule.kind, rule.settings(), self.model.normalised]
        return Input(place=str(self.place), config_hash=digest_json(decisive), rows=self.model.details.get("rows", 0))


def candidates_in(runs: Sequence[Location], chosen: Sequence[str] = ()) -> list[Candidate]:
    """The models of all `runs`, only those whose name is in `chosen` if any are.

    Raises
    ------
    InputError
        No model has such a name, or the models cannot be compared with each other.
    """
    every = _all_of(runs)
    candidates = [one for one in every if not chosen or {one.title, one.place.name} & set(chosen)]
    if not candidates:
        titles = ", ".join(one.title for one in every)
        raise InputError(f"no model is called {', '.join(chosen)}; the runs have {titles}")
    first = candidates[0]
    for one in candidates:
        if one.model.class_names != first.model.class_names:
            raise InputError(f"{one.title} and {first.title} have other classes; forecast them one by one")
    _check_networks(candidates)
    return candidates


def _all_of(runs: Sequence[Location]) -> list[Candidate]:
    """The models of all runs; models of one title are distinguished by their run."""
    places = []
    for folder in runs:
        places += [folder / MODELS / name for name in models_in_run(folder)] or [folder]
    models = [model_in(place) for place in places]
    titles = [title_of_model(model) for model in models]
    distinct = [
        title if titles.count(title) == 1 else f"{title} ({run_of(place).name})"
        for place, title in zip(places, titles, strict=True)
    ]
    return list(map(Candidate, places, distinct, models, map(TrainingSets, places)))


def _check_networks(candidates: Sequence[Candidate]) -> None:
    """Refuse several networks, of which each has features of its own."""
    networks = [one.place.name for one in candidates if holds_network(one.place)]
    if len(networks) > 1:
        raise InputError(
            f"{', '.join(networks)} are networks, each with features of its own; choose one with --model, or compare "
            "them by --predictions-reference and --predictions-target"
        )


def check_independence(
    candidates: Sequence[Candidate], reference: EmbeddingStore, targets: Sequence[EmbeddingStore]
) -> list[str]:
    """Refuse a reference that a model was trained on; a warning where that cannot be known, and of single rows of both.

    Raises
    ------
    InputError
        See above.
    """
    for one in candidates:
        if one.trained_on.has_most_of(reference):
            seen = one.trained_on.name_of(reference) or f"rows of {reference.name}"
            raise InputError(
                f"{one.title} was trained on {seen}, where it is surer and more often correct than on new images, so "
                "that a threshold or a temperature from there is biased; give --reference a labelled split that was "
                "held out, such as val or test"
            )
    unknown = [one.title for one in candidates if not one.trained_on.inputs]
    return [
        f"warning: the training rows of {', '.join(unknown)} are unknown; forecasts are too high if {reference.name} "
        "is among them."
    ] * bool(unknown) + [
        warning for one in candidates for warning in one.trained_on.warnings(one.title, (reference, *targets))
    ]

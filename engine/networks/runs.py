"""Trained networks by name: the runs of a workspace that hold one, and folders anywhere else."""

from typing import Any, NamedTuple

from gapscope.core.errors import InputError, unknown_name
from gapscope.core.files import read_json
from gapscope.core.location import Location
from gapscope.predictions.run import models_in_run

MODEL, DESCRIPTION, KIND = "model.safetensors", "model.json", "cnn"
RUNS, MODELS = "runs", "models"
PREFIX = "run:"


class NetworkFolder(NamedTuple):
    """Where a trained network lies.

    Attributes
    ----------
    name
        What it is called as a backbone: ``run:NAME``, or ``run:NAME/MODEL`` for one of several of a run.
    folder
        The folder of its two files.
    """

    name: str
    folder: Location

    @property
    def file(self) -> Location:
        """The file of its weights."""
        return self.folder / MODEL

    def about(self) -> dict[str, Any]:
        """What is written about it beside its weights."""
        return read_json(self.folder / DESCRIPTION)


def holds_network(folder: Location) -> bool:
    """Whether `folder` has the two files of a trained network; reads the smaller one."""
    if not all((folder / name).exists() for name in (MODEL, DESCRIPTION)):
        return False
    try:
        return read_json(folder / DESCRIPTION).get("kind") == KIND
    except ValueError:
        return False


def network_at(folder: Location) -> NetworkFolder:
    """The network in `folder` under its name, which is that of its run."""
    several = folder.parent.name == MODELS
    name = f"{folder.parent.parent.name}/{folder.name}" if several else folder.name
    return NetworkFolder(f"{PREFIX}{name}", folder)


def networks_in(run: Location) -> list[NetworkFolder]:
    """The networks of a run: its own, or one for each seed."""
    places = [run, *(run / MODELS / name for name in models_in_run(run))]
    return [network_at(place) for place in places if holds_network(place)]


def networks_of(workspace: Location) -> list[NetworkFolder]:
    """The networks of all runs of a workspace, sorted by name."""
    runs = workspace / RUNS
    return [network for name in runs.folders() for network in networks_in(runs / name)]


def find_network(workspace: Location, name: str) -> NetworkFolder:
    """The trained network that ``run:NAME``, ``run:NAME/MODEL`` or ``run:PATH`` stands for.

    Raises
    ------
    InputError
        There is no such run, it holds no network, or several; the message lists what can be chosen.
    """
    place = _place(workspace.absolute(), name.removeprefix(PREFIX).rstrip("/"))
    if place is None:
        raise _unknown(workspace, name)
    result = networks_in(place)
    if not result:
        raise InputError(f"{place} holds no trained network, or not yet; {_choices(workspace)}")
    if len(result) > 1:
        raise InputError(f"{name} holds {len(result)} networks; choose one: {', '.join(one.name for one in result)}")
    return result[0]


def _place(workspace: Location, text: str) -> Location | None:
    """The folder that is meant: in the workspace, else wherever a path leads."""
    run, _, model = text.partition("/")
    named = workspace / RUNS / run
    candidates = [named / MODELS / model if model else named, Location.of(text).absolute()] if text else []
    return next((place for place in candidates if place.is_folder()), None)


def _unknown(workspace: Location, name: str) -> InputError:
    known = [one.name for one in networks_of(workspace)]
    return unknown_name("trained network", name, known) if known else InputError(f"no run for {name!r}; {NONE}")


def _choices(workspace: Location) -> str:
    known = [one.name for one in networks_of(workspace)]
    return f"choose {' or '.join(known)}" if known else NONE


NONE = "train a network with `train-cnn`, there is none in this workspace"

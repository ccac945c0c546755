"""What a run reads, beside stored sets: a model's folder or a file, found, called and recorded."""

from typing import Any

from gapscope.core.errors import InputError
from gapscope.core.hashing import digest_file, digest_json
from gapscope.core.location import Location
from gapscope.predictions.run import models_in_run
from gapscope.runs.run import MANIFEST, MODELS
from gapscope.schemas.run import Input


def folder_of_model(place: str) -> Location:
    """The folder at `place`, which holds one model, or that of the only model below its models/.

    Raises
    ------
    InputError
        It is a run of several models; the message names them.
    """
    folder = Location.of(place).absolute()
    several = [folder / MODELS / name for name in models_in_run(folder)]
    if len(several) > 1:
        raise InputError(f"{folder} holds several models; choose one with --model: {', '.join(map(str, several))}")
    return several[0] if several else folder


def run_of(folder: Location) -> Location:
    """The run folder of the model in `folder`, which lies in it or below its models."""
    return folder.parent.parent if folder.parent.name == MODELS else folder


def stem(place: Location) -> str:
    """The name of a folder, or that of a file without its suffix."""
    return place.name.rpartition(".")[0] if "." in place.name and not place.is_folder() else place.name


def input_of_file(place: Location, file: Location, rows: int = 0) -> Input:
    """The record that a run reads `place`, known by the hash of `file`."""
    with file.open_input() as stream:
        return Input(place=str(place), config_hash=digest_file(stream), rows=rows)


def input_of_predictions(source: Location, otherwise: Any) -> Input:
    """The record that a run reads `source`, a file or a run known by its manifest; by `otherwise` where it has none."""
    file = source / MANIFEST if source.is_folder() else source
    if file.exists():
        return input_of_file(source, file)
    return Input(place=str(source), config_hash=digest_json(otherwise), rows=0)

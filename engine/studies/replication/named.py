"""What a study was asked for: folders of published tables, files of predictions, or sets that runs have predicted."""

from collections.abc import Sequence
from typing import NamedTuple

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.runs.inputs import input_of_predictions, stem
from gapscope.runs.run import find_run
from gapscope.schemas.run import Input
from gapscope.studies.memory import check_files, check_runs
from gapscope.studies.replication.predictions import Study, inputs_of, is_published, read_study, tables_of
from gapscope.studies.replication.sets import read_files, read_runs

# The title of a study of published tables, which say no more of what they are than their names and their classes.
IMAGENET, IMAGENET_CLASSES = "ImageNet against ImageNetV2", 1000


class Named(NamedTuple):
    """A study that was read, what its run is called, what it was read from, and the title of its page."""

    study: Study
    called: str
    inputs: list[Input]
    title: str


def read_named(
    workspace: Location,
    runs: Sequence[str],
    reference: Sequence[str],
    target: Sequence[str],
    only: Sequence[str],
    memory: str,
) -> Named:
    """The study of what was named, of all models or `only` some.

    Raises
    ------
    InputError
        No set is named, or one cannot be read.
    BudgetError
        It would take more than `memory`.
    """
    folders = [Location.of(one).absolute() for one in runs]
    if folders and is_published(folders[0]) and not (reference or target):
        return _published(folders, only, memory)
    if not (reference and target):
        raise InputError("name the set to start from with --reference and its replications with --target")
    if runs:
        places = [find_run(workspace, one) for one in runs]
        check_runs(places, (*reference, *target), memory)
        study = read_runs(places, reference, target, only)
        called = "-".join(dict.fromkeys(stem(place) for place in places))
    else:
        places = [Location.of(one) for one in (*reference, *target)]
        check_files(places, memory)
        study = read_files(reference, target, only)
        called = f"{study.reference.name}-{study.targets[0].name}"
    inputs = [input_of_predictions(place, str(place)) for place in places]
    return Named(study, called, inputs, _title(study))


def _published(folders: Sequence[Location], only: Sequence[str], memory: str) -> Named:
    check_files(tables_of(folders), memory)
    study = read_study(folders[0], folders[1:], only)
    title = IMAGENET if len(study.reference.class_names) == IMAGENET_CLASSES else _title(study)
    return Named(study, folders[0].name, inputs_of(folders), title)


def _title(study: Study) -> str:
    return f"{study.reference.name} against {study.targets[0].name}"

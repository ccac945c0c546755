"""Any set and its replications as a study: files of predictions, or sets that runs have predicted."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.predictions import Predictions, matched, read_all_models
from gapscope.predictions.matched import with_classes_of_both
from gapscope.predictions.names import are_numbers
from gapscope.runs.inputs import stem
from gapscope.studies.replication.predictions import SetPredictions, Study, checked, chosen


def read_files(reference: Sequence[str], target: Sequence[str], only: Sequence[str] = ()) -> Study:
    """The study of files of predictions; files for the same images, of other models, are one set.

    Raises
    ------
    InputError
        The files of the reference are of several sets, a model is missing, or fewer than three are in both sets.
    """
    first = _sets(reference)
    if len(first) > 1:
        raise InputError(
            f"the files of the reference, {', '.join(reference)}, are of {len(first)} sets of images; give one set as "
            "--reference"
        )
    return study_of(first[0], _sets(target), only)


def read_runs(
    runs: Sequence[Location], reference: Sequence[str], targets: Sequence[str], only: Sequence[str] = ()
) -> Study:
    """The study of sets, as dataset/split, that each of the runs has predicted.

    Raises
    ------
    InputError
        Several references are named, a run lacks a set, or fewer than three models are in both sets.
    """
    if len(reference) != 1:
        raise InputError(f"--reference names {len(reference)} sets; with runs it names one, as dataset/split")
    return study_of(_of_runs(runs, reference[0]), [_of_runs(runs, one) for one in targets], only)


def _of_runs(runs: Sequence[Location], named: str) -> list[Predictions]:
    """What all models of the runs predict for one set; models of one name get that of their run before it."""
    dataset, _, split = named.rpartition("/")
    where = {"dataset": dataset or split, "split": split if dataset else ""}
    models = [(run, one) for run in runs for one in read_all_models(str(run), **where)]
    names = [one.model for _, one in models]
    return [
        replace(one, model=f"{stem(run)}: {one.model}") if names.count(one.model) > 1 else one for run, one in models
    ]


def _sets(places: Sequence[str]) -> list[list[Predictions]]:
    """The models of files by set: files with the same images and other models belong together, and their set is called
    as their folder.
    """
    sets: list[list[Predictions]] = []
    for place in places:
        models, folder = read_all_models(place), Location.of(place).absolute().parent.name
        for number, some in enumerate(sets):
            if _same_images(some[0], models[0]) and not {one.model for one in some} & {one.model for one in models}:
                sets[number] = [replace(one, dataset=folder) for one in (*some, *models)]
                break
        else:
            sets.append(models)
    return sets


def _same_images(one: Predictions, other: Predictions) -> bool:
    return one.n == other.n and bool((np.sort(one.sample_id) == np.sort(other.sample_id)).all())


def study_of(reference: Sequence[Predictions], targets: Sequence[Sequence[Predictions]], only: Sequence[str]) -> Study:
    """The study of models on a set and on its replications, whose classes are brought into one order.

    Raises
    ------
    InputError
        The classes differ, a model is named that is not there, or fewer than three are in both sets.
    """
    every = [*reference, *(one for some in targets for one in some)]
    longest = max(every, key=lambda one: (len(one.class_names), not are_numbers(one.class_names)))
    sets = [_set_of([with_classes_of_both(one, longest)[0] for one in some]) for some in (reference, *targets)]
    names = [one.name for one in sets]
    if len(set(names)) < len(names):
        raise InputError(f"two sets are called {max(names, key=names.count)}; rename one of the files")
    study = Study(sets[0], tuple(sets[1:]))
    return checked(chosen(study, only) if only else study)


def _set_of(models: Sequence[Predictions]) -> SetPredictions:
    first = models[0]
    return SetPredictions.of(first.name, [first, *(matched(first, one)[1] for one in models[1:])])

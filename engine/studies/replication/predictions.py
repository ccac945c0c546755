"""What many models predict for the same images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow.parquet as pq

from gapscope.core.errors import InputError, unknown_name
from gapscope.core.files import read_json
from gapscope.core.location import Location
from gapscope.predictions.matched import matched
from gapscope.predictions.read import read_all_models
from gapscope.predictions.table import Predictions
from gapscope.runs.inputs import input_of_file
from gapscope.schemas.run import Input

REFERENCE, PRIMARY, PREFIX, ENDING = "validation", "matched-frequency", "v2-", ".parquet"
CLASSES = "classes.json"
FEWEST_MODELS = 3


@dataclass(frozen=True, eq=False)
class SetPredictions:
    """The predictions of m models for the n labelled images of one set.

    Attributes
    ----------
    name
        What the page calls the set.
    models
        Names of the m models, in the order of the table.
    class_names
        By class index, k of them.
    sample_id : (n,) int64
    label : (n,) int32
    top : (n, m, t) int16 or int32
        Classes of each model, best first.
    dataset, split
        What results call the set.
    """

    name: str
    models: tuple[str, ...]
    class_names: tuple[str, ...]
    sample_id: np.ndarray
    label: np.ndarray
    top: np.ndarray
    dataset: str = ""
    split: str = ""

    @classmethod
    def of(cls, name: str, predictions: Sequence[Predictions]) -> "SetPredictions":
        """Those in the predictions of several models for the same images in the same order."""
        first = predictions[0].labelled()
        depth = min(one.top.shape[1] for one in predictions)
        top = np.stack([one.labelled().top[:, :depth] for one in predictions], axis=1)
        models = tuple(one.model for one in predictions)
        place = (first.dataset, first.split)
        return cls(name, models, tuple(first.class_names), first.sample_id, first.label, top, *place)

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.label)

    @property
    def predicted(self) -> np.ndarray:
        """Best class of each image and model, ``(n, m)``."""
        return self.top[:, :, 0]

    @cached_property
    def correct(self) -> np.ndarray:
        """Whether each model classifies each image correctly, ``(n, m) bool``."""
        return self.predicted == self.label[:, None]

    @cached_property
    def in_top(self) -> np.ndarray:
        """Whether the label is among the classes that each model lists, ``(n, m) bool``."""
        return (self.top == self.label[:, None, None]).any(axis=2)

    @property
    def accuracy(self) -> np.ndarray:
        """Of each model, ``(m,)``."""
        return self.correct.mean(axis=0)

    def only(self, models: Sequence[str]) -> "SetPredictions":
        """The predictions of some `models`, in that order."""
        chosen = [self.models.index(model) for model in models]
        return replace(self, models=tuple(models), top=self.top[:, chosen])

    def by_class(self, values: np.ndarray) -> np.ndarray:
        """Sums over the images of each class of ``values : (n,)``, ``(k,)``."""
        return np.bincount(self.label, values, minlength=len(self.class_names))

    def of_model(self, model: str) -> Predictions:
        """The predictions of one model."""
        top = self.top[:, self.models.index(model)]
        return Predictions(model, self.name, "", self.class_names, self.sample_id, self.label, top)

    def pooled(self) -> Predictions:
        """The predictions of all models as if they were one model's; each image stands there m times."""
        times = len(self.models)
        label, ids = np.tile(self.label, times), np.tile(self.sample_id, times)
        top = self.top.transpose(1, 0, 2).reshape(-1, self.top.shape[2])
        return Predictions("all models", self.name, "", self.class_names, ids, label, top)


@dataclass(frozen=True)
class Study:
    """A set and its replications.

    Attributes
    ----------
    reference
        The set that models were chosen on.
    targets
        Its replications, the one that the page speaks of first.
    """

    reference: SetPredictions
    targets: tuple[SetPredictions, ...]

    @property
    def sets(self) -> tuple[SetPredictions, ...]:
        """All of them, the reference first."""
        return (self.reference, *self.targets)

    @property
    def models(self) -> tuple[str, ...]:
        """All models with predictions for any set, in the order of the tables."""
        return tuple(dict.fromkeys(model for one in self.sets for model in one.models))

    def pair(self, target: SetPredictions) -> tuple[SetPredictions, SetPredictions]:
        """The reference and one of its replications with the models that have predictions for both."""
        there = set(target.models)
        both = [model for model in self.reference.models if model in there]
        return self.reference.only(both), target.only(both)


def read_study(place: Location, more: Sequence[Location] = (), only: Sequence[str] = ()) -> Study:
    """The tables of a folder: ``validation.parquet``, and ``v2-….parquet`` for each replication.

    Folders of `more` hold tables of the same names with the same images and further models; a model may be missing from
    a table. `only` chooses models by name.

    Raises
    ------
    InputError
        No such tables, an unknown name in `only`, or fewer than three models with predictions for both sets.
    """
    names = [name.removesuffix(ENDING) for name in place.names() if name.endswith(ENDING)]
    replications = sorted((name for name in names if name.startswith(PREFIX)), key=_rank)
    if REFERENCE not in names or not replications:
        raise InputError(
            f"{place} holds {', '.join(names) or 'no tables'}; the study needs {REFERENCE}{ENDING} and one or more "
            f"tables {PREFIX}NAME{ENDING} such as {PREFIX}{PRIMARY}{ENDING}"
        )
    classes = _class_names(place)
    sets = [_read(name, [place, *more], classes) for name in (REFERENCE, *replications)]
    study = Study(sets[0], tuple(sets[1:]))
    return checked(chosen(study, only) if only else study)


def inputs_of(places: Iterable[Location]) -> list[Input]:
    """The record that a study reads the tables of these folders."""
    return [_input(table) for table in tables_of(places)]


def tables_of(places: Iterable[Location]) -> list[Location]:
    """The tables that a study reads in these folders."""
    return [place / name for place in places for name in place.names() if _is_table(name)]


def is_published(place: Location) -> bool:
    """Whether a folder holds tables of the names under which predictions for ImageNet and ImageNetV2 are published."""
    return place.is_folder() and any(map(_is_table, place.names()))


def _is_table(name: str) -> bool:
    return name == f"{REFERENCE}{ENDING}" or (name.startswith(PREFIX) and name.endswith(ENDING))


def _input(table: Location) -> Input:
    return input_of_file(table, table, pq.read_metadata(table.path, filesystem=table.filesystem).num_rows)


def _rank(name: str) -> tuple[bool, str]:
    return name != f"{PREFIX}{PRIMARY}", name


def _class_names(place: Location) -> tuple[str, ...]:
    """The names in ``classes.json``, made unique by their identifiers; none where there is no such file."""
    if not (place / CLASSES).exists():
        return ()
    rows = sorted(read_json(place / CLASSES), key=lambda row: row["class"])
    names = [row["name"] for row in rows]
    return tuple(f"{row['name']} ({row['wnid']})" if names.count(row["name"]) > 1 else row["name"] for row in rows)


def _read(name: str, places: Sequence[Location], classes: Sequence[str]) -> SetPredictions:
    by_model: dict[str, Predictions] = {}
    for place in places:
        table = place / f"{name}{ENDING}"
        where = {"dataset": "imagenet" if name == REFERENCE else "imagenetv2", "split": name.removeprefix(PREFIX)}
        for one in read_all_models(str(table), class_names=classes, **where) if table.exists() else []:
            if one.model in by_model:
                raise InputError(
                    f"{table} has a model {one.model!r}, which an earlier table has too; rename its column"
                )
            by_model[one.model] = matched(next(iter(by_model.values())), one)[1] if by_model else one
    return SetPredictions.of(name.removeprefix(PREFIX), list(by_model.values()))


def chosen(study: Study, only: Sequence[str]) -> Study:
    """The study of the models named in `only`."""
    for name in only:
        if name not in study.models:
            raise unknown_name("model", name, study.models)
    kept = [one.only([model for model in one.models if model in only]) for one in study.sets]
    return Study(kept[0], tuple(kept[1:]))


def checked(study: Study) -> Study:
    """The study, after one with fewer than three models for a pair of sets has been refused."""
    for target in study.targets:
        both = study.pair(target)[0].models
        if len(both) < FEWEST_MODELS:
            raise InputError(
                f"a line needs {FEWEST_MODELS} models with predictions for {study.reference.name} and {target.name}, "
                f"there are {len(both)}: {', '.join(both) or 'none'}; add models"
            )
    return study

"""Where the predictions of a run lie: below the run's folder, or below each of its models."""

import re
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from gapscope.core.errors import InputError, unknown_name
from gapscope.core.files import read_object, read_table
from gapscope.core.location import Location
from gapscope.core.program import called
from gapscope.core.splits import split_among
from gapscope.core.text import counted

PREDICTIONS, MODELS, DESCRIPTION = "predictions", "models", "model.json"
MANIFEST, RESULTS = "manifest.json", "results.parquet"


class StoredPredictions(NamedTuple):
    """A folder of Parquet parts, what its model and its set are called, the names of the classes, if known, and the
    description of the model, empty where there is none.
    """

    place: Location
    model: str
    dataset: str
    split: str
    class_names: tuple[str, ...]
    description: Mapping[str, Any]


def is_run(place: Location) -> bool:
    """Whether `place` is a run folder, or that of one of its models."""
    return (place / PREDICTIONS).is_folder() or (place / MODELS).is_folder()


def models_in_run(run: Location) -> list[str]:
    """The models of a run that has several; empty for one."""
    return (run / MODELS).filled()


def titles_in_run(run: Location) -> dict[str, str]:
    """What each of `models_in_run` calls itself, by its folder; where two say the same, the folder is its name."""
    called = {name: model_name(run / MODELS / name, described(run / MODELS / name)) for name in models_in_run(run)}
    titles = list(called.values())
    return {name: title if titles.count(title) == 1 else name for name, title in called.items()}


def sets_in_run(run: Location, model: str = "") -> dict[str, tuple[str, str]]:
    """Dataset and split of each folder of predictions; the folder's name and nothing where neither a result nor an
    option of the run names them.
    """
    folder = run / MODELS / model if model else run
    result = {name: (name, "") for name in (folder / PREDICTIONS).filled()}
    if (run / MANIFEST).exists():
        options = read_object(run / MANIFEST).get("config", {})
        given = [one for name in ("reference", "target", "dataset") for one in _texts(options.get(name))]
        pairs = [tuple(one.rpartition("/")[::2]) for one in given if "/" in one]
        result |= {_slug(*pair): pair for pair in pairs if _slug(*pair) in result}
    if (run / RESULTS).exists():
        table = read_table(run / RESULTS, ["dataset", "split"])
        named = {
            (row["dataset"], row["split"]) for row in table.group_by(["dataset", "split"]).aggregate([]).to_pylist()
        }
        result |= {_slug(*pair): pair for pair in named if _slug(*pair) in result}
    return result


def _texts(value: object) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _slug(dataset: str, split: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", f"{dataset}-{split}" if split else dataset).strip("-")


def predictions_of_run(run: Location, model: str, dataset: str, split: str) -> StoredPredictions:
    """The folder with one model's predictions for one set.

    Raises
    ------
    InputError
        There are several and none is named, or not the one that is.
    """
    models = titles_in_run(run)
    model = {title: name for name, title in models.items()}.get(model, model)
    if models and not model:
        raise InputError(f"{run} holds several models; choose one: {', '.join(models)}")
    if models and model not in models:
        raise unknown_name(f"model in {run}", model, models)
    folder = run / MODELS / model if models else run
    sets = sets_in_run(run, model if models else "")
    split = split_among(split, [one for of, one in sets.values() if of == dataset])
    name = _slug(dataset, split)
    known = ["/".join(filter(None, pair)) for pair in sets.values()]
    if name and name not in sets:
        wanted = "/".join(filter(None, (dataset, split)))
        error = unknown_name(f"set predicted in {folder}", wanted, known)
        if not (folder / DESCRIPTION).exists() or not split:
            raise error
        words = ["predict", str(folder), "--dataset", dataset, "--split", split]
        words += ["--workspace", str(run.parent.parent)] if run.parent.name == "runs" else []
        raise InputError(f"{error}; `{called()} {shlex.join(words)}` predicts it, in a run of its own")
    if not name and len(sets) != 1:
        place = folder / PREDICTIONS / min(sets, default="")
        which = f"one of {', '.join(known)} by --dataset, or its folder, such as {place}" if sets else "another run"
        raise InputError(f"{folder} has predictions for {counted(len(sets), 'set')}; name {which}")
    chosen = name or next(iter(sets))
    names = (dataset, split) if split else sets[chosen]
    said = described(folder)
    title = models[model] if models else model or model_name(folder, said)
    return StoredPredictions(folder / PREDICTIONS / chosen, title, *names, _class_names(said), said)


def found_by_parts(place: Location) -> StoredPredictions:
    """The same for a folder of parts that was named itself.

    Raises
    ------
    InputError
        It is the folder of a run that keeps no predictions.
    """
    if (place / MANIFEST).exists():
        raise InputError(f"the run {place} keeps no predictions; name the run, or the file, whose predictions it read")
    folder = place.parent.parent if place.parent.name == PREDICTIONS else place
    said = described(folder)
    return StoredPredictions(place, model_name(folder, said), place.name, "", _class_names(said), said)


def model_name(folder: Location, description: Mapping[str, Any]) -> str:
    """What the model in `folder` is called in its description, or else by its folder."""
    return str(description.get("name") or folder.name)


def _class_names(description: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(description.get("class_names", ()))


def described(folder: Location) -> dict:
    """The description of the model in a run folder, or of the one that a run of `predict` read."""
    for place in (folder, _predicted_by(folder)):
        if place is not None and (place / DESCRIPTION).exists():
            return read_object(place / DESCRIPTION)
    return {}


def _predicted_by(folder: Location) -> Location | None:
    """The folder of the model that a run of `predict` has read, as it has recorded it: it may be named by its run."""
    if not (folder / MANIFEST).exists():
        return None
    manifest = read_object(folder / MANIFEST)
    model, inputs = manifest.get("config", {}).get("model"), manifest.get("inputs", [])
    return Location.of(inputs[0]["place"]) if isinstance(model, str) and model and inputs else None

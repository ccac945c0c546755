"""A model that is known by its answers alone: predictions of a file, kept as those of a run without a trained model."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from scipy.special import logsumexp

from gapscope.blocks.formats import listed
from gapscope.core.errors import InputError, unknown_name
from gapscope.core.files import write_json, write_table
from gapscope.core.location import Location
from gapscope.core.text import counted
from gapscope.predictions import Predictions, read_predictions
from gapscope.predictions.images import check_ids, ids_of_names
from gapscope.predictions.names import are_numbers
from gapscope.predictions.origin import Origin
from gapscope.predictions.run import DESCRIPTION, MODELS, PREDICTIONS, models_in_run
from gapscope.predictions.table import UNLABELLED
from gapscope.probes.model import RECORDED, Classifier, is_recorded
from gapscope.schemas.embeddings import PART_NAME
from gapscope.schemas.predictions import LOG_PROBABILITIES, PREDICTIONS_SCHEMA
from gapscope.store import EmbeddingStore
from gapscope.store.selected import Selected, rows_of, whole_of
from gapscope.store.workspace import slug

# Probabilities in a part, about 16 MB.
PART_NUMBERS = 2**22


def describe(folder: Location, model: str, class_names: Sequence[str], digest: str, store: EmbeddingStore) -> None:
    """Write what is known of the model into `folder`: its name, its classes, a digest of the files of its answers, and
    what made the features of the images.
    """
    about = {"name": model, "kind": RECORDED, "class_names": list(class_names), "hash": digest}
    about["features"] = {"backbone": store.provenance.backbone}
    write_json(folder / DESCRIPTION, about)


def keep(one: Predictions, store: EmbeddingStore, folder: Location, digest: str) -> None:
    """Write the predictions for the rows of a store below `folder`, with what they were made from."""
    origin = Origin(digest, store.digest, str(store.folder), one.n)
    place = folder / PREDICTIONS / slug(f"{one.dataset}-{one.split}")
    rows = max(PART_NUMBERS // len(one.class_names), 1)
    for part, start in enumerate(range(0, one.n, rows)):
        table = table_of(one.rows(np.arange(start, min(start + rows, one.n))))
        write_table(place / PART_NAME.format(part), table.replace_schema_metadata(origin.metadata(part)))


def models_of_files(
    files: Sequence[Sequence[Predictions]], title: str, chosen: Sequence[str]
) -> dict[str, list[Predictions]]:
    """Each model's predictions in each file, by its name; a file of one model need not know its name.

    Raises
    ------
    InputError
        A model that is chosen, or any, is not in every file.
    """
    if all(len(models) == 1 for models in files) and not chosen:
        return {title: [models[0] for models in files]}
    known = [{one.model: one for one in models} for models in files]
    for name in chosen:
        if any(name not in one for one in known):
            raise unknown_name("model in these files", name, sorted(set.intersection(*map(set, known))))
    names = [name for name in known[0] if all(name in one for one in known) and (not chosen or name in chosen)]
    if not names:
        raise InputError(
            f"no model is in all files: {listed(list(known[0]))} and {listed(list(known[-1]))}; use the same names"
        )
    return {name: [one[name] for one in known] for name in names}


def read_names(place: str, one: Predictions) -> Predictions:
    """The predictions with the names of their images from a text file, one on each line.

    Raises
    ------
    InputError
        There is no such file, it has another number of names, or the same twice.
    """
    file = Location.of(place)
    if not file.exists():
        raise InputError(
            f"there is no file of names at {place}; give a text file with the name of an image on each line"
        )
    names = file.read_text().splitlines()
    if len(names) != one.n:
        raise InputError(
            f"{place} has {counted(len(names), 'name')} and {one.model} {counted(one.n, 'row')}; "
            "give a name for each row"
        )
    ids = ids_of_names(names)
    check_ids(ids, place, names)
    return replace(one, sample_id=ids, image=pa.array(names, pa.string()))


def with_common_classes(sides: Sequence[Predictions]) -> list[Predictions]:
    """The predictions of one model for several sets with the same class names.

    Raises
    ------
    InputError
        The file of one set has scores of other classes than another.
    """
    wanted = _merged(sides)
    return [_renamed(one, wanted) for one in sides]


def _merged(sides: Sequence[Predictions]) -> tuple[str, ...]:
    scored = [one.class_names for one in sides if one.scores is not None]
    return scored[0] if scored else tuple(dict.fromkeys(name for one in sides for name in one.class_names))


def _renamed(one: Predictions, names: tuple[str, ...]) -> Predictions:
    if one.class_names == names:
        return one
    place = {name: index for index, name in enumerate(names)}
    strange = [name for name in one.class_names if name not in place]
    if strange or (one.scores is not None and len(names) != len(one.class_names)):
        raise InputError(
            f"{one.model} on {one.name} has {counted(len(one.class_names), 'class', 'classes')} and the model has "
            f"{len(names)}"
            f"{f', among which is no {strange[0]!r}' if strange else ''}; give the same classes in all files"
        )
    new = np.append([place[name] for name in one.class_names], UNLABELLED).astype(np.int32)
    scores = None if one.scores is None else one.scores[:, np.argsort(new[:-1])]
    return replace(one, class_names=names, label=new[one.label], top=new[one.top], scores=scores)


def as_named(given: Predictions, store: EmbeddingStore) -> Predictions:
    """The predictions with the class names of the store, where the file has only numbers for its classes.

    Raises
    ------
    InputError
        Its scores are of another number of classes.
    """
    names = tuple(store.class_names)
    if not names or not are_numbers(given.class_names) or are_numbers(names):
        return given
    if len(given.class_names) > len(names) or (given.scores is not None and len(given.class_names) != len(names)):
        raise InputError(
            f"{given.model} has numbers for {counted(len(given.class_names), 'class', 'classes')} and {store.name} "
            f"has {counted(len(names), 'class', 'classes')} "
            f"by name, such as {names[0]}; say what its classes are called with --classes"
        )
    return replace(given, class_names=names)


def holds_predictions_alone(run: Location) -> bool:
    """Whether of the models of a run nothing but predictions of a file are known."""
    return is_recorded(run) or any(is_recorded(run / MODELS / name) for name in models_in_run(run))


def recorded(folder: Location, model: Classifier, store: EmbeddingStore | Selected) -> Predictions:
    """What the recorded model in `folder` has said of the rows of a set; not of all of them perhaps.

    Raises
    ------
    InputError
        It has predicted nothing of the set.
    """
    made = store.provenance
    place = folder / PREDICTIONS / slug(f"{made.dataset}-{made.split}")
    if not place.is_folder():
        raise InputError(
            f"{folder} has no predictions for {store.name}; join them with `import-predictions FILE --dataset "
            f"{store.name}`, together with those for the other set"
        )
    names = {"dataset": made.dataset, "split": made.split, "class_names": model.class_names}
    result = read_predictions(str(place), model=model.name, **names)
    return result.rows(np.flatnonzero(np.isin(result.sample_id, store.sample_ids())))


def with_predictions(known: Predictions, store: EmbeddingStore | Selected) -> EmbeddingStore | Selected:
    """The rows of a store of which the predictions are `known`."""
    whole = whole_of(store)
    kept, chosen = (np.isin(whole.sample_ids(), ids) for ids in (known.sample_id, store.sample_ids()))
    if (kept | ~chosen).all():
        return store
    return rows_of(whole, kept & chosen, f"{store.name}: {int((chosen & ~kept).sum()):,} images have no prediction.")


def table_of(one: Predictions) -> pa.Table:
    """The predictions as the table that runs keep; with all probabilities, where these are known."""
    columns = {"sample_id": one.sample_id, "label": one.label, "predicted": one.predicted, "top": list(one.top)}
    columns["confidence"] = np.full(one.n, np.nan) if one.confidence is None else one.confidence
    schema = PREDICTIONS_SCHEMA
    if one.log_likelihood is not None:
        columns["log_likelihood"] = pa.array(one.log_likelihood, pa.float32(), from_pandas=True)
    else:
        schema = schema.remove(schema.get_field_index("log_likelihood"))
    if one.scores is not None:
        schema = schema.append(LOG_PROBABILITIES)
        columns[LOG_PROBABILITIES.name] = _lists(one.scores)
    return pa.table({name: pa.array(columns[name]) for name in schema.names}).cast(schema)


def _lists(scores: np.ndarray) -> pa.Array:
    """The logarithms of probabilities as a list for each row."""
    logs = np.asarray(scores, np.float64)
    logs = (logs - logsumexp(logs, axis=1, keepdims=True)).astype(np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(logs.reshape(-1)), logs.shape[1])

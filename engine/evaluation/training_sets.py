"""What a model was trained on, and whether a stored set is that."""

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from gapscope.blocks.formats import listed
from gapscope.core.errors import GapscopeError, InputError
from gapscope.core.files import read_json
from gapscope.core.location import Location
from gapscope.predictions.run import described, model_name
from gapscope.probes.model import DESCRIPTION
from gapscope.runs.folder import MANIFEST
from gapscope.runs.inputs import run_of
from gapscope.runs.run import MODELS
from gapscope.schemas.run import Input, RunManifest
from gapscope.store import EmbeddingStore, open_store
from gapscope.store.selected import Selected, selected
from gapscope.store.selection import Choice, read_selection
from gapscope.store.workspace import embeddings_folder

# Of a reference with more than this share of training rows no gap is measured.
MOST = 0.5
Stores = Iterable[EmbeddingStore | Selected]


def training_inputs(place: Location) -> tuple[Input, ...]:
    """The sets that the model in `place` was trained on, as its run has recorded them; none where it has not.

    They are the first input of the run, or those whose digests the model's details list.
    """
    manifest = _manifest(place)
    if not manifest:
        return ()
    about = read_json(place / DESCRIPTION) if (place / DESCRIPTION).exists() else {}
    several = about.get("details", {}).get("training_sets", [])
    return tuple(one for one in manifest.inputs if one.config_hash in several) or tuple(manifest.inputs[:1])


def training_set(trained_on: Sequence[Input], store: EmbeddingStore | Selected) -> str:
    """What `store` is to a model that was trained on `trained_on`: its name if they are the same rows or images, else
    empty. A classifier was trained on stores, a network on the images of a listing.
    """
    names = {
        store.manifest.config_hash: store.name,
        store.provenance.fingerprint.hash: f"the images of {store.name}",
    }
    return next((names[one.config_hash] for one in trained_on if one.config_hash in names), "")


def check_reference(place: Location, title: str, *stores: EmbeddingStore | Selected, force: bool) -> list[str]:
    """Refuse a reference, the first of `stores`, most of which the model in `place` was trained on; with `force`, a
    warning instead. Of fewer such rows, and of those of the other sets, a warning.

    Raises
    ------
    InputError
        See above; the message asks for another reference.
    """
    reference, *others = stores
    rows, seen = training_rows(place, reference), trained_stores(place)
    if not mostly_seen(place, reference):
        return seen_warnings(title, seen, stores)
    which = "" if rows == reference.rows else f"{rows:,} of the {reference.rows:,} rows of "
    reason = f"{title} was trained on {which}{reference.name}"
    if force:
        warning = f"warning: {reason}, so the gap includes overfitting and is larger than from a held-out set."
        return [warning, *seen_warnings(title, seen, others)]
    raise InputError(
        f"{reason}, so the gap would mix overfitting with the shift; give --reference a labelled set that was held "
        "out, such as val or test, or add --force"
    )


def mostly_seen(place: Location, store: EmbeddingStore | Selected) -> bool:
    """Whether the model in `place` was trained on rows of this set, or on most of these under another name."""
    rows = training_rows(place, store)
    return bool(rows) and (rows > store.rows * MOST or bool(training_set(training_inputs(place), store)))


def training_rows(place: Location, store: EmbeddingStore | Selected) -> int:
    """How many rows of `store` the model in `place` was trained on, as far as its run says; held-out rows count.

    Where the run was limited to some images by `--only` or `--exclude`, these are looked up; files that have gone count
    as if they had not been named. Rows of other sets count where they were made from the same bytes.
    """
    if not training_set(training_inputs(place), store):
        return seen_rows(trained_stores(place), store)
    try:
        choice = _choice(place)
        if not choice.files:
            return store.rows
        ids = (store.store if isinstance(store, Selected) else store).sample_ids()
        trained = ids[choice.kept((store.provenance.dataset, store.provenance.split), ids)]
        return int(np.isin(store.sample_ids(), trained).sum())
    except (GapscopeError, OSError):
        return store.rows


def trained_stores(place: Location) -> list[EmbeddingStore | Selected]:
    """The rows that the model in `place` was trained on, of those stores that are still what its run has read.

    Those of a workspace that was moved since are looked for in the one that the run lies in.
    """
    stores = [_stored(one, place) for one in training_inputs(place)]
    return [selected(store, _choice(place)) for store in stores if store]


def _stored(one: Input, place: Location) -> EmbeddingStore | None:
    """The set that the run of the model in `place` has read, if it is still what it was."""
    made = Location.of(one.place)
    here = embeddings_folder(run_of(place).parent.parent) / made.parent.parent.name / made.parent.name / made.name
    for folder in dict.fromkeys((here, made)):
        try:
            store = open_store(folder)
            if store.manifest.config_hash == one.config_hash:
                return store
        except (GapscopeError, OSError):  # images that a network was trained on, or a store that has gone
            continue
    return None


def seen_rows(trained: Stores, store: EmbeddingStore | Selected) -> int:
    """How many rows of `store` were made from the same bytes as a row of `trained`; 0 where that is not known."""
    digests = store.digests()
    known = [one for one in (other.digests() for other in trained) if one is not None]
    if digests is None or not known:
        return 0
    return int(np.isin(digests, np.setdiff1d(np.concatenate(known), [0])).sum())


def seen_warnings(title: str, trained: Stores, stores: Stores) -> list[str]:
    """A warning for each of `stores` that shares images with those that a model was trained on."""
    counts = [(store, seen_rows(trained, store)) for store in stores]
    return [
        f"warning: {count:,} of the {store.rows:,} rows of {store.name} are rows that {title} was trained on, so its "
        "accuracy there is too high; leave them out."
        for store, count in counts
        if count
    ]


def seen_by_run(run: Location, models: Iterable[str], sets: Collection[tuple[str, str]], choice: Choice) -> list[str]:
    """The same of the predictions that `run` holds of these `models` (of its only one: an empty name) for the `sets`
    of these datasets and splits, limited to a `choice` of their images; nothing of predictions from elsewhere.
    """
    titles: dict[tuple[Location, tuple[Input, ...]], list[str]] = {}
    for name in dict.fromkeys(models):
        folder = run / MODELS / name if name and (run / MODELS).is_folder() else run
        made_by = _model_of(folder)
        titles.setdefault((made_by, training_inputs(made_by)), []).append(name or model_name(folder, described(folder)))
    manifest = _manifest(run)
    stores = [store for one in (manifest.inputs if manifest else ()) if (store := _stored(one, run))]
    asked = [one for one in stores if (one.provenance.dataset, one.provenance.split) in sets]
    return [
        warning
        for (made_by, _), names in titles.items()
        for warning in seen_warnings(listed(names), trained_stores(made_by), [selected(one, choice) for one in asked])
    ]


def _model_of(folder: Location) -> Location:
    """The folder of the model that made the predictions in `folder`: itself, or the one that a `predict` has read."""
    manifest = _manifest(folder)
    if (folder / DESCRIPTION).exists() or not (manifest and manifest.inputs):
        return folder
    made = Location.of(manifest.inputs[0].place)
    return made if (made / DESCRIPTION).exists() else folder


def _choice(place: Location) -> Choice:
    """The selection that the run of the model in `place` was limited to."""
    manifest = _manifest(place)
    names = [str(manifest.config.get(name) or "") for name in ("only", "exclude")] if manifest else ["", ""]
    return Choice(*(read_selection(Location.of(name)) if name else None for name in names))


def _manifest(place: Location) -> RunManifest | None:
    file = run_of(place) / MANIFEST
    return RunManifest.model_validate(read_json(file)) if file.exists() else None

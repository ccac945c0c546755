"""What a model was trained on, and whether a stored set is that."""

from collections.abc import Sequence

import numpy as np

from gapscope.core.errors import GapscopeError, InputError
from gapscope.core.files import read_json
from gapscope.core.location import Location
from gapscope.probes.model import DESCRIPTION
from gapscope.runs.folder import MANIFEST
from gapscope.runs.inputs import run_of
from gapscope.schemas.run import Input, RunManifest
from gapscope.store import EmbeddingStore
from gapscope.store.selected import Selected
from gapscope.store.selection import Choice, read_selection


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


def check_reference(place: Location, title: str, store: EmbeddingStore | Selected, *, force: bool) -> list[str]:
    """Refuse a reference with rows that the model in `place` was trained on; with `force`, a warning instead.

    Raises
    ------
    InputError
        See above; the message asks for another reference.
    """
    rows = training_rows(place, store)
    if not rows:
        return []
    which = "" if rows == store.rows else f"{rows:,} of the {store.rows:,} rows of "
    reason = f"{title} was trained on {which}{store.name}"
    if force:
        return [f"warning: {reason}, so the gap includes overfitting and is larger than from a held-out set."]
    raise InputError(
        f"{reason}, so the gap would mix overfitting with the shift; give --reference a labelled set that was held "
        "out, such as val or test, or add --force"
    )


def training_rows(place: Location, store: EmbeddingStore | Selected) -> int:
    """How many rows of `store` the model in `place` was trained on, as far as its run says; held-out rows count.

    Where the run was limited to some images by `--only` or `--exclude`, these are looked up; files that have gone count
    as if they had not been named.
    """
    if not training_set(training_inputs(place), store):
        return 0
    manifest = _manifest(place)
    names = [str(manifest.config.get(name) or "") for name in ("only", "exclude")] if manifest else ["", ""]
    if not any(names):
        return store.rows
    try:
        choice = Choice(*(read_selection(Location.of(name)) if name else None for name in names))
        ids = (store.store if isinstance(store, Selected) else store).sample_ids()
        trained = ids[choice.kept((store.provenance.dataset, store.provenance.split), ids)]
        return int(np.isin(store.sample_ids(), trained).sum())
    except (GapscopeError, OSError):
        return store.rows


def _manifest(place: Location) -> RunManifest | None:
    file = run_of(place) / MANIFEST
    return RunManifest.model_validate(read_json(file)) if file.exists() else None

"""What a model was trained on, and whether a stored set is that."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gapscope.blocks.formats import listed
from gapscope.core.errors import GapscopeError, InputError
from gapscope.core.files import read_json, read_table
from gapscope.core.location import Location, in_workspace_of
from gapscope.core.text import counted
from gapscope.predictions import read_predictions
from gapscope.predictions.run import described, model_name, titles_in_run
from gapscope.probes.model import DESCRIPTION
from gapscope.runs.folder import FITTED_ON, MANIFEST, TRAINED_ON
from gapscope.runs.inputs import run_of
from gapscope.runs.run import MODELS
from gapscope.schemas.run import Input, RunManifest
from gapscope.store import EmbeddingStore, open_store
from gapscope.store.selected import Selected, selected, whole_of
from gapscope.store.selection import Choice, Selection, read_selection

# Of a reference with more than this share of training rows no gap is measured.
MOST = 0.5
# What a model that no repair has changed says of its repair.
UNCHANGED = (None, "nothing")
# How many training rows are looked up at a time: a sort of some 20 MB.
LOOKED_UP = 1_000_000
Stores = Iterable[EmbeddingStore | Selected]


@dataclass(frozen=True)
class TrainingSets:
    """What the model in `place` was trained on, as its run has recorded it; read once, when it is first asked for."""

    place: Location

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """The recorded sets; none where the run has not recorded any.

        They are the first input of the run, or those whose digests the model's details list.
        """
        manifest = _manifest(self.place)
        if not manifest:
            return ()
        about = read_json(self.place / DESCRIPTION) if (self.place / DESCRIPTION).exists() else {}
        several = about.get("details", {}).get("training_sets", [])
        return tuple(one for one in manifest.inputs if one.config_hash in several) or tuple(manifest.inputs[:1])

    @cached_property
    def stores(self) -> list[EmbeddingStore | Selected]:
        """The training rows, of those stores that are still what the run has read.

        Those of a workspace that was moved since are looked for in the one that the run lies in.
        """
        stores = [_stored(one, self.place) for one in self.inputs]
        return [selected(store, _choice(self.place)) for store in stores if store]

    @cached_property
    def digests(self) -> list[np.ndarray]:
        """What the training rows were made from, as far as that is known."""
        images = run_of(self.place) / TRAINED_ON
        of_images = [read_table(images)["digest"].to_numpy()] if images.exists() else []
        return [*_digests_of(self.stores), *of_images]

    def name_of(self, store: EmbeddingStore | Selected) -> str:
        """The name of `store` if the model was trained on the same rows or images, else empty. A classifier was trained
        on stores, a network on the images of a listing.
        """
        names = {
            store.manifest.config_hash: store.name,
            store.provenance.fingerprint.hash: f"the images of {store.name}",
        }
        return next((names[one.config_hash] for one in self.inputs if one.config_hash in names), "")

    def rows_in(self, store: EmbeddingStore | Selected) -> int:
        """How many rows of `store` the model was trained on, as far as its run says; held-out rows count.

        Where the run was limited to some images by `--only` or `--exclude`, these are looked up; files that have gone
        count as if they had not been named. Rows of other sets count where they were made from the same bytes.
        """
        if not self.name_of(store):
            return _shared_rows(self.digests, store.digests)
        try:
            choice = _choice(self.place)
            if not choice.files:
                return store.rows
            ids = whole_of(store).sample_ids()
            trained = ids[choice.kept((store.provenance.dataset, store.provenance.split), ids)]
            return int(np.isin(store.sample_ids(), trained).sum())
        except (GapscopeError, OSError):
            return store.rows

    def has_most_of(self, store: EmbeddingStore | Selected) -> bool:
        """Whether the model was trained on rows of this set, or on most of these under another name."""
        return self._has_most(self.rows_in(store), store)

    def _has_most(self, rows: int, store: EmbeddingStore | Selected) -> bool:
        return bool(rows) and (rows > store.rows * MOST or bool(self.name_of(store)))

    def check_reference(self, title: str, *stores: EmbeddingStore | Selected, force: bool) -> list[str]:
        """Refuse a reference, the first of `stores`, most of which the model was trained on; with `force`, a warning
        instead. Of fewer such rows, and of those of the other sets, a warning.

        Raises
        ------
        InputError
            See above; the message asks for another reference.
        """
        reference, *others = stores
        rows = self.rows_in(reference)
        if not self._has_most(rows, reference):
            return self.warnings(title, stores)
        which = "" if rows == reference.rows else f"{rows:,} of the {reference.rows:,} rows of "
        reason = f"{title} was trained on {which}{reference.name}"
        if force:
            warning = f"warning: {reason}, so the gap includes overfitting and is larger than from a held-out set."
            return [warning, *self.warnings(title, others)]
        raise InputError(
            f"{reason}, so the gap would mix overfitting with the shift; give --reference a labelled set that was held "
            "out, such as val or test, or add --force"
        )

    def warnings(self, title: str, stores: Stores) -> list[str]:
        """A warning for each of `stores` that shares images with those that the model was trained on, or has rows that
        it was repaired by.
        """
        stores = list(stores)
        return [*_warnings(title, self.digests, stores), *self._repaired_by(title, stores)]

    @cached_property
    def fitted(self) -> Selection | None:
        """The rows of other sets that a repair has fitted the model to; none of a model that was not changed."""
        place = run_of(self.place) / FITTED_ON
        if not place.exists() or described(self.place).get("details", {}).get("repair") in UNCHANGED:
            return None
        return read_selection(place)

    def _repaired_by(self, title: str, stores: Sequence[EmbeddingStore | Selected]) -> list[str]:
        found = []
        for store in stores if self.fitted else ():
            name = (store.provenance.dataset, store.provenance.split)
            rows = int(np.isin(store.sample_ids(), self.fitted.ids[name]).sum()) if name in self.fitted.ids else 0
            if rows:
                found.append(
                    f"warning: {title} was fitted to {rows:,} of the {counted(store.rows, 'row')} of {store.name}, so "
                    "its accuracy there may be too high; `evaluate` and `gap` leave them out with `--exclude "
                    f"{run_of(self.place) / FITTED_ON}`."
                )
        return found


def _stored(one: Input, place: Location) -> EmbeddingStore | None:
    """The set that the run of the model in `place` has read, if it is still what it was."""
    for folder in dict.fromkeys((in_workspace_of(place, one.place), Location.of(one.place))):
        try:
            store = open_store(folder)
            if store.manifest.config_hash == one.config_hash:
                return store
        except (GapscopeError, OSError):  # images that a network was trained on, or a store that has gone
            continue
    return None


def seen_warnings(title: str, trained: Stores, stores: Stores) -> list[str]:
    """A warning for each of `stores` that shares images with the sets that a model is trained on."""
    return _warnings(title, _digests_of(trained), stores)


def _warnings(title: str, trained: Sequence[np.ndarray], stores: Stores) -> list[str]:
    return [said for one in stores for said in seen_among(title, trained, one.name, one.rows, one.digests)]


def seen_among(
    title: str, trained: Sequence[np.ndarray], name: str, rows: int, digests: Callable[[], np.ndarray | None]
) -> list[str]:
    """A warning where some of the `rows` of the set `name`, with these `digests`, were made from the same bytes as rows
    that a model was `trained` on.
    """
    count = _shared_rows(trained, digests)
    warning = (
        f"warning: {count:,} of the {rows:,} rows of {name} are rows that {title} was trained on, so its accuracy "
        "there is too high; leave them out."
    )
    return [warning] if count else []


def _digests_of(stores: Stores) -> list[np.ndarray]:
    """What the rows of each of `stores` were made from, as far as that is known."""
    return [one for one in (store.digests() for store in stores) if one is not None]


def _shared_rows(trained: Sequence[np.ndarray], digests_of: Callable[[], np.ndarray | None]) -> int:
    """How many rows were made from the same bytes as a training row; 0 where that is not known."""
    digests = digests_of() if trained else None
    if digests is None:
        return 0
    known = np.unique(digests)
    seen = np.zeros(len(known), bool)
    for one in trained:
        for start in range(0, len(one), LOOKED_UP):
            seen |= np.isin(known, one[start : start + LOOKED_UP])
    return int(np.isin(digests, known[seen & (known != 0)]).sum())  # 0: no digest is known


def seen_by_run(run: Location, models: Iterable[str], sets: Collection[tuple[str, str]], choice: Choice) -> list[str]:
    """The same of the predictions that `run` holds of these `models` (of its only one: an empty name) for the `sets`
    of these datasets and splits, limited to a `choice` of their images; nothing of predictions from elsewhere.
    """
    titles: dict[TrainingSets, list[str]] = {}
    called = titles_in_run(run)
    for name in dict.fromkeys(models):
        folder = run / MODELS / name if name in called else run
        title = called.get(name) or name or model_name(folder, described(folder))
        titles.setdefault(TrainingSets(_model_of(folder)), []).append(title)
    manifest = _manifest(run)
    stores = [store for one in (manifest.inputs if manifest else ()) if (store := _stored(one, run))]
    asked = [one for one in stores if (one.provenance.dataset, one.provenance.split) in sets]
    images = sorted(set(sets) - {(one.provenance.dataset, one.provenance.split) for one in stores})
    result = []
    for training, names in titles.items():
        result += training.warnings(listed(names), [selected(one, choice) for one in asked])
        for name in images if training.digests else ():
            said = read_predictions(str(run), model=names[0] if called else "", dataset=name[0], split=name[1])
            said = said.rows(np.flatnonzero(choice.kept(name, said.sample_id)))
            result += seen_among(listed(names), training.digests, said.name, said.n, lambda known=said.digest: known)
    return result


def _model_of(folder: Location) -> Location:
    """The folder of the model that made the predictions in `folder`: itself, or the one that a `predict` has read."""
    manifest = _manifest(folder)
    if (folder / DESCRIPTION).exists() or not (manifest and manifest.inputs):
        return folder
    made = in_workspace_of(folder, manifest.inputs[0].place)
    return made if (made / DESCRIPTION).exists() else folder


def _choice(place: Location) -> Choice:
    """The selection that the run of the model in `place` was limited to."""
    manifest = _manifest(place)
    names = [str(manifest.config.get(name) or "") for name in ("only", "exclude")] if manifest else ["", ""]
    return Choice(*(read_selection(Location.of(name)) if name else None for name in names))


def _manifest(place: Location) -> RunManifest | None:
    file = run_of(place) / MANIFEST
    return RunManifest.model_validate(read_json(file)) if file.exists() else None

"""A stored model together with the stored sets that it is to read, checked to understand each other."""

from typing import NamedTuple

from gapscope.core.errors import InputError
from gapscope.core.files import read_json
from gapscope.core.location import Location
from gapscope.evaluation.copies import once
from gapscope.evaluation.models import as_stored, find_features, model_folder, model_in
from gapscope.evaluation.stored import check_features
from gapscope.predictions.run import sets_in_run
from gapscope.probes.model import Classifier, is_recorded
from gapscope.probes.recorded import recorded_model
from gapscope.runs.folder import input_of
from gapscope.runs.inputs import run_of
from gapscope.runs.run import MANIFEST
from gapscope.schemas.run import Input
from gapscope.store import EmbeddingStore
from gapscope.store.selected import Selected


class Opened(NamedTuple):
    """A model, the folder that it lies in, the sets it was opened for, in the order in which they were named, and what
    is to be said of them.
    """

    folder: Location
    model: Classifier
    stores: list[EmbeddingStore | Selected]
    notes: tuple[str, ...] = ()

    def inputs(self) -> list[Input]:
        """What a run that reads all of them records of them, the model first."""
        rows = self.model.details.get("rows", 0)
        return [Input(place=str(self.folder), config_hash="", rows=rows), *map(input_of, self.stores)]

    def once(self) -> "Opened":
        """The same with each image of a set once, and what is to be said of that."""
        stores, said = zip(*map(once, self.stores), strict=True)
        notes = (*(one.sentence for one in stores if isinstance(one, Selected)), *filter(None, said))
        return self._replace(stores=list(stores), notes=notes)


def open_model(
    workspace: Location,
    run: str,
    sets: dict[str, str],
    *,
    model: str = "",
    backbone: str = "",
    apart: bool = False,
    alone: bool = False,
) -> Opened:
    """The model of `run` and the sets that `sets` names as option: dataset/split; with `apart`, sets that differ; with
    `alone`, a model of which predictions alone are known will do.

    Raises
    ------
    InputError
        There is no such run, model or set, a set has features of another kind than the model was trained on, or the
        same set is named twice where they should differ.
    """
    folder = model_folder(workspace, run, model)
    recorded = alone and is_recorded(folder)
    chosen = recorded_model(folder) if recorded else model_in(folder)
    backbone = backbone or chosen.features.get("backbone", "")
    stores = [find_features(workspace, named, backbone, option) for option, named in sets.items()]
    chosen = as_stored(chosen, stores[0])
    for store in () if recorded else stores:
        check_features(chosen, store)
    if apart and len({str(store.folder) for store in stores}) < len(stores):
        raise InputError(
            f"{stores[0].name} is named by {' and by '.join(sets)}; name the set that the model does well on and the "
            "one that it does badly on"
        )
    return Opened(folder, chosen, stores)


def reference_of(folder: Location, target: str) -> str:
    """The set that the model's run has evaluated which is of the dataset that it was trained on, other than the target.

    Raises
    ------
    InputError
        There is none, or there are several.
    """
    run = run_of(folder)
    manifest = run / MANIFEST
    trained = read_json(manifest).get("config", {}).get("dataset") if manifest.exists() else None
    sets = sets_in_run(run, "" if run == folder else folder.name).values()
    found = [f"{dataset}/{split}" for dataset, split in sets if dataset == trained]
    found = [one for one in found if one != target]
    if len(found) != 1:
        known = f"it has evaluated {', '.join(found)}" if found else "it has evaluated no other set of its own dataset"
        raise InputError(
            f"{run.name} does not say on which set the model does well ({known}); name one with "
            "--reference dataset/split"
        )
    return found[0]

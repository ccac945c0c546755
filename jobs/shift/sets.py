"""The stored sets of a shift, and the model that reads them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from gapscope.core.location import Location
from gapscope.jobs.shift.config import ShiftConfig
from gapscope.runs.inputs import folder_of_model
from gapscope.runs.selection import Chosen
from gapscope.store import EmbeddingStore, View
from gapscope.store.comparable import comparable_view
from gapscope.store.selected import Selected

if TYPE_CHECKING:  # this loads much of SciPy, and `--help` has to be instant
    from gapscope.probes.model import Classifier


class Sets(NamedTuple):
    """The stores, the reference first, their rows with the reference's class indices, which were asked for, and the
    model that reads them, if one was named.
    """

    stores: list[EmbeddingStore | Selected]
    views: list[View]
    chosen: Chosen
    model: "Classifier | None"

    @property
    def reference(self) -> EmbeddingStore | Selected:
        """The set to compare with."""
        return self.stores[0]

    @property
    def targets(self) -> list[EmbeddingStore | Selected]:
        """The others."""
        return self.stores[1:]


def sets_of(workspace: Location, config: ShiftConfig) -> Sets:
    """The stores that the options name, checked to have the same kind of features and classes."""
    from gapscope.evaluation.models import find_features, model_in

    model = model_in(folder_of_model(config.model)) if config.model else None
    wanted = config.backbone or (model.features.get("backbone", "") if model else "")
    reference = find_features(workspace, config.reference, wanted, "--reference")
    backbone = reference.provenance.backbone
    targets = [find_features(workspace, name, backbone, "--target") for name in dict.fromkeys(config.target)]
    chosen = Chosen.by(config)
    reference, *targets = chosen.of_stores([reference, *targets])
    views = [comparable_view(reference, target) for target in targets]
    stores = [reference, *targets]
    return Sets(stores, [reference.view(), *views], chosen, model and _fitting(model, stores))


def _fitting(model: "Classifier", stores: Sequence[EmbeddingStore | Selected]) -> "Classifier":
    """The model, checked to understand the features of all stores."""
    from gapscope.evaluation.models import as_stored
    from gapscope.evaluation.stored import check_features

    model = as_stored(model, stores[0])
    for store in stores:
        check_features(model, store)
    return model

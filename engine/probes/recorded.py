"""A model of which only predictions are known: it has a name and classes, and no scores for any other row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gapscope.core.files import read_object
from gapscope.core.location import Location
from gapscope.probes.model import DESCRIPTION, RECORDED, Classifier, no_model


@dataclass(frozen=True)
class NoRule:
    """The rule of a model in the folder `place` that nobody has."""

    place: str
    kind: str = RECORDED

    def scores(self, x: np.ndarray) -> np.ndarray:
        """None: what was predicted is in the run.

        Raises
        ------
        SchemaError
            Always.
        """
        raise no_model(self.place)

    def tensors(self) -> dict[str, np.ndarray]:
        """None."""
        return {}

    def settings(self) -> dict[str, Any]:
        """Where its predictions are."""
        return {"place": self.place}

    @classmethod
    def restore(cls, _tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> "NoRule":
        """The rule with these settings."""
        return cls(**settings)


def recorded_model(folder: Location) -> Classifier:
    """The model that the predictions in `folder` are of; its features are those that were joined to them."""
    about = read_object(folder / DESCRIPTION)
    names = tuple(about["class_names"])
    return Classifier(
        about["name"], NoRule(str(folder)), probabilistic=False, class_names=names, features=about["features"]
    )

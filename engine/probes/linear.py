"""A fitted linear classifier: weights and biases on the features as they are stored, whatever trained them."""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from engine.core.errors import SchemaError
from engine.core.location import Location

MODEL, DESCRIPTION = "model.safetensors", "model.json"
# Score of a class that had no training rows: finite, so that files and sums stay finite, and below any real score.
NEVER = np.float32(-1e30)


@dataclass(frozen=True)
class LinearProbe:
    """A classifier that gives class ``c`` the score ``x @ weight[c] + bias[c]``.

    Attributes
    ----------
    name
        Which member of `PROBES` trained it.
    weight : (k, d) float32
    bias : (k,) float32
    probabilistic
        Whether the softmax of the scores is meant as probabilities.
    details
        How it came about, as plain JSON values: what was chosen on the held-out rows and what else was tried, passes
        over the data, seconds.
    """

    name: str
    weight: np.ndarray
    bias: np.ndarray
    probabilistic: bool = True
    details: dict[str, Any] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    features: dict[str, Any] = field(default_factory=dict)

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Scores ``(n, k)`` float32 of ``x : (n, d)``; logits, if the probe is probabilistic."""
        scores = np.asarray(x, np.float32) @ self.weight.T
        scores += self.bias
        return scores

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Class index ``(n,)`` of each row of ``x : (n, d)``."""
        return self.scores(x).argmax(axis=1)

    def save(self, folder: Location) -> None:
        """Write `model.safetensors`, then `model.json`, into `folder`."""
        tensors = {"weight": np.ascontiguousarray(self.weight), "bias": np.ascontiguousarray(self.bias)}
        about = {name: value for name, value in vars(self).items() if name not in tensors}
        (folder / MODEL).write_atomically(lambda file: file.write(save(tensors)))
        (folder / DESCRIPTION).write_text(json.dumps(about, indent=1))


def load_probe(folder: Location) -> LinearProbe:
    """The probe that `LinearProbe.save` wrote into `folder`.

    Raises
    ------
    SchemaError
        The files are not there or not what they should be.
    """
    try:
        tensors = load((folder / MODEL).read_bytes())
        about = json.loads((folder / DESCRIPTION).read_text())
        about["class_names"] = tuple(about["class_names"])
        return LinearProbe(**tensors, **about)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise SchemaError(
            f"{folder} holds no model ({MODEL} and {DESCRIPTION}) that can be read: {error}; "
            "train one with `fit-incremental`"
        ) from error


def over_all_classes(weight: np.ndarray, bias: np.ndarray, present: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    """``weight : (p, d)`` and ``bias : (p,)`` of the `present` classes as float32 for all `classes`.

    A class that had no training rows is never predicted.
    """
    full = np.zeros((classes, weight.shape[1]), np.float32)
    full[present] = weight
    offset = np.full(classes, NEVER)
    offset[present] = bias
    return {"weight": full, "bias": offset}

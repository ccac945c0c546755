"""A fitted classifier: the rule that gives scores, how they become probabilities, and how it all came about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from gapscope.core.errors import DamageError, GapscopeError, OtherKindError, SchemaError
from gapscope.core.files import damaged, read_json, read_object, read_tensors, write_json, write_tensors
from gapscope.core.hashing import digest_tensors
from gapscope.core.location import Location
from gapscope.probes.rules import RULES

MODEL, DESCRIPTION = "model.safetensors", "model.json"
# The kind of a model that is known by predictions of a file alone.
RECORDED = "recorded"
# Squared lengths of rows within these bounds lose no digit in float32.
LEAST_SQUARE, MOST_SQUARE = 2.0**-80, 2.0**120
BLOCK_ROWS = 64


class Rule(Protocol):
    """Scores from features; each kind is one line in `RULES`."""

    kind: str

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Scores ``(n, k)`` float32 of ``x : (n, d)``, higher for likelier classes; finite, and `NEVER` for a class
        that had no training rows.
        """

    def tensors(self) -> dict[str, np.ndarray]:
        """The arrays to keep, by name."""

    def settings(self) -> dict[str, Any]:
        """The plain JSON values to keep beside them."""

    @classmethod
    def restore(cls, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> "Rule":
        """The rule that `tensors` and `settings` were taken from."""


@dataclass(frozen=True)
class Classifier:
    """A trained member of `PROBES`.

    Attributes
    ----------
    name
        Which member trained it.
    rule
        Gives the scores.
    probabilistic
        Whether the softmax of ``scores / temperature`` is meant as probabilities.
    temperature
        Chosen on held-out training rows, where there were some (Guo et al. 2017); above 1 the scores were too sure.
    normalised
        Whether rows are scaled to length one before they meet the rule.
    scale
        Power of two that features are multiplied by before that; 1 unless they are very large or very small.
    details
        How it came about, as plain JSON values: what was chosen on the held-out rows and what else was tried, passes
        over the data, seconds, the certificate.
    class_names, features
        What the classes are called, and how images become features.
    """

    name: str
    rule: Rule
    probabilistic: bool = True
    temperature: float = 1.0
    normalised: bool = False
    scale: float = 1.0
    details: dict[str, Any] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    features: dict[str, Any] = field(default_factory=dict)

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Scores ``(n, k)`` float32 of ``x : (n, d)``."""
        x = x if self.scale == 1 else scaled(x, self.scale)
        return self.rule.scores(unit_rows(x) if self.normalised else x)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Class index ``(n,)`` of each row of ``x : (n, d)``."""
        return self.scores(x).argmax(axis=1)

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """Softmax of the tempered scores, ``(n, k)`` float64."""
        return softmax(self.scores(x), self.temperature)

    def to_sklearn(self) -> Any:
        """A fitted `LogisticRegression` of scikit-learn with the same answers, by class name; see `linear_form`.

        Raises
        ------
        InputError
            The model is not linear.
        """
        from gapscope.probes.linear_form import to_sklearn

        return to_sklearn(self, self.class_names)

    def to_torch(self) -> Any:
        """An `nn.Linear` of PyTorch with the same answers; see `linear_form`.

        Raises
        ------
        InputError
            The model is not linear.
        """
        from gapscope.probes.linear_form import to_torch

        return to_torch(self)

    @property
    def digest(self) -> str:
        """Digest of what decides the answers: the rule and how its scores become probabilities."""
        about = [
            self.rule.kind,
            self.rule.settings(),
            self.probabilistic,
            self.temperature,
            self.normalised,
            self.scale,
        ]
        return digest_tensors(self.rule.tensors(), [*about, list(self.class_names)])

    def save(self, folder: Location) -> None:
        """Write `model.safetensors`, then `model.json`, into `folder`."""
        about = {name: value for name, value in vars(self).items() if name != "rule"}
        if self.scale == 1:
            del about["scale"]
        about |= {"kind": self.rule.kind, "settings": self.rule.settings(), "hash": self.digest}
        write_tensors(folder / MODEL, self.rule.tensors())
        write_json(folder / DESCRIPTION, about)


def load_model(folder: Location) -> Classifier:
    """The classifier that `Classifier.save` wrote into `folder`.

    Raises
    ------
    SchemaError
        The files are not there or not what they should be.
    """
    if folder.exists() and not folder.is_folder():
        raise OtherKindError(
            f"{folder} is a file, and no folder of a trained model; weights are for `extract --weights`, and "
            "`evaluate`, `compare`, `gate`, `gap` and `forecast` measure files of predictions without a model"
        )
    if not (folder / MODEL).exists() and not (folder / DESCRIPTION).exists():
        raise SchemaError(f"{folder} holds no model; name a run that trained one, such as one of `fit-incremental`")
    if is_recorded(folder):
        raise no_model(str(folder))
    try:
        tensors = read_tensors(folder / MODEL)
        about = read_json(folder / DESCRIPTION)
        rule = RULES[about.pop("kind")].restore(tensors, about.pop("settings"))
        about["class_names"] = tuple(about["class_names"])
        known = about.pop("hash", "")
        model = Classifier(rule=rule, **about)
        if known and model.digest != known:
            raise damaged(folder, f"{MODEL} and {DESCRIPTION} are not of the same model")
        return model
    except DamageError:
        raise
    except (OSError, ValueError, KeyError, TypeError, GapscopeError) as error:
        raise SchemaError(
            f"{folder} holds no model ({MODEL} and {DESCRIPTION}) that can be read: {error}; "
            "train one with `fit-incremental`"
        ) from error


def is_recorded(folder: Location) -> bool:
    """Whether the model in `folder` is known by predictions of a file alone."""
    about = folder / DESCRIPTION
    return about.exists() and read_object(about).get("kind") == RECORDED


def no_model(place: str) -> SchemaError:
    """The error for a command that needs more of a model than its predictions."""
    return SchemaError(
        f"{place} holds predictions of a file and no model to compute with; train a head on features with "
        "`fit-incremental`, or name a run that trained one (`evaluate`, `compare`, `gate`, `gap`, `forecast`, "
        "`label-queue`, `budget`, `verify-labels`, `explain` and `explore` work with predictions alone)"
    )


def softmax(scores: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Softmax ``(n, k)`` float64 of ``scores / temperature``, some rows at a time, which stay in the cache."""
    result = np.empty(scores.shape)
    for start in range(0, len(scores), BLOCK_ROWS):
        rows = result[start : start + BLOCK_ROWS]
        rows[...] = scores[start : start + BLOCK_ROWS]
        rows /= temperature
        rows -= rows.max(axis=1, keepdims=True)
        np.exp(rows, out=rows)
        rows /= rows.sum(axis=1, keepdims=True)
    return result


def scaled(x: np.ndarray, scale: float) -> np.ndarray:
    """The features ``x : (n, d)`` multiplied by a power of two, float32."""
    return np.asarray(x, np.float32) * np.float32(scale)


def unit_rows(x: np.ndarray) -> np.ndarray:
    """The rows of ``x : (n, d)`` scaled to length one, float32; a row of zeros stays.

    Rows whose squares leave the range of float32 are first multiplied by a power of two, which rounds nothing.
    """
    x = np.asarray(x, np.float32)
    squares = _squares(x)
    extreme = ~((squares > LEAST_SQUARE) & (squares < MOST_SQUARE))
    if extreme.any():
        largest = np.abs(x[extreme]).max(axis=1, initial=0)
        x = x.copy()
        x[extreme] = np.ldexp(x[extreme], -np.frexp(largest)[1][:, None])
        squares[extreme] = _squares(x[extreme])
    length = np.sqrt(squares)[:, None]
    return np.divide(x, length, out=np.zeros_like(x), where=length > 0)


@np.errstate(over="ignore")
def _squares(x: np.ndarray) -> np.ndarray:
    """The squared length of each row."""
    return np.einsum("nd,nd->n", x, x)

"""Candidates: what may have happened to the images, one or two causes at a severity each, as functions of an image."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gapscope.causes.families import KINDS, OWN, SENSOR, Kind
from gapscope.core.errors import InputError
from gapscope.core.functions import function_named
from gapscope.core.random import stream
from gapscope.data.modifications import MODIFICATIONS
from gapscope.data.modifications.modification import SEVERITIES

Change = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


class Cause(NamedTuple):
    """A cause by name: what kind it is, and the function that applies it at a severity from 1 to 5."""

    name: str
    kind: Kind
    change: Change


class Step(NamedTuple):
    """A cause at a severity."""

    cause: Cause
    severity: int

    def __str__(self) -> str:
        return f"{self.cause.name}:{self.severity}"


@dataclass(frozen=True)
class Candidate:
    """One step or two, in the order in which they happen between scene and file."""

    steps: tuple[Step, ...]

    @classmethod
    def of(cls, *steps: Step) -> "Candidate":
        """The steps in the order of their stages."""
        return cls(tuple(sorted(steps, key=lambda step: step.cause.kind.stage)))

    def __str__(self) -> str:
        return "+".join(map(str, self.steps))

    def __call__(self, image: np.ndarray, name: str, seed: int) -> np.ndarray:
        """The modified ``image : (h, w, 3) uint8``; random numbers are those of a modified dataset, named
        by `seed`, the image's `name` and the cause.

        Raises
        ------
        InputError
            A function of the user's own gives no image.
        """
        for cause, severity in self.steps:
            image = _checked(cause, cause.change(image, severity, stream(seed, name, cause.name)))
        return image


def causes(own: Sequence[str] = ()) -> dict[str, Cause]:
    """All registered modifications and the functions that `own` names as ``module:function``, by name.

    Raises
    ------
    InputError
        There is no such module or function.
    """
    known = {name: Cause(name, KINDS[name], MODIFICATIONS[name]) for name in MODIFICATIONS}
    return known | {name: Cause(name, Kind(OWN, SENSOR, "a function of your own"), _function(name)) for name in own}


def at_severities(chosen: Mapping[str, Cause], severities: Sequence[int] = SEVERITIES) -> list[Candidate]:
    """Every one of the `chosen` causes at each of the `severities`."""
    return [Candidate.of(Step(cause, severity)) for cause in chosen.values() for severity in severities]


def _function(name: str) -> Change:
    wanted = "write it as module:function, a function of an image (h, w, 3) of uint8, a severity from 1 to 5 and a "
    return function_named(name, f"{wanted}numpy.random.Generator")


def _checked(cause: Cause, image: object) -> np.ndarray:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} of shape {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise InputError(f"{cause.name} gave {got}; wanted an image, uint8 of shape (h, w, 3)")
    return np.ascontiguousarray(image)

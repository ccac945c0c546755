"""What a long training has reached, kept so that the same command continues after a kill."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NamedTuple, Protocol

import numpy as np

from gapscope.core.errors import DamageError
from gapscope.core.files import read_tensors, write_tensors
from gapscope.core.location import Location

ABOUT = "about"


class Saved(NamedTuple):
    """A saved state: arrays by name, and plain JSON values."""

    arrays: dict[str, np.ndarray]
    about: dict[str, Any]


class Checkpoint(Protocol):
    """Where a training keeps what it has reached, one state for each of its stages."""

    def load(self, stage: str) -> Saved | None:
        """What was saved last for `stage`; None at the first run."""

    def save(self, stage: str, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
        """Replace what is kept for `stage`; whole or not at all, even when the process is killed meanwhile."""

    def due(self) -> bool:
        """Whether so much time has passed since something was saved that saving again is worth its cost."""


class MemoryCheckpoint:
    """States in memory, for a training that goes on in this process: from those that are given, at first."""

    def __init__(self, states: Mapping[str, Saved]):
        self._states = dict(states)

    def load(self, stage: str) -> Saved | None:
        """See `Checkpoint.load`."""
        return self._states.get(stage)

    def save(self, stage: str, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
        """See `Checkpoint.save`."""
        self._states[stage] = Saved(dict(arrays), dict(about))

    def due(self) -> bool:
        """Never: a state in memory outlives no kill."""
        return False


@dataclass
class FolderCheckpoint:
    """States as safetensors files in `folder`, which belongs to one configuration and one input.

    Saving costs as much as writing the arrays; at 1024 features and 1000 classes that is some ten MB, so `seconds`
    between states keeps it below one per cent of the time.
    """

    folder: Location
    seconds: float = 30.0
    _last: float = field(default_factory=monotonic)

    def load(self, stage: str) -> Saved | None:
        """See `Checkpoint.load`.

        Raises
        ------
        DamageError
            The file is damaged.
        """
        place = self._place(stage)
        if not place.exists():
            return None
        try:
            arrays = read_tensors(place)
            return Saved(arrays, json.loads(arrays.pop(ABOUT).tobytes()))
        except (DamageError, ValueError, KeyError) as error:
            raise DamageError(f"{place} is damaged; delete {self.folder} to start again") from error

    def save(self, stage: str, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
        """See `Checkpoint.save`."""
        said = np.frombuffer(json.dumps(about).encode(), np.uint8)
        write_tensors(self._place(stage), {**arrays, ABOUT: said})
        self._last = monotonic()

    def due(self) -> bool:
        """See `Checkpoint.due`."""
        return monotonic() - self._last >= self.seconds

    def _place(self, stage: str) -> Location:
        return self.folder / f"{stage}.safetensors"


class _Nowhere:
    """Keeps nothing: for trainings that are over before it matters."""

    def load(self, stage: str) -> Saved | None:
        return None

    def save(self, stage: str, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
        pass

    def due(self) -> bool:
        return False


NO_CHECKPOINT: Checkpoint = _Nowhere()

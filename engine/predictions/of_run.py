"""The predictions of one model of a run for one set, by their names: what reading them takes, and what they say."""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from gapscope.core.errors import InputError, unknown_name
from gapscope.core.location import Location
from gapscope.core.set_name import SetName
from gapscope.predictions.memory import set_bytes
from gapscope.predictions.read import models_in, read_predictions
from gapscope.predictions.run import described, model_name
from gapscope.predictions.table import Predictions


class OfRun(NamedTuple):
    """Predictions that are not read yet."""

    run: Location
    model: str
    dataset: str
    split: str

    @classmethod
    def named(cls, run: Location, set_name: str, model: str = "", option: str = "") -> "OfRun":
        """Those for ``dataset/split``, which `option` was given, of the only model or the one that is named; a file has
        one set, which any name may be given.

        Raises
        ------
        InputError
            The run has several models and none is named, or the set names no split.
        """
        several = models_in(str(run))
        if len(several) > 1 and not model:
            raise InputError(f"{run} holds several models; choose one with --model: {', '.join(several)}")
        is_name = "/" not in set_name and not run.is_folder()
        named = SetName(set_name, "") if is_name else SetName.parse(set_name, option)
        return cls(run, model or (several[0] if several else ""), *named)

    @property
    def bytes(self) -> int:
        """What reading them takes at most."""
        return set_bytes(*self)

    def read(self) -> Predictions:
        """What the model has said."""
        return read_predictions(str(self.run), model=self.model, dataset=self.dataset, split=self.split)


def models_by_name(places: Sequence[Location], name: str = "") -> list[str]:
    """The model of each run or file: that of the `name` where there are several, else the only one, an empty name.

    Raises
    ------
    InputError
        None of them has a model of this name.
    """
    several = [models_in(str(place)) for place in places]
    known = [*chain.from_iterable(several)]
    known += [model_name(place, described(place)) for place, names in zip(places, several, strict=True) if not names]
    if name and name not in known:
        raise unknown_name(f"model in {' or '.join(map(str, places))}", name, known)
    return [name if len(names) > 1 else "" for names in several]

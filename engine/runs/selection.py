"""The options `--only` and `--exclude`: a run on some of the images of its sets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import numpy as np

from gapscope.core.location import Location
from gapscope.predictions import Predictions
from gapscope.schemas.run import Input
from gapscope.store import EmbeddingStore
from gapscope.store.selected import Selected, selected
from gapscope.store.selection import Choice, Name, read_selection


class Choosing(Protocol):
    """The options of a job that can be told to keep some images or to leave some out."""

    only: str
    exclude: str


@dataclass(frozen=True, eq=False)
class Chosen:
    """What the options choose.

    Attributes
    ----------
    choice
        The images to keep.
    inputs
        The record that a run reads the files.
    """

    choice: Choice
    inputs: tuple[Input, ...]

    @classmethod
    def by(cls, config: Choosing) -> "Chosen":
        """The images in the files that the options name; without any, all images.

        Raises
        ------
        InputError
            A file cannot be read as a list of images.
        """
        places = (config.only, config.exclude)
        result = [read_selection(Location.of(place)) if place else None for place in places]
        read = [(place, one) for place, one in zip(places, result, strict=True) if one is not None]
        inputs = [Input(place=place, config_hash=one.digest, rows=one.rows) for place, one in read]
        return cls(Choice(*result), tuple(inputs))

    def of_stores(self, stores: Sequence[EmbeddingStore]) -> list[EmbeddingStore | Selected]:
        """The stores, or what is left of them.

        Raises
        ------
        InputError
            A file does not fit the stores, or nothing is left of one.
        """
        self.choice.check(map(_name, stores))
        return [selected(store, self.choice) for store in stores]

    def of_predictions(self, result: Predictions) -> tuple[Predictions, list[str]]:
        """The rows that are left, and how many of how many these are; the names of all sets are to be checked before.

        Raises
        ------
        InputError
            A file lists images that are not there, or nothing is left.
        """
        name = (result.dataset, result.split)
        if not self.choice.concerns(name):
            return result, []
        kept = result.rows(np.flatnonzero(self.choice.kept(name, result.sample_id)))
        return kept, [self.choice.sentence(name, kept.n, result.n)]

    def of_both(self, sides: tuple[Predictions, Predictions]) -> tuple[tuple[Predictions, ...], list[str]]:
        """What is left of two sets, and sentences about both.

        Raises
        ------
        InputError
            A file does not fit the sets, or nothing is left of one.
        """
        names = [(side.dataset, side.split) for side in sides]
        self.choice.check(names)
        kept, result = zip(*map(self.of_predictions, sides), strict=True)
        return kept, [*chain.from_iterable(result), *self.choice.notes(names)]

    def notes(self, stores: Iterable[EmbeddingStore | Selected]) -> list[str]:
        """How many rows of how many were kept of each store, and what the files do not speak of."""
        result = list(stores)
        said = [store.sentence for store in result if isinstance(store, Selected)]
        return [*said, *self.choice.notes(map(_name, result))]


def _name(store: EmbeddingStore | Selected) -> Name:
    return store.provenance.dataset, store.provenance.split

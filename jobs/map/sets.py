"""The stored sets of a map, as rows that mean the same."""

from collections.abc import Sequence
from typing import NamedTuple

from engine.core.errors import unknown_name
from engine.core.location import Location
from engine.store import EmbeddingStore, View
from engine.store.comparable import comparable_view
from engine.store.workspace import find_store
from jobs.map.config import MapConfig


class Sets(NamedTuple):
    """The stores, and their rows with the class indices of the first; only of rows that are there."""

    stores: list[EmbeddingStore]
    views: list[View]

    @property
    def class_names(self) -> list[str]:
        """By class index."""
        return self.stores[0].class_names

    @property
    def names(self) -> list[str]:
        """Of the sets, as dataset/split."""
        return [store.name for store in self.stores]

    @property
    def name(self) -> str:
        """All sets, for titles."""
        return ", ".join(self.names)

    @property
    def rows(self) -> int:
        """Of all sets."""
        return sum(store.rows for store in self.stores)


def sets_of(workspace: Location, config: MapConfig) -> Sets:
    """The stores that the options name, checked to have the same kind of features and classes."""
    names = list(dict.fromkeys(one if "/" in one else f"{one}/{config.split}" for one in config.dataset))
    stores = [_find(workspace, names[0], config.backbone)]
    stores += [_find(workspace, name, stores[0].provenance.backbone) for name in names[1:]]
    return Sets(stores, [stores[0].view(), *(comparable_view(stores[0], store) for store in stores[1:])])


def _find(workspace: Location, name: str, backbone: str) -> EmbeddingStore:
    dataset, _, split = name.rpartition("/")
    return find_store(workspace, dataset, split, backbone)


def class_index(name: str, known: Sequence[str]) -> int:
    """Where the class `name` stands among those `known`.

    Raises
    ------
    InputError
        It is not among them.
    """
    if name not in known:
        raise unknown_name("class", name, known)
    return list(known).index(name)

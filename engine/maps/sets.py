"""The stored sets of a map, as rows that mean the same."""

from collections.abc import Sequence
from typing import NamedTuple

from gapscope.core.errors import unknown_name
from gapscope.core.location import Location
from gapscope.core.text import composed, counted
from gapscope.runs.selection import Chosen
from gapscope.store import EmbeddingStore, View
from gapscope.store.comparable import comparable_view
from gapscope.store.selected import Selected
from gapscope.store.workspace import find_store, splits_of


class Sets(NamedTuple):
    """The stores, or what is chosen of them, and their rows with the class indices of the first."""

    stores: list[EmbeddingStore | Selected]
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
    def rows(self) -> int:
        """Of all sets."""
        return sum(store.rows for store in self.stores)

    @property
    def dim(self) -> int:
        """Number of features."""
        return self.stores[0].dim


def read_sets(workspace: Location, names: Sequence[str], backbone: str, chosen: Chosen) -> Sets:
    """The stores with `names`, as dataset/split, or what is chosen of them.

    Raises
    ------
    InputError
        There is no such store, or they have different features or classes.
    """
    first, *others = dict.fromkeys(names)
    whole = [_find(workspace, first, backbone)]
    whole += [_find(workspace, name, whole[0].provenance.backbone) for name in others]
    stores = chosen.of_stores(whole)
    return Sets(stores, [stores[0].view(), *(comparable_view(stores[0], store) for store in stores[1:])])


def alone(workspace: Location, named: Sequence[str], stores: Sequence[EmbeddingStore | Selected]) -> list[str]:
    """A note for each dataset that was `named` without a split and has others in the workspace than the one taken."""
    taken = [store for store in stores if store.provenance.dataset in named]
    others = [
        [one for one in splits_of(workspace, store.provenance.dataset) if one != store.provenance.split]
        for store in taken
    ]
    return [
        f"Of {store.provenance.dataset} only the split {store.provenance.split} is on the map "
        f"({counted(store.rows, 'image')}); name another as "
        f"{' or '.join(f'{store.provenance.dataset}/{one}' for one in rest)}."
        for store, rest in zip(taken, others, strict=True)
        if rest
    ]


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
    index = {composed(one): at for at, one in enumerate(known)}
    if composed(name) not in index:
        raise unknown_name("class", name, known)
    return index[composed(name)]

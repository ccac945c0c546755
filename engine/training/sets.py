"""Several training sets as one: classes by name, every set counting alike, no image both trained on and held out."""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.set_name import SetName
from gapscope.store import EmbeddingStore
from gapscope.store.comparable import Relabelled, check_same_features, is_numbered
from gapscope.store.interleaved import Interleaved
from gapscope.store.selected import Selected, rows_of, whole_of
from gapscope.store.workspace import find_store, holds_set

Source = EmbeddingStore | Selected


def set_of(workspace: Location, dataset: str, split: str) -> SetName:
    """The set that is meant by a dataset, or by a set's own name ``dataset/split`` where that one is stored."""
    head, _, tail = dataset.rpartition("/")
    return SetName(head, tail) if head and holds_set(workspace, head, tail) else SetName(dataset, split)


def named(datasets: Sequence[str], split: str) -> str:
    """What the sets are called together; ``/SPLIT`` stands behind.

    >>> named(["photo", "photo+night:3/train"], "train")
    'photo, photo+night:3'
    """
    return ", ".join(one.removesuffix(f"/{split}") for one in datasets)


def found(workspace: Location, datasets: Sequence[str], split: str, backbone: str) -> list[EmbeddingStore]:
    """The stores of the datasets, all made with the backbone of the first where they have it.

    Raises
    ------
    InputError
        One is not there, is named twice, or has features of another kind.
    """
    names = [set_of(workspace, one, split) for one in datasets]
    first = find_store(workspace, *names[0], backbone)
    made_with = first.provenance.backbone
    others = [
        find_store(workspace, *one, made_with if holds_set(workspace, *one, made_with) else backbone)
        for one in names[1:]
    ]
    for one in others:
        check_same_features(first, one)
    result = [first, *others]
    if len({one.folder for one in result}) < len(result):
        raise InputError(f"--dataset names a set twice: {', '.join(map(str, names))}; name each once")
    return result


def together(stores: Sequence[Source], name: str, split: str, *, held_out: bool) -> Interleaved:
    """The rows of the stores as those of one.

    Raises
    ------
    InputError
        A store has no labels or shares no class with the others, or see `same_images`.
    """
    kept = same_images(stores) if held_out else stores
    classes = reduce(_united, (one.class_names for one in kept))
    index = [_indices(one, classes) for one in kept]
    for place, one in enumerate(kept):
        if not np.isin(index[place], np.concatenate(index[:place] + index[place + 1 :])).any():
            raise InputError(
                f"{one.name} shares no class with the other training sets (its first is {one.class_names[0]!r}); train "
                "on sets of the same classes"
            )
    relabelled = tuple(Relabelled(one, classes, at) for one, at in zip(kept, index, strict=True))
    made = stores[0].provenance.model_copy(update={"dataset": name, "split": split, "class_names": classes})
    return Interleaved(relabelled, made)


def _united(known: list[str], more: list[str]) -> list[str]:
    """Names of both; numbers, which are no names, are those of the other."""
    if is_numbered(known) or is_numbered(more):
        return max(known, more, key=lambda names: (len(names), not is_numbered(names)))
    return list(dict.fromkeys([*known, *more]))


def _indices(store: Source, classes: list[str]) -> np.ndarray:
    if not store.class_names:
        raise InputError(f"{store.name} has no labels to train on; leave it out of --dataset")
    if is_numbered(store.class_names):
        return np.arange(len(store.class_names))
    place = {name: index for index, name in enumerate(classes)}
    return np.array([place[name] for name in store.class_names], np.int64)


def same_images(stores: Sequence[Source]) -> list[Source]:
    """The stores, those of the same images (one set, and modifications of it) with only the images that all of them
    have and in one order, so that the last rows of all are the same images: none is held out in one set and trained on
    in another.

    Raises
    ------
    InputError
        Two of the same images were extracted in different orders.
    """
    result = list(stores)
    for listing in dict.fromkeys(one.provenance.fingerprint.hash for one in stores):
        at = [place for place, one in enumerate(stores) if one.provenance.fingerprint.hash == listing]
        if len(at) < 2:
            continue
        ids = [stores[place].sample_ids() for place in at]
        common = reduce(np.intersect1d, ids)
        kept = [one[np.isin(one, common)] for one in ids]
        for place, one, whole in zip(at, kept, ids, strict=True):
            if not np.array_equal(one, kept[0]):
                raise InputError(
                    f"{stores[at[0]].name} and {stores[place].name} hold the same images in different orders, so that "
                    "images that are held out in one would be trained on in the other; extract both with the same "
                    "--seed, or give --holdout 0"
                )
            if len(one) < len(whole):
                result[place] = _with_images(stores[place], common)
    return result


def _with_images(store: Source, sample_id: np.ndarray) -> Selected:
    """The rows of a store with these sample ids."""
    whole = whole_of(store)
    kept = np.isin(whole.sample_ids(), sample_id)
    return rows_of(whole, kept, f"{store.name}: {int(kept.sum()):,} of {store.rows:,} rows, those that the others have")

"""Where the stores of a workspace stand, and which of them belong together."""

import re
from collections.abc import Iterable

from engine.core.errors import InputError, unknown_name
from engine.core.location import Location
from engine.store.store import EmbeddingStore, open_store
from engine.store.write import MANIFEST, read_manifest


def slug(name: str) -> str:
    """`name` as a folder name: letters, digits, dots, dashes, underscores and pluses stay.

    >>> slug("torchvision:resnet18")
    'torchvision-resnet18'
    """
    return re.sub(r"[^\w.+-]+", "-", name).strip("-") or "unnamed"


def embeddings_folder(workspace: Location) -> Location:
    """The folder that holds one folder per backbone."""
    return workspace / "embeddings"


def store_folder(workspace: Location, backbone: str, dataset: str, split: str) -> Location:
    """The folder of one store."""
    return embeddings_folder(workspace) / slug(backbone) / slug(dataset) / slug(split)


def find_store(workspace: Location, dataset: str, split: str, backbone: str = "") -> EmbeddingStore:
    """The store of a dataset's split, made with `backbone` or with the only backbone there is.

    Raises
    ------
    InputError
        There is none, or several backbones have one and none was named.
    """
    candidates = [backbone] if backbone else embeddings_folder(workspace).names()
    found = [name for name in candidates if _holds(store_folder(workspace, name, dataset, split))]
    if len(found) > 1:
        raise InputError(f"{dataset}/{split} was extracted with {', '.join(found)}; choose one with --backbone")
    if not found:
        raise _not_found(workspace, dataset, split, backbone)
    return open_store(store_folder(workspace, found[0], dataset, split))


def companions(workspace: Location, store: EmbeddingStore, related: Iterable[str] = ()) -> list[EmbeddingStore]:
    """The finished stores to evaluate on after training on `store`: made with the same backbone, they are its
    dataset's other splits, sets that call themselves companions of its dataset, and the datasets named in `related`.
    """
    dataset, split = store.provenance.dataset, store.provenance.split
    folder = store.folder.parent.parent
    found = []
    for place in (folder / name / part for name in folder.names() for part in (folder / name).names()):
        if not _holds(place) or place == store.folder:
            continue
        manifest = read_manifest(place)
        other = manifest.provenance
        belongs = other.dataset == dataset or other.companion_of == dataset or other.dataset in set(related)
        if belongs and manifest.complete and (other.dataset, other.split) != (dataset, split):
            found.append(EmbeddingStore(place, manifest))
    return sorted(found, key=lambda one: (one.provenance.dataset != dataset, one.name))


def _holds(folder: Location) -> bool:
    return (folder / MANIFEST).exists()


def _not_found(workspace: Location, dataset: str, split: str, backbone: str) -> InputError:
    folder = embeddings_folder(workspace)
    datasets = {name for one in folder.names() for name in (folder / one).names()}
    if datasets and slug(dataset) not in datasets:
        return unknown_name("stored dataset", dataset, datasets)
    splits = {f"{one}/{dataset}/{part}" for one in folder.names() for part in (folder / one / slug(dataset)).names()}
    with_backbone = f" with backbone {backbone}" if backbone else ""
    there = f"; there are {', '.join(sorted(splits))}" if splits else ""
    return InputError(
        f"{workspace} holds no embeddings of {dataset}/{split}{with_backbone}{there}; "
        f"make them with `extract --dataset {dataset}` or `import-csv FILE --dataset {dataset} --split {split}`"
    )

"""Where the stores of a workspace stand, and which of them belong together."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from gapscope.core.errors import GapscopeError, InputError, SchemaError, hint, nearest, unknown_name
from gapscope.core.files import damaged
from gapscope.core.location import Location, full_path
from gapscope.core.program import called
from gapscope.core.set_name import SetName
from gapscope.core.splits import split_among, split_of
from gapscope.schemas.embeddings import StoreManifest
from gapscope.store.selected import Selected
from gapscope.store.store import EmbeddingStore, open_store
from gapscope.store.write import MANIFEST, read_manifest

SYNTHETIC = "+synthetic"
# The workspace that nobody has to name.
USUAL = "workspace"
# Options of `extract` that change the features, and those of them that belong to a backbone.
OF_FEATURES = ("backbone", "weights", "backbone_args", "pool", "layer", "image_size")
OF_BACKBONE = ("weights", "backbone_args", "image_size")
# What made the features, where nobody says it: text, or another file.
TEXT, IMPORTED = "csv", "features"
# Endings of tables that hold features, where images are not meant.
FEATURES = (".csv", ".tsv", ".npy", ".npz", ".h5", ".hdf5", ".jsonl", ".feather")


def slug(name: str) -> str:
    """`name` as a folder name: letters, digits, dots, dashes, underscores and pluses stay.

    >>> slug("torchvision:resnet18"), slug("..")
    ('torchvision-resnet18', 'unnamed')
    """
    result = re.sub(r"[^\w.+-]+", "-", name).strip("-")
    return result if result.strip(".") else "unnamed"


def embeddings_folder(workspace: Location) -> Location:
    """The folder that holds one folder per backbone."""
    return workspace / "embeddings"


def workspace_option(workspace: Location) -> str:
    """What a command about this `workspace` has to add to be about no other; nothing for the usual one."""
    usual = workspace.absolute() == Location.of(USUAL).absolute()
    return "" if usual else f" --workspace {shlex.quote(str(workspace))}"


def command_about(store: EmbeddingStore | Selected, words: str) -> str:
    """A command about the workspace that holds a `store`, between backticks, for a sentence."""
    workspace = store.folder.parent.parent.parent.parent
    return f"`{called()} {words}{workspace_option(workspace)}`"


def store_folder(workspace: Location, backbone: str, dataset: str, split: str) -> Location:
    """The folder of one store."""
    return embeddings_folder(workspace) / slug(backbone) / slug(dataset) / slug(split)


def find_store(workspace: Location, dataset: str, split: str, backbone: str = "") -> EmbeddingStore:
    """The store of a dataset's split, made with `backbone` or with the only backbone there is.

    ``NAME+synthetic`` is ``NAME+synthetic:SET`` with the only set that is stored.

    Raises
    ------
    InputError
        There is none, or several backbones or sets have one and none was named.
    """
    candidates = [backbone] if backbone else embeddings_folder(workspace).folders()
    split = stored_split(workspace, dataset, split, backbone)
    result = [(one, name) for one in candidates for name in _meant(workspace, one, dataset, split)]
    backbones, names = list(dict.fromkeys(one for one, _ in result)), list(dict.fromkeys(name for _, name in result))
    if len(names) > 1:
        sets = ", ".join(name.removeprefix(f"{slug(dataset)}-") for name in names)
        raise InputError(
            f"{dataset}/{split} is stored with the sets {sets}; name one, as in {dataset}:{sets.split(',')[0]}"
        )
    if len(backbones) > 1:
        raise InputError(f"{dataset}/{split} was extracted with {', '.join(backbones)}; choose one with --backbone")
    if not result:
        raise _not_found(workspace, dataset, split, backbone)
    return open_store(store_folder(workspace, backbones[0], names[0], split))


def stored_set(workspace: Location, name: str) -> str:
    """`name`, a dataset or dataset/split, with the name of a stored dataset for the path that its images were read
    from, or of a stored set for that of the file that it was imported from.

    Raises
    ------
    InputError
        Several stored datasets were made from the images at that path.
    """
    name = name.rstrip("/")
    dataset, _, split = name.rpartition("/")
    if splits_of(workspace, name):
        return name
    if dataset and holds_set(workspace, dataset, split):
        return f"{dataset}/{stored_split(workspace, dataset, split)}"
    if whole := _stored_from(workspace, name):
        return whole
    stored = _stored_from(workspace, dataset)
    if stored and Path(name).is_dir() and not holds_set(workspace, stored, split):
        split = split_of(split) or split  # test1 is the folder of what is stored as test
    return f"{stored}/{stored_split(workspace, stored, split)}" if stored else name


def stored_split(workspace: Location, dataset: str, split: str, backbone: str = "") -> str:
    """The name by which the split that is meant by `split` is stored; itself where none is."""
    return split_among(split, splits_of(workspace, dataset, backbone))


def _stored_from(workspace: Location, place: str) -> str:
    """The stored dataset or set that was made from what lies at a path; empty where there is none."""
    if not place or "://" in place or not Path(place).exists():
        return ""
    path = full_path(place)
    names = {name for made in manifests(workspace) if (name := _name_by(path, made))}
    if len(names) > 1:
        raise InputError(f"{place} is stored as {' and as '.join(sorted(names))}; name one of them")
    return "".join(names)


def _name_by(path: str, stored: StoreManifest) -> str:
    """What a path names of a stored set: its dataset, which lies there, or the set that was imported from it alone."""
    made = stored.provenance
    if stored.images == path:
        return made.dataset
    files = stored.command.get("options", {}).get("files")
    return f"{made.dataset}/{made.split}" if files == [path] else ""


def manifests(workspace: Location, dataset: str = "") -> Iterator[StoreManifest]:
    """Those of all stored sets, or of the splits of one dataset, that can be read."""
    for backbone in (folder := embeddings_folder(workspace)).folders():
        for name in [slug(dataset)] if dataset else (folder / backbone).folders():
            places = (folder / backbone / name / split for split in (folder / backbone / name).folders())
            for place in filter(_holds, places):
                with suppress(GapscopeError):
                    yield read_manifest(place)


def named_set(workspace: Location, dataset: str, split: str = "") -> SetName:
    """`dataset` and `split`, or those that `dataset` names as dataset/split where nothing else is stored under it."""
    dataset = stored_set(workspace, dataset)
    parts = SetName(*dataset.rpartition("/")[::2])
    if not splits_of(workspace, dataset) and parts.split in splits_of(workspace, parts.dataset):
        return parts
    return SetName(dataset, stored_split(workspace, dataset, split))


def holds_set(workspace: Location, dataset: str, split: str, backbone: str = "") -> bool:
    """Whether a dataset's split is stored, made with `backbone` or with any."""
    split = stored_split(workspace, dataset, split, backbone)
    return any(
        _meant(workspace, one, dataset, split)
        for one in ([backbone] if backbone else embeddings_folder(workspace).folders())
    )


def _meant(workspace: Location, backbone: str, dataset: str, split: str) -> list[str]:
    """The stored datasets that `dataset` may mean: itself, or those with a synthetic set where it names none."""
    names = [slug(dataset)]
    if dataset.endswith(SYNTHETIC):
        stored = (embeddings_folder(workspace) / slug(backbone)).folders()
        names = [name for name in stored if name.startswith(f"{names[0]}-")]
    return [name for name in names if _holds(store_folder(workspace, backbone, name, split))]


def companions(
    workspace: Location, store: EmbeddingStore, related: Iterable[str] = (), real: str = ""
) -> list[EmbeddingStore]:
    """The finished stores to evaluate on after training on `store`: made with the same backbone, they are its
    dataset's other splits, sets that call themselves companions of its dataset, and the datasets named in `related`;
    none that has synthetic rows.

    Parameters
    ----------
    real
        The dataset to which that of `store` adds synthetic rows: it has the same companions, and its other splits stand
        for those that are not stored under the name of `store`.
    """
    made = store.provenance
    own = {made.dataset, real or made.dataset}
    result: dict[object, EmbeddingStore] = {}
    for one in _others(store):
        other = one.provenance
        if other.dataset in own and other.split != made.split:
            key = ("split", other.split)
            result[key] = one if other.dataset == made.dataset else result.get(key, one)
        elif other.dataset not in own and (other.companion_of in own or other.dataset in set(related)):
            result[str(one.folder)] = one
    return sorted(result.values(), key=lambda one: (one.provenance.dataset not in own, one.name))


def _others(store: EmbeddingStore) -> Iterator[EmbeddingStore]:
    """The finished stores of the same backbone without synthetic rows, but for `store` itself."""
    folder = store.folder.parent.parent
    for place in (folder / name / part for name in folder.folders() for part in (folder / name).folders()):
        if _holds(place) and place != store.folder:
            manifest = read_manifest(place)
            if manifest.complete and manifest.provenance.synthetic is None:
                yield open_store(place)


def stored_sets(workspace: Location) -> list[tuple[str, str, int | None]]:
    """Name, backbone and rows of every set that is stored, by name; no rows of one that is not finished, or damaged."""
    folder = embeddings_folder(workspace)
    places = (
        folder / one / name / split
        for one in folder.folders()
        for name in (folder / one).folders()
        for split in (folder / one / name).folders()
    )
    return sorted(_listed(place) for place in places if _holds(place))


def _listed(place: Location) -> tuple[str, str, int | None]:
    try:
        manifest = read_manifest(place)
    except SchemaError:
        return f"{place.parent.name}/{place.name}", place.parent.parent.name, None
    made = manifest.provenance
    return f"{made.dataset}/{made.split}", made.backbone, manifest.rows if manifest.complete else None


def _holds(folder: Location) -> bool:
    return (folder / MANIFEST).exists()


def splits_of(workspace: Location, dataset: str, backbone: str = "") -> list[str]:
    """The splits of a dataset that are stored, made with `backbone` or with any."""
    folder = embeddings_folder(workspace)
    backbones = [slug(backbone)] if backbone else folder.folders()
    return sorted({split for one in backbones for split in (folder / one / slug(dataset)).filled()})


def free_name(workspace: Location, dataset: str) -> str:
    """A name under which nothing is stored, for other images of a dataset."""
    return next(name for number in count(2) if not splits_of(workspace, name := f"{dataset}-{number}"))


def _not_found(workspace: Location, dataset: str, split: str, backbone: str) -> GapscopeError:
    folder = embeddings_folder(workspace)
    for one in [backbone] if backbone else folder.folders():
        place = store_folder(workspace, one, dataset, split)
        if any(name.startswith("part-") for name in place.names()):
            return damaged(place, f"it has no {MANIFEST}")
    datasets = {name for one in folder.folders() for name in (folder / one).folders()}
    with_backbone = f" with backbone {backbone}" if backbone else ""
    option = workspace_option(workspace)
    table = Path(dataset) if Path(dataset).is_file() else None
    named = [str(table), "--dataset", slug(table.stem)] if table else ["FILE", "--dataset", dataset]
    words = shlex.join(["import-features", *named, "--split", split])
    imported = f"`{called()} {words}{option}`"
    stored = list(manifests(workspace, dataset))
    is_imported = all(one.provenance.is_imported for one in stored) if stored else backbone in (TEXT, IMPORTED)
    is_imported = is_imported or bool(table and table.suffix.lower() in FEATURES)
    extracted = "" if is_imported else f"`{called()} {extraction(stored, dataset, split, backbone)}{option}` or "
    making = f"make them with {extracted}{imported}"
    if datasets and slug(dataset) not in datasets:
        error = unknown_name("stored dataset", dataset, datasets, f"datasets{option}")
        if split_of(dataset):
            error.add_note(f"(a split is written behind its dataset, as in {min(datasets)}/{dataset})")
        elif "\\" not in dataset:
            error.add_note(f"(or {making})")
        return error
    places = {(one, part) for one in folder.folders() for part in (folder / one / slug(dataset)).filled()}
    there = f"; there are {', '.join(sorted(f'{one}/{dataset}/{part}' for one, part in places))}" if places else ""
    near = next((part for part in nearest(split, {part for _, part in places}) if hint(split, [part])), "")
    meant = f"; did you mean {dataset}/{near}?" if near else ""
    if stored and not is_imported and not any(one.provenance.class_names for one in stored):
        labelled = f"`{called()} {extraction(stored, dataset, split, backbone)} --labels FILE{option}`"
        making = f"its images have no labels, which {labelled} gives them, or a folder for each class"
    way_out = meant or f"; {making}"
    return InputError(f"{workspace} holds no embeddings of {dataset}/{split}{with_backbone}{there}{way_out}")


def option_words(options: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Those of some options that were given, as typed.

    >>> option_words({"pool": ["avg", "token"], "weights": "", "seed": 0}, ("weights", "pool"))
    ['--pool', 'avg', 'token']
    """
    words = []
    for name in names:
        values = options.get(name) or ()
        values = values if isinstance(values, (list, tuple)) else (values,)
        words += [f"--{name.replace('_', '-')}", *map(str, values)] if values else []
    return words


def extraction(stored: Sequence[StoreManifest], dataset: str, split: str, backbone: str, name: str = "") -> str:
    """The command that stores a split of a dataset with `backbone`, or with that of another split where none is asked
    for, as that which has stored another was typed, or under another `name`; weights are of one backbone.
    """
    known = [one.command["options"] for one in stored if one.command.get("job") == "extract"]
    same = [one for one in known if one.get("backbone") == backbone]
    options: dict[str, Any] = next(iter([*same, *known]), {})
    is_of_it = bool(same) or not backbone
    words: list[str] = ["extract", *options.get("dataset", (dataset,)), "--split", split]
    options = options | ({"name": name} if name else {})
    words += option_words(options, ("name", *(OF_BACKBONE if is_of_it else ()), "classes", "labels"))
    chosen = backbone or options.get("backbone", "")
    return shlex.join([*words, *(["--backbone", chosen] if chosen else [])])

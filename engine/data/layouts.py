"""Datasets without a name: what lies at a path, recognised by its layout."""

import os
import re
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

from gapscope.core.errors import InputError
from gapscope.data.classes import ClassMap, map_classes, read_classes
from gapscope.data.dataset import Dataset, Options, SplitByRule
from gapscope.data.labels import read_labels
from gapscope.data.source import Source
from gapscope.data.sources.class_folders import class_folders
from gapscope.data.sources.files import FileSource, is_image_name, subfolders
from gapscope.data.sources.flat import flat_folder, unused_labels
from gapscope.data.sources.parquet import is_image_parquet, parquet_source, parquet_splits
from gapscope.data.sources.tar import TAR_SUFFIXES, tar_members, tar_source, top_folder

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
SPLIT_ORDER = ("train", "val", "test")
LABEL_FILES = ("labels.csv", "train.csv", "annotations.csv", "metadata.csv")
PARQUET_FOLDERS = ("", "data", "plain_text", "default")
GLANCE = 50


def open_path(path: Path, options: Options) -> Dataset:
    """The dataset at `path`: an archive, Parquet files, a tree of class folders with or without splits, or a flat
    folder.

    Raises
    ------
    InputError
        There is nothing at `path`, or nothing in it that looks like images.
    """
    if not path.exists():
        raise InputError(f"there is no dataset at {path}; name a folder of images, a .tar or .tar.gz, or Parquet files")
    given = read_classes(options.classes) if options.classes else None
    if path.is_file():
        return _open_file(path, options, given)
    if parquet_folder(path) is not None:
        return _parquet(path, parquet_splits(parquet_folder(path)), options, given)
    if split_folders(path):
        return _split_tree(path, options, given)
    if options.labels is None and label_file(path) is None and subfolders(path):
        return _class_tree(path, options, given)
    return _flat(path, options, given)


def looks_like_dataset(path: Path) -> bool:
    """Whether `path` is worth listing as a dataset without being asked: a glance at names and footers, no image is
    opened.

    A folder of loose images without labels is not; it opens as one when its path is named.
    """
    if path.is_file():
        return path.name.endswith(TAR_SUFFIXES)
    if parquet_folder(path) is not None or split_folders(path) or is_class_tree(path):
        return True
    return label_file(path) is not None and _has_images(path)


def dataset_name(path: Path) -> str:
    """A folder name for the dataset at `path`.

    >>> dataset_name(Path("Some Set (v2).tar.gz"))
    'some-set-v2'
    """
    stem = re.sub(r"(\.tar\.gz|\.tgz|\.tar|\.parquet)$", "", path.resolve().name)
    return re.sub(r"[^a-z0-9._]+", "-", stem.lower()).strip("-._") or "dataset"


def is_class_tree(folder: Path) -> bool:
    """Whether `folder` holds two or more folders, at least half of which hold images directly."""
    names = subfolders(folder)[:GLANCE]
    return len(names) > 1 and sum(_has_images(folder / name) for name in names) * 2 >= len(names)


def split_folders(folder: Path) -> dict[str, str]:
    """Folder name by split name, if `folder` holds several splits, or nothing but one, as trees of class folders."""
    names = subfolders(folder)
    found: dict[str, str] = {}
    for name in names:
        split = SPLIT_NAMES.get(name.lower())
        if split and split not in found and subfolders(folder / name):
            found[split] = name
    if len(found) < 2 and list(found.values()) != names:
        return {}
    return {split: found[split] for split in SPLIT_ORDER if split in found}


def parquet_folder(folder: Path) -> Path | None:
    """The folder in or under `folder` that holds Parquet files of images."""
    for name in PARQUET_FOLDERS:
        first = next(iter(sorted((folder / name).glob("*.parquet"))), None)
        if first is not None and is_image_parquet(first):
            return folder / name
    return None


def label_file(folder: Path) -> Path | None:
    """The CSV of labels that lies in `folder`."""
    return next((folder / name for name in LABEL_FILES if (folder / name).is_file()), None)


def _has_images(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(is_image_name(entry.name) and not entry.name.startswith(".") for entry in islice(entries, GLANCE))


def _open_file(path: Path, options: Options, given: ClassMap | None) -> Dataset:
    if path.name.endswith(TAR_SUFFIXES):
        return _tar(path, options, given)
    if path.suffix == ".parquet" and is_image_parquet(path):
        return _parquet(path, {"all": [path]}, options, given)
    raise InputError(f"{path} is no dataset of images; wanted a .tar, a .tar.gz, or Parquet with an image column")


def _by_rule(path: Path, whole: Callable[[], Source], options: Options, notes: tuple[str, ...] = ()) -> Dataset:
    rule = SplitByRule(whole, options.seed)
    return Dataset(dataset_name(path), str(path), rule.openers(), notes=(*notes, rule.note()))


def _class_tree(path: Path, options: Options, given: ClassMap | None) -> Dataset:
    classes = map_classes(subfolders(path), given)
    return _by_rule(path, partial(class_folders, path, "", classes), options, classes.notes)


def _split_tree(path: Path, options: Options, given: ClassMap | None) -> Dataset:
    folders = split_folders(path)
    # All splits together decide the classes: one that is missing in a split must not renumber the others.
    classes = map_classes((name for folder in folders.values() for name in subfolders(path / folder)), given)
    openers = {split: partial(class_folders, path, folder, classes) for split, folder in folders.items()}
    return _of_splits(path, openers, options, classes.notes)


def _of_splits(
    path: Path, openers: dict[str, Callable[[], Source]], options: Options, notes: tuple[str, ...] = ()
) -> Dataset:
    """The dataset with these splits; a training set alone, or one of unknown purpose, is divided by rule."""
    if len(openers) == 1 and not set(openers) & {"val", "test"}:
        return _by_rule(path, next(iter(openers.values())), options, notes)
    return Dataset(dataset_name(path), str(path), openers, notes=notes)


def _tar(path: Path, options: Options, given: ClassMap | None) -> Dataset:
    members = tar_members(path)
    top = top_folder(members)
    prefix = f"{top}/" if top else ""
    inside = {name.removeprefix(prefix).split("/")[0] for name in (m.name for m in members) if name.startswith(prefix)}
    splits = {SPLIT_NAMES[name.lower()]: f"{prefix}{name}" for name in sorted(inside) if name.lower() in SPLIT_NAMES}
    if len(splits) < 2:
        classes = _tar_classes(members, [top], given)
        return _by_rule(path, partial(_open_tar, path, top, classes), options, classes.notes)
    classes = _tar_classes(members, list(splits.values()), given)
    openers = {split: partial(_open_tar, path, splits[split], classes) for split in SPLIT_ORDER if split in splits}
    return Dataset(dataset_name(path), str(path), openers, notes=classes.notes)


def _tar_classes(members: tuple, folders: list[str], given: ClassMap | None) -> ClassMap:
    prefixes = [f"{folder}/" if folder else "" for folder in folders]
    inside = [m.name.removeprefix(prefix) for m in members for prefix in prefixes if m.name.startswith(prefix)]
    found = {name.split("/", 1)[0] for name in inside if "/" in name}
    if not found:
        raise InputError("the archive holds no folders of images; wanted one folder per class")
    return map_classes(found, given)


def _open_tar(path: Path, within: str, classes: ClassMap) -> Source:
    return tar_source(path, tar_members(path), within, classes)


def _parquet(path: Path, splits: dict[str, list[Path]], options: Options, given: ClassMap | None) -> Dataset:
    known = {SPLIT_NAMES.get(split, split): files for split, files in splits.items()}
    ordered = [*(split for split in SPLIT_ORDER if split in known), *sorted(set(known) - set(SPLIT_ORDER))]
    return _of_splits(path, {split: partial(parquet_source, known[split], given) for split in ordered}, options)


def _flat(path: Path, options: Options, given: ClassMap | None) -> Dataset:
    file = options.labels or label_file(path)
    labels = read_labels(file, options.path_column, options.label_column) if file else None
    skip = frozenset({file.name} if file else ())
    whole = flat_folder(path, "", labels, given, skip)
    if not any(map(is_image_name, whole.listing.names)):
        raise InputError(f"{path} holds no images; wanted images, folders of images or Parquet files of images")
    if labels is None:
        note = "the images have no labels; hand over a CSV of paths and labels to give them some"
        return Dataset(dataset_name(path), str(path), {"all": partial(_same, whole)}, notes=(note,))
    return _by_rule(path, partial(_same, whole), options, _unused(whole, labels, file))


def _unused(whole: FileSource, labels: dict[str, str], file: Path) -> tuple[str, ...]:
    count = unused_labels(whole, labels)
    return (f"{count:,} rows of {file.name} name no file in the folder",) if count > 0 else ()


def _same(source: Source) -> Source:
    return source

"""Whether something looks like a dataset, at a glance at names and footers."""

import os
import zipfile
from itertools import islice
from pathlib import Path

from gapscope.core.splits import SPLIT_ORDER, split_of, words_of
from gapscope.data.sources.files import subfolders
from gapscope.data.sources.parquet import is_image_parquet
from gapscope.data.vocabulary import Kind, is_archive_name, is_debris, is_image_name, kind_of

PARQUET_FOLDERS = ("", "data", "plain_text", "default")
GLANCE = 50


def looks_like_dataset(path: Path) -> bool:
    """Whether `path` is worth listing as a dataset without being asked: a glance at names and footers, no image is
    opened.

    A folder of loose images without labels is not; it opens as one when its path is named.
    """
    if path.is_file():
        return is_archive_name(path.name) and (not path.name.lower().endswith(".zip") or _zip_of_images(path))
    if parquet_folder(path) is not None or _has_splits(path) or is_class_tree(path):
        return True
    inner = subfolders(path)
    if len(inner) == 1 and not _has_images(path) and subfolders(path / inner[0]):
        return looks_like_dataset(path / inner[0])
    return _has_tables(path) and (_has_images(path) or any(_has_images(path / name) for name in inner[:GLANCE]))


def is_class_tree(folder: Path) -> bool:
    """Whether `folder` holds two or more folders, at least half of which hold images directly."""
    names = [name for name in subfolders(folder) if not is_debris(name)][:GLANCE]
    return len(names) > 1 and sum(_has_images(folder / name) for name in names) * 2 >= len(names)


def split_folders(folder: Path) -> dict[str, str]:
    """Folder name by split name, if `folder` holds several splits, or nothing but one, as trees of class folders."""
    names = [name for name in subfolders(folder) if not is_debris(name)]
    result: dict[str, str] = {}
    for name in names:
        split = split_of(name)
        if split and split not in result and subfolders(folder / name):
            result[split] = name
    if len(result) < 2 and list(result.values()) != names:
        return {}
    return {split: result[split] for split in SPLIT_ORDER if split in result}


def _has_splits(folder: Path) -> bool:
    """Whether `folder` holds splits as folders, of which at least one has class folders."""
    names = [name for name in subfolders(folder) if split_of(name)]
    held = [name for name in names if subfolders(folder / name) or _has_images(folder / name)]
    return bool(split_folders(folder)) or (len(held) > 1 and any(subfolders(folder / name) for name in held))


def parquet_folder(folder: Path) -> Path | None:
    """The folder in or under `folder` that holds Parquet files of images."""
    for name in PARQUET_FOLDERS:
        for pattern in ("*.parquet", "*/*.parquet"):
            first = next(iter(sorted((folder / name).glob(pattern))), None)
            if first is not None and is_image_parquet(first):
                return folder / name
    return None


def _has_images(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(
                is_image_name(entry.name) and not entry.name.startswith(".") for entry in islice(entries, GLANCE)
            )
    except OSError:
        return False


def _has_tables(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(_is_label_table(entry.name) for entry in entries if not entry.name.startswith("."))


def _is_label_table(name: str) -> bool:
    said = set(words_of(name.rpartition(".")[0]))
    return kind_of(name) is Kind.TABLE and bool(said & {"labels", "label", "train", "annotations", "metadata"})


def _zip_of_images(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(is_image_name(info.filename) for info in archive.infolist()[:GLANCE])
    except (OSError, ValueError, zipfile.BadZipFile):
        return False

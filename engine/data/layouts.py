"""Datasets without a name: what lies at a path, recognised by its layout."""

import os
import re
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from gapscope.core.errors import InputError
from gapscope.data.accounting import Accounting
from gapscope.data.classes import ClassMap, read_classes
from gapscope.data.dataset import Dataset, Options, SplitByRule
from gapscope.data.reading import ALL, Part, Reading, read_tree
from gapscope.data.source import Listing, Source
from gapscope.data.sources.archives import archive_tree
from gapscope.data.sources.files import FileSource, shown_names, subfolders
from gapscope.data.sources.idx import idx_pairs, idx_source
from gapscope.data.sources.parquet import is_image_parquet, parquet_class_map, parquet_source, parquet_splits
from gapscope.data.tree import Tree, folder_tree
from gapscope.data.vocabulary import (
    SPLIT_ORDER,
    Kind,
    dataset_slug,
    is_archive_name,
    is_debris,
    is_image_name,
    kind_of,
    split_and_rest,
    split_of,
    words_of,
)

WANTED = "wanted images, folders of images, archives or Parquet files of images"
PARQUET_FOLDERS = ("", "data", "plain_text", "default")
UNDIVIDED = {"val", "test", "holdout", "pred", "unlabelled"}
GLANCE = 50


def open_path(path: Path, options: Options) -> Dataset:
    """The dataset at `path`: an archive or several, Parquet files, a tree of class folders with or without splits, or a
    flat folder; whatever of it can be told from names and tables.

    Raises
    ------
    InputError
        There is nothing at `path`, nothing in it that looks like images, or two readings are equally good.
    """
    if not path.exists():
        raise InputError(f"there is no dataset at {path}; name a folder of images, an archive, or Parquet files")
    given = read_classes(options.classes) if options.classes else None
    if path.is_file():
        return _open_file(path, options, given)
    tree = folder_tree(str(path))
    if files := _image_parquets(path, tree):
        return _parquet(path, parquet_splits(path, files), options, given, _beside(tree, path, files))
    if tree.counts:
        return _dataset(path, read_tree(tree, str(path), options, given), options, partial(_file_source, path, tree))
    if pairs := idx_pairs(path):
        return _idx(path, pairs, options, given)
    if archives := [Path(path, tree.names[n]) for n, kind in enumerate(tree.kinds) if kind is Kind.ARCHIVE]:
        return _archives(path, _mounted(archives, path), options, given)
    raise InputError(f"{path} holds no images; {WANTED}")


def dataset_name(path: Path) -> str:
    """A folder name for the dataset at `path`: its own; a number is told apart by the folder around it.

    >>> dataset_name(Path("Some Set.tar.gz")), dataset_name(Path("fog/3"))
    ('some-set', 'fog-3')
    """
    whole = Path(os.path.abspath(path))  # noqa: PTH100, a link keeps its own name
    parts = [whole.name]
    while parts[0].isdigit() and whole.parent.name:
        whole = whole.parent
        parts.insert(0, whole.name)
    suffix = r"(\.tar\.(gz|bz2|xz|zst)|\.(tgz|tbz2?|txz|tzst|tar|zip|parquet))$"
    return dataset_slug(re.sub(suffix, "", "-".join(parts), flags=re.IGNORECASE))


# --- whether something looks like a dataset, at a glance


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


# --- datasets


def _open_file(path: Path, options: Options, given: ClassMap | None) -> Dataset:
    if is_archive_name(path.name):
        return _archives(path, [(path, "")], options, given)
    if path.suffix == ".parquet" and is_image_parquet(path):
        split = split_and_rest(path.stem)[0]
        return _parquet(path, {split or ALL: [path]}, options, given, {})
    raise InputError(
        f"{path} is no dataset of images; wanted an archive (.tar, .tar.gz, .zip, …), or Parquet with images"
    )


def _dataset(
    path: Path, reading: Reading, options: Options, source_of: Callable[[Part, Listing, list[int]], Source]
) -> Dataset:
    sources = {part.split: _source(part, reading, source_of) for part in reading.parts}
    openers = {split: partial(_same, source) for split, source in sources.items()}
    labelled = any(part.labelled for part in reading.parts)
    if labelled:
        return _of_splits(path, openers, options, reading.notes, reading.accounting)
    return Dataset(dataset_name(path), str(path), openers, notes=reading.notes, accounting=reading.accounting)


def _source(part: Part, reading: Reading, source_of: Callable[[Part, Listing, list[int]], Source]) -> Source:
    numbers, labels = list(part.labels), np.array([reading.indices[text] for text in part.labels.values()], np.int32)
    return source_of(part, Listing([], labels, shown_names(list(reading.classes.names))[0]), numbers)


def _ordered(tree: Tree, part: Part, listing: Listing, numbers: list[int]) -> tuple[list[int], Listing, dict[str, str]]:
    """The numbers and the listing in order: by class and name where folders are classes, else by name."""
    by_class = part.by_folder and part.labelled
    keys = [(int(label) if by_class else 0, tree.names[n]) for n, label in zip(numbers, listing.labels, strict=True)]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    names, unusual = shown_names([keys[at][1] for at in order])
    labels = listing.labels[order] if order else listing.labels
    return [numbers[at] for at in order], Listing(names, labels, listing.class_names), unusual


def _file_source(path: Path, tree: Tree, part: Part, listing: Listing, numbers: list[int]) -> FileSource:
    chosen, listing, unusual = _ordered(tree, part, listing, numbers)
    return FileSource(str(path), listing, unusual, tree.stamps.rows(np.array(chosen, np.int64)))


def _archives(path: Path, archives: Sequence[tuple[Path, str]], options: Options, given: ClassMap | None) -> Dataset:
    result = archive_tree(archives)

    def source_of(part: Part, listing: Listing, numbers: list[int]) -> Source:
        chosen, listing, _ = _ordered(result.tree, part, listing, numbers)
        return result.source(chosen, listing)

    return _dataset(path, read_tree(result.tree, str(path), options, given), options, source_of)


def _mounted(archives: Sequence[Path], root: Path) -> list[tuple[Path, str]]:
    """Where the members of each archive lie: numbered shards together, other archives in a folder of their name.

    Raises
    ------
    InputError
        One of several numbered shards is missing: half a data set must not pass for the whole.
    """
    shards: dict[str, list[tuple[int, Path]]] = {}
    result = []
    for archive in sorted(archives):
        inside = archive.relative_to(root).parent.as_posix()
        stem = re.sub(r"(\.tar)?\.\w+$", "", archive.name)
        match = re.fullmatch(r"(?P<name>.*?)[-_.]?(?P<number>\d{2,})(-of-\d+)?", stem)
        folder = "" if inside == "." else f"{inside}/"
        if match is None or re.fullmatch(r"n\d{8}", stem):
            result.append((archive, f"{folder}{stem}/"))
            continue
        split, _ = split_and_rest(match["name"])
        shards.setdefault(f"{folder}{split}/" if split else folder, []).append((int(match["number"]), archive))
    for prefix, numbered in shards.items():
        numbers = sorted(number for number, _ in numbered)
        if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
            missing = next(number for number in range(numbers[0], numbers[-1]) if number not in numbers)
            raise InputError(f"{root / prefix} lacks shard {missing} of {numbers[0]} to {numbers[-1]}; fetch it")
        result += [(archive, prefix) for _, archive in sorted(numbered)]
    return result


def _image_parquets(path: Path, tree: Tree) -> list[Path]:
    files = [path / tree.names[number] for number, kind in enumerate(tree.kinds) if kind is Kind.PARQUET]
    return [file for file in files if is_image_parquet(file)]


def _beside(tree: Tree, path: Path, files: Sequence[Path]) -> dict[str, tuple[str, ...]]:
    """The files beside Parquet files of images, by what they are."""
    used = {str(file) for file in files}
    result: dict[str, list[str]] = {}
    for name, kind in zip(tree.names, tree.kinds, strict=True):
        if str(path / name) not in used:
            result.setdefault("debris" if kind is Kind.DEBRIS else "files beside the Parquet files", []).append(name)
    return {reason: tuple(names) for reason, names in result.items()}


def _parquet(
    path: Path,
    splits: dict[str, list[Path]],
    options: Options,
    given: ClassMap | None,
    beside: dict[str, tuple[str, ...]],
) -> Dataset:
    classes, notes = parquet_class_map(
        [file for files in splits.values() for file in files], options.label_column, given
    )
    ordered = [*(s for s in SPLIT_ORDER if s in splits), *(s for s in splits if s not in SPLIT_ORDER)]
    openers = {
        split: partial(parquet_source, splits[split], classes, options.label_column, _root(splits)) for split in ordered
    }
    accounting = Accounting({split: len(splits[split]) for split in ordered}, unused=beside)
    return _of_splits(path, openers, options, notes, accounting)


def _root(splits: dict[str, list[Path]]) -> Path:
    """The folder that names of rows begin in: the lowest that holds all files."""
    parents = [file.parent for files in splits.values() for file in files]
    return Path(os.path.commonpath(parents))


def _idx(path: Path, pairs: dict[str, tuple[Path, Path]], options: Options, given: ClassMap | None) -> Dataset:
    names = given.names if given else None
    openers = {split: partial(idx_source, *files, split, names) for split, files in pairs.items()}
    return _of_splits(path, openers, options)


def _by_rule(
    path: Path, whole: Callable[[], Source], options: Options, notes: tuple[str, ...], accounting: Accounting | None
) -> Dataset:
    rule = SplitByRule(whole, options.seed, place=str(path), workspace=options.workspace)
    name = dataset_name(path)
    return Dataset(name, str(path), rule.openers(), notes=(*notes, rule.note()), accounting=accounting)


def _of_splits(
    path: Path,
    openers: dict[str, Callable[[], Source]],
    options: Options,
    notes: tuple[str, ...] = (),
    accounting: Accounting | None = None,
) -> Dataset:
    """The dataset with these splits; a training set alone, or one of unknown purpose, is divided by rule."""
    if len(openers) == 1 and not set(openers) & UNDIVIDED:
        return _by_rule(path, next(iter(openers.values())), options, notes, accounting)
    return Dataset(dataset_name(path), str(path), openers, notes=notes, accounting=accounting)


def _same(source: Source) -> Source:
    return source

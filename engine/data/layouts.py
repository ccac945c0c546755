"""Datasets without a name: what lies at a path or an address, recognised by its layout."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.splits import SPLIT_ORDER, split_and_rest
from gapscope.data.accounting import Accounting
from gapscope.data.addresses import folder_of, is_address, joined, last_name, path_in
from gapscope.data.classes import ClassMap, read_classes
from gapscope.data.dataset import Dataset, Options, SplitByRule
from gapscope.data.parts import Part
from gapscope.data.path_tables import is_table_of_paths, read_path_table
from gapscope.data.patterns import expanded, place_of
from gapscope.data.reading import ALL, Reading, read_tree
from gapscope.data.remote import copied, copies_of, entry_at, object_tree
from gapscope.data.source import Listing, Source
from gapscope.data.sources.archives import archive_tree
from gapscope.data.sources.files import FileSource, shown_names
from gapscope.data.sources.idx import idx_pairs, idx_source, is_idx_name
from gapscope.data.sources.objects import ObjectSource
from gapscope.data.sources.parquet import (
    is_image_parquet,
    parquet_class_map,
    parquet_source,
    parquet_splits,
    refuse_damaged,
)
from gapscope.data.tree import Tree, folder_tree
from gapscope.data.vocabulary import Kind, dataset_slug, is_archive_name, is_severity, kind_of

WANTED = "wanted images, folders of images, archives or Parquet files of images"
UNDIVIDED = {"val", "test", "holdout", "pred", "unlabelled"}
# What to do with archives that are not read, by the end of their name.
PACKED = {
    r"\.(z\d\d|\d\d\d|part[_.]?\w{1,3}|part\d+\.rar)$": "; it is a part of an archive: join all of them into one first",
    r"\.(7z|rar|lzma|lz4|lz|z|gz|bz2|xz|zst|iso|cpio|cab|dmg)$": "; unpack it first, and name the folder",
}
# Archives whose members are read in pieces behind a network; others are copied first.
ENTERED = (".tar", ".zip")


def open_path(path: Path, options: Options) -> Dataset:
    """The dataset at `path`: an archive or several, Parquet files, a table of paths, a tree of class folders with or
    without splits, or a flat folder; whatever of it can be told from names and tables.

    Raises
    ------
    InputError
        There is nothing at `path`, nothing in it that looks like images, or two readings are equally good.
    """
    if not path.exists():
        raise InputError(f"there is no dataset at {path}; name a folder of images, an archive, or Parquet files")
    if path.is_file():
        return _open_file(str(path), options, _given(options))
    return _open_folder(str(path), folder_tree(str(path)), options, _given(options))


def open_address(address: str, options: Options) -> Dataset:
    """The dataset at `address`, by the same rules as one at a path.

    Images, ``.tar`` and ``.zip`` are read where they lie, piece by piece; Parquet files, compressed tars and idx files
    are copied to the workspace once, as they cannot be.

    Raises
    ------
    InputError
        As for a path; or the other side does not answer.
    """
    if is_file_name(last_name(address)):
        return _open_file(address, options, _given(options))
    return _open_folder(address, object_tree(address), options, _given(options))


def open_pattern(pattern: str, options: Options) -> Dataset:
    """The dataset of all archives, or Parquet files, whose paths or addresses fit `pattern`, such as
    ``shards/train-{0000..0012}.tar``.

    Raises
    ------
    InputError
        None fits, one of those that it names is not there, or they are neither archives nor Parquet files.
    """
    (root, names), place = expanded(pattern), place_of(pattern)
    kinds = {kind_of(last_name(name)) for name in names}
    if kinds == {Kind.ARCHIVE}:
        return _archives(place, _mounted(names, root, options), options, _given(options), name=dataset_name(root))
    if kinds == {Kind.PARQUET}:
        base, files = _on_disk(root, names, options)
        splits = parquet_splits(base, files)
        return _parquet(place, splits, options, _given(options), {}, name=dataset_name(root))
    raise InputError(f"{pattern} means {names[0]} and the like; wanted archives or Parquet files")


def _given(options: Options) -> ClassMap | None:
    return read_classes(options.classes) if options.classes else None


def is_file_name(name: str) -> bool:
    """Whether what is called so at an address is a file, and no folder."""
    return is_archive_name(name) or kind_of(name) in (Kind.PARQUET, Kind.TABLE)


def _open_folder(place: str, tree: Tree, options: Options, given: ClassMap | None) -> Dataset:
    root, tabular = _on_disk(place, tree.of_kind(Kind.PARQUET), options)
    files = [file for file in tabular if is_image_parquet(file)]
    if files or not tree.counts:
        refuse_damaged([file for file in tabular if file not in files])
    if files:
        return _parquet(place, parquet_splits(root, files), options, given, _beside(tree, root, files))
    if tree.counts:
        return _dataset(place, read_tree(tree, place, options, given), options, partial(_file_source, place, tree))
    idx, _ = _on_disk(place, [name for name in tree.names if is_idx_name(last_name(name))], options)
    if pairs := idx_pairs(idx):
        return _idx(place, pairs, options, given)
    if archives := tree.of_kind(Kind.ARCHIVE):
        return _archives(place, _mounted(archives, place, options), options, given)
    raise InputError(f"{place} holds no images{tree.instead}; {WANTED}")


def _on_disk(root: str, names: Sequence[str], options: Options) -> tuple[Path, list[Path]]:
    """The folder `root` and the files in it called `names`; where it is an address, a folder of copies of them."""
    if not is_address(root):
        return Path(root), [Path(root, name) for name in names]
    return copies_of(root, options.workspace), [copied(root, name, options.workspace) for name in names]


def dataset_name(place: Path | str) -> str:
    """A folder name for the dataset at a path or an address: its own; a number, of a severity or a fold, is told apart
    by the folder around it.

    >>> dataset_name(Path("Some Set.tar.gz")), dataset_name(Path("fog/3")), dataset_name("s3://bucket/c/fog/severity_3")
    ('some-set', 'fog-3', 'fog-severity_3')
    """
    place = str(place)
    whole = PurePosixPath(path_in(place) if is_address(place) else os.path.abspath(place))  # noqa: PTH100, links stay
    suffix = r"(\.tar\.(gz|bz2|xz|zst)|\.(tgz|tbz2?|txz|tzst|tar|zip|parquet|csv|tsv|jsonl|ndjson))$"
    parts = [re.sub(suffix, "", whole.name, flags=re.IGNORECASE)]
    while is_severity(parts[0]) and whole.parent.name:
        whole = whole.parent
        parts.insert(0, whole.name)
    return dataset_slug("-".join(parts))


def _open_file(place: str, options: Options, given: ClassMap | None) -> Dataset:
    name = last_name(place)
    if is_archive_name(name):
        return _archives(place, [(_enterable(place, options), "")], options, given)
    if kind_of(name) is Kind.PARQUET:
        file = Path(place)
        if is_address(place):
            file = copied(folder_of(place), name, options.workspace, place)
        if is_image_parquet(file):
            split = split_and_rest(file.stem)[0]
            return _parquet(place, {split or ALL: [file]}, options, given, {})
    if is_table_of_paths(name):
        tree, reading = read_path_table(place, options, given)
        return _dataset(place, reading, options, partial(_object_source, folder_of(place), tree))
    packed = next((way for form, way in PACKED.items() if re.search(form, name.lower())), "")
    raise InputError(
        f"{place} is no dataset of images; wanted an archive (.tar, .tar.gz, .zip, …), Parquet with images, or a table "
        f"of paths and labels (.csv, .jsonl, .parquet){packed}"
    )


def _enterable(place: str, options: Options) -> str:
    """The archive at `place`, or a copy of it where it cannot be read in pieces."""
    if not is_address(place):
        return place
    if last_name(place).lower().endswith(ENTERED) and entry_at(place).ranged:
        return place
    return str(copied(folder_of(place), last_name(place), options.workspace, place))


def _dataset(
    place: str,
    reading: Reading,
    options: Options,
    source_of: Callable[[Part, Listing, list[int]], Source],
    name: str = "",
) -> Dataset:
    sources = {part.split: _source(part, reading, source_of) for part in reading.parts}
    openers = {split: partial(_same, source) for split, source in sources.items()}
    labelled = any(part.labelled for part in reading.parts)
    if labelled:
        return _of_splits(place, openers, options, reading.notes, reading.accounting, name)
    name = name or dataset_name(place)
    return Dataset(name, place, openers, notes=reading.notes, accounting=reading.accounting)


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


def _file_source(place: str, tree: Tree, part: Part, listing: Listing, numbers: list[int]) -> Source:
    if is_address(place):
        return _object_source(place, tree, part, listing, numbers)
    chosen, listing, unusual = _ordered(tree, part, listing, numbers)
    return FileSource(place, listing, unusual, tree.stamps.rows(np.array(chosen, np.int64)))


def _object_source(root: str, tree: Tree, part: Part, listing: Listing, numbers: list[int]) -> ObjectSource:
    chosen, listing, unusual = _ordered(tree, part, listing, numbers)
    return ObjectSource(root, listing, tree.stamps.rows(np.array(chosen, np.int64)), unusual)


def _archives(
    place: str, archives: Sequence[tuple[str, str]], options: Options, given: ClassMap | None, name: str = ""
) -> Dataset:
    result = archive_tree(archives, options.workspace)

    def source_of(part: Part, listing: Listing, numbers: list[int]) -> Source:
        chosen, listing, _ = _ordered(result.tree, part, listing, numbers)
        return result.source(chosen, listing)

    return _dataset(place, read_tree(result.tree, place, options, given), options, source_of, name)


def _mounted(names: Sequence[str], root: str, options: Options) -> list[tuple[str, str]]:
    """The archives called `names` below `root`, and where the members of each lie: numbered shards together, other
    archives in a folder of their name.

    Raises
    ------
    InputError
        One of several numbered shards is missing: half a data set must not pass for the whole.
    """
    shards: dict[str, list[tuple[int, str]]] = {}
    result = []
    for name in sorted(names):
        archive = _enterable(joined(root, name), options)
        inside = PurePosixPath(name).parent.as_posix()
        stem = re.sub(r"(\.tar)?\.\w+$", "", PurePosixPath(name).name)
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
            raise InputError(
                f"{root.rstrip('/')}/{prefix} lacks shard {missing} of {numbers[0]} to {numbers[-1]}; fetch it"
            )
        result += [(archive, prefix) for _, archive in sorted(numbered)]
    return result


def _beside(tree: Tree, root: Path, files: Sequence[Path]) -> dict[str, tuple[str, ...]]:
    """The files beside Parquet files of images, by what they are."""
    used = {str(file) for file in files}
    result: dict[str, list[str]] = {}
    for name, kind in zip(tree.names, tree.kinds, strict=True):
        if str(root / name) not in used:
            result.setdefault(kind.value if kind is Kind.DEBRIS else "files beside the Parquet files", []).append(name)
    return {reason: tuple(names) for reason, names in result.items()}


def _parquet(
    place: str,
    splits: dict[str, list[Path]],
    options: Options,
    given: ClassMap | None,
    beside: dict[str, tuple[str, ...]],
    name: str = "",
) -> Dataset:
    classes, notes = parquet_class_map(
        [file for files in splits.values() for file in files], options.label_column, given
    )
    ordered = [*(s for s in SPLIT_ORDER if s in splits), *(s for s in splits if s not in SPLIT_ORDER)]
    openers = {
        split: partial(parquet_source, splits[split], classes, options.label_column, _root(splits)) for split in ordered
    }
    accounting = Accounting({split: len(splits[split]) for split in ordered}, unused=beside)
    return _of_splits(place, openers, options, notes, accounting, name)


def _root(splits: dict[str, list[Path]]) -> Path:
    """The folder that names of rows begin in: the lowest that holds all files."""
    parents = [file.parent for files in splits.values() for file in files]
    return Path(os.path.commonpath(parents))


def _idx(place: str, pairs: Mapping[str, tuple[Path, Path]], options: Options, given: ClassMap | None) -> Dataset:
    names = given.names if given else None
    openers = {split: partial(idx_source, *files, split, names) for split, files in pairs.items()}
    return _of_splits(place, openers, options)


def _by_rule(
    place: str,
    whole: Callable[[], Source],
    options: Options,
    notes: tuple[str, ...],
    accounting: Accounting | None,
    name: str,
) -> Dataset:
    rule = SplitByRule(whole, options.seed, place=place, workspace=options.workspace)
    return rule.dataset(name, place, notes, accounting=accounting)


def _of_splits(
    place: str,
    openers: dict[str, Callable[[], Source]],
    options: Options,
    notes: tuple[str, ...] = (),
    accounting: Accounting | None = None,
    name: str = "",
) -> Dataset:
    """The dataset with these splits; a training set alone, or one of unknown purpose, is divided by rule."""
    name = name or dataset_name(place)
    if len(openers) == 1 and not set(openers) & UNDIVIDED:
        return _by_rule(place, next(iter(openers.values())), options, notes, accounting, name)
    return Dataset(name, place, openers, notes=notes, accounting=accounting)


def _same(source: Source) -> Source:
    return source

"""Datasets by name or by path: what is under the data root, and how to open it."""

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from gapscope.core.errors import InputError, unknown_name
from gapscope.data.accounting import Accounting
from gapscope.data.addresses import HUB, checked, is_address, scheme_of
from gapscope.data.dataset import Dataset, Options, Recipe
from gapscope.data.datasets import DATASETS
from gapscope.data.datasets.torchvision import PREFIX as TORCHVISION
from gapscope.data.datasets.torchvision import open_torchvision
from gapscope.data.glance import looks_like_dataset
from gapscope.data.hub import open_hub
from gapscope.data.layouts import dataset_name, is_file_name, open_address, open_path, open_pattern
from gapscope.data.limited import NAME, limited
from gapscope.data.modified import SEPARATOR, seen_through
from gapscope.data.patterns import has_pattern
from gapscope.data.source import Listing
from gapscope.data.sources.files import FileSource
from gapscope.data.sources.subset import Subset
from gapscope.data.synthetic import asked_set, with_synthetic
from gapscope.data.tree import folder_tree
from gapscope.data.vocabulary import LABELLING, plain_name


@dataclass(frozen=True)
class FoundSet:
    """A dataset under the data root that has not been opened yet.

    Attributes
    ----------
    name
        What `open_dataset` calls it.
    place
        Where it is.
    recipe
        How to open it, None for a dataset that is recognised by its layout alone.
    """

    name: str
    place: Path
    recipe: Recipe | None = None

    def open(self, options: Options | None = None) -> Dataset:
        """The dataset; lists no images yet."""
        options = options or Options()
        dataset = self.recipe.open(self.place, options) if self.recipe else open_path(self.place, options)
        return replace(dataset, name=self.name)


def find_datasets(data_root: Path) -> list[FoundSet]:
    """The datasets in `data_root`, and that which it is itself; named ones first.

    Looks at the names in the root and one step below, and at a few Parquet footers; opens no image. The embedded ones
    are not among them.
    """
    if not data_root.is_dir():
        return []
    named = list(_find_named(data_root))
    claimed = [result.place.resolve() for result in named if not result.recipe.scattered]
    scattered = [result.recipe for result in named if result.recipe.scattered]
    others = [FoundSet(dataset_name(path), path) for path in _entries(data_root) if _is_other(path, claimed, scattered)]
    if not named and not others and looks_like_dataset(data_root):
        others = [FoundSet(dataset_name(data_root), data_root)]
    return named + _apart(others, {result.name for result in named} | set(DATASETS))


def open_dataset(
    name_or_path: str,
    data_root: Path,
    *,
    classes: Path | None = None,
    labels: Path | None = None,
    seed: int = 0,
    path_column: str | None = None,
    label_column: str | None = None,
    workspace: str = "workspace",
    download: bool = False,
) -> Dataset:
    """The dataset with a name from the catalogue, with a name found under `data_root`, at a path or at an address.

    Addresses begin with ``s3://``, ``gs://``, ``https://`` or ``http://``, and with ``hf://datasets/`` for those of the
    Hugging Face Hub. A pattern, such as ``shards/{0000..0012}.tar``, stands for several archives or Parquet files, and
    ``torchvision:NAME`` for a class of torchvision.

    An @ and a number behind any of these, as in ``cifar10@5000``, open it with so many images of each split. A plus and
    modifications behind that, as in ``cifar10+night:3,blur``, open it as seen through them. ``cifar10+synthetic`` adds
    the images that `augment` has made to the split that they were made for, ``cifar10+synthetic:NAME`` those of one of
    several sets.

    Parameters
    ----------
    classes
        Class list, one name per line in class order.
    labels
        Table of labels; a dataset with folders takes those of its folders, or of tables inside it, otherwise.
    seed
        Decides the splits of a dataset that has none of its own.
    path_column, label_column
        Columns of the tables of labels or of Parquet files; found by what they hold and by usual names when empty.
        ``name`` as the label column means what the names of the files begin with, as in ``cat_0.jpg``.
    workspace
        Where synthetic images are looked for, and copies go of what cannot be read in pieces where it lies.
    download
        Have torchvision fetch the files of its data sets that are not there.

    Raises
    ------
    InputError
        There is no such name or path, or its files are not where they were looked for.
    """
    columns = path_column or None, label_column or None
    return _open(name_or_path, data_root, Options(classes, labels, seed, *columns, workspace, download))


def opening_of(settings: Any) -> dict[str, Any]:
    """Options of `open_dataset` in the configuration of a command, or in what a run has written of one."""
    given = settings if isinstance(settings, Mapping) else vars(settings)
    opening = {name: given[name] for name in (*LABELLING, "seed", "workspace", "download") if name in given}
    return opening | {name: Path(opening[name]) for name in LABELLING[:2] if opening.get(name)}


def opened_by(settings: Any, name: str = "") -> Dataset:
    """The dataset `name`, or that of the configuration of a command, with the options that it has for all."""
    return open_dataset(name or settings.dataset, settings.data_root, **opening_of(settings))


def _open(name_or_path: str, data_root: Path, options: Options) -> Dataset:
    if name_or_path in DATASETS:
        return _of_catalogue(name_or_path, data_root, options)
    if name_or_path.startswith(TORCHVISION) and not _is_more(name_or_path):
        return open_torchvision(name_or_path, data_root, options)
    if is_address(name_or_path):
        return _open_address(name_or_path, data_root, options)
    path = Path(name_or_path).expanduser()
    if path.exists():
        return _open_at(path, options)
    if has_pattern(name_or_path) and not _is_more(name_or_path):
        return open_pattern(name_or_path, options)
    if SEPARATOR in name_or_path:
        return _open_with(name_or_path, data_root, options)
    if some := NAME.fullmatch(name_or_path):
        return limited(_open(some["whole"], data_root, options), int(some["rows"]), options.seed)
    if "/" in name_or_path:
        known = ", ".join(sorted(DATASETS))
        raise InputError(f"there is no dataset at {name_or_path}{_meant(path)}; known by name: {known}")
    result = {dataset.name: dataset for dataset in find_datasets(data_root)}
    if name_or_path in result:
        return result[name_or_path].open(options)
    listing = f"datasets --data-root {shlex.quote(str(data_root))}"
    error = unknown_name("dataset", name_or_path, {*DATASETS, *result}, listing)
    error.add_note(f"(nor is there a file or folder of that name here{_meant(path)})")
    raise error


def _meant(path: Path) -> str:
    """The file or folder that was probably meant by `path`, which is none, as the end of a sentence: one that begins
    with it and a blank, else one that is spelt like it.
    """
    try:
        there = sorted(one.name for one in path.parent.iterdir() if not one.name.startswith("."))
    except OSError:
        return ""
    longer = [name for name in there if name.startswith(f"{path.name} ")]
    near = longer or get_close_matches(path.name, there, 1)
    quotes = ": what holds blanks is written between quotes" if longer else ""
    return f"; did you mean {shlex.quote(str(path.parent / near[0]))}?{quotes}" if near else ""


def _of_catalogue(name: str, data_root: Path, options: Options) -> Dataset:
    """The dataset that is known by a name; it is said where a folder of that name here is another."""
    here = Path(name).resolve()
    other = f"{name} names a known data set; the folder {name} here is another, and is named as ./{name}"
    try:
        dataset = _open_named(DATASETS[name], data_root, options)
    except InputError as error:
        if here.is_dir():
            error.add_note(f"({other})")
        raise
    place = Path(dataset.place).resolve()
    is_other = here.is_dir() and here != place and here not in place.parents and place not in here.parents
    return replace(dataset, notes=(*dataset.notes, other)) if is_other else dataset


def _open_address(address: str, data_root: Path, options: Options) -> Dataset:
    """The dataset at an address, or some images of it, or it seen through modifications."""
    if _is_more(address):
        if some := NAME.fullmatch(address):
            return limited(_open(some["whole"], data_root, options), int(some["rows"]), options.seed)
        return _open_with(address, data_root, options)
    if has_pattern(address) and scheme_of(address) != HUB:
        return open_pattern(address, options)
    address = checked(address)
    if not is_address(address):
        return _open_at(Path(address), options)
    return open_hub(address, options) if scheme_of(address) == HUB else open_address(address, options)


def _is_more(name: str) -> bool:
    """Whether an address or a pattern ends in what is no part of it: a number of images, or modifications."""
    last = name.rpartition("/")[2]
    return bool(NAME.fullmatch(last)) or (SEPARATOR in last and not is_file_name(last.rpartition(SEPARATOR)[2]))


def _open_with(name: str, data_root: Path, options: Options) -> Dataset:
    """The dataset before the last plus of `name`, with the synthetic images or the modifications behind it."""
    plain, _, specification = name.rpartition(SEPARATOR)
    asked = asked_set(specification)
    if asked is not None:
        return with_synthetic(_open(plain, data_root, options), asked, options.workspace)
    return seen_through(_open(plain, data_root, options), specification, options.seed)


def accounting_of(dataset: Dataset) -> Accounting | None:
    """What became of every file of `dataset`: of a dataset of the catalogue, by listing its folder and its splits; None
    where it lies in no folder of its own.
    """
    if dataset.accounting is not None:
        return dataset.accounting
    sources = {split: dataset.source(split) for split in dataset.splits}
    plain = {split: source.source if isinstance(source, Subset) else source for split, source in sources.items()}
    if not all(isinstance(source, FileSource) for source in plain.values()):
        return None
    tree = folder_tree(dataset.place)
    listed = {split: set(_below(dataset.place, plain[split], source.listing)) for split, source in sources.items()}
    below = set().union(*listed.values())
    broken = {tree.names[number]: reason for number, reason in tree.problems.items() if tree.names[number] in below}
    unused: dict[str, list[str]] = {}
    for name, kind in zip(tree.names, tree.kinds, strict=True):
        if name not in below:
            unused.setdefault(kind.value, []).append(name)
    return Accounting(
        {split: len(names - broken.keys()) for split, names in listed.items()},
        (*broken.items(), *tree.skipped),
        {reason: tuple(names) for reason, names in unused.items()},
    )


def _below(place: str, source: FileSource, listing: Listing) -> Iterator[str]:
    """The paths of listed files as the disk has them, relative to `place`."""
    prefix = Path(source.root).resolve().relative_to(Path(place).resolve()).as_posix()
    prefix = "" if prefix == "." else f"{prefix}/"
    return (f"{prefix}{source.unusual.get(name, name)}" for name in listing.names)


def companions_of(name: str) -> tuple[str, ...]:
    """Names of the datasets that a model of the dataset `name` is evaluated on."""
    return DATASETS[name].companions if name in DATASETS else ()


def _open_named(recipe: Recipe, data_root: Path, options: Options) -> Dataset:
    if recipe.embedded:
        return recipe.open(data_root, options)
    place = _place_of(recipe, data_root)
    if place is None:
        raise InputError(
            f"{recipe.name} was not found under {data_root} (looked for {'; '.join(recipe.looked_for)}); "
            f"to get it, {recipe.how_to_get}"
        )
    return recipe.open(place, options)


def _open_at(path: Path, options: Options) -> Dataset:
    """What lies at `path`, under its own name; read by a recipe of the catalogue where that knows more about it, unless
    the user brings a class list.
    """
    if options.classes is None:
        for recipe in DATASETS.values():
            place = recipe.find(path) if recipe.reads_paths else None
            if place is not None and recipe.knows_more(place):
                name = dataset_name(path)
                companions = recipe.companions if name == recipe.name else ()
                return replace(recipe.open(place, options), name=name, companions=companions)
    return open_path(path, options)


def _find_named(data_root: Path) -> Iterator[FoundSet]:
    for name, recipe in DATASETS.items():
        place = next((place for place in _places_of(recipe, data_root) if _is_called(recipe, place, data_root)), None)
        if place is not None:
            yield FoundSet(name, place, recipe)


def _place_of(recipe: Recipe, data_root: Path) -> Path | None:
    """Where a dataset that is asked for by name is: under one of its names, else wherever its layout is found."""
    places = _places_of(recipe, data_root)
    return next((place for place in places if _is_called(recipe, place, data_root)), next(iter(places), None))


def _places_of(recipe: Recipe, data_root: Path) -> list[Path]:
    """Where the layout of a dataset is: in the folder that has its name, in the root itself, or elsewhere in it."""
    if not data_root.is_dir():
        return []
    folders = [path for path in _entries(data_root) if path.name != recipe.name]
    candidates = [data_root / recipe.name, data_root, *folders]
    return [place for place in map(recipe.find, candidates) if place is not None]


def _is_called(recipe: Recipe, place: Path, data_root: Path) -> bool:
    """Whether a folder on the way from the data root to `place`, both included, has one of the recipe's names."""
    if not recipe.folders:
        return True
    inside = place.resolve().relative_to(data_root.resolve()).parts if place != data_root else ()
    names = {plain_name(re.sub(r"[0-9]+(_[0-9]+)*$", "", part)) for part in (data_root.resolve().name, *inside)}
    names |= {plain_name(part) for part in (data_root.resolve().name, *inside)}
    return bool(names & set(recipe.folders))


def _entries(folder: Path) -> list[Path]:
    """What lies in `folder`, is not hidden and may be read."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and os.access(path, os.R_OK))


def _is_other(path: Path, claimed: list[Path], scattered: list[Recipe]) -> bool:
    """Whether `path` is a dataset of its own, not part of one that was found already nor a folder around it."""
    real = path.resolve()
    if any(real == place or place in real.parents or real in place.parents for place in claimed):
        return False
    return not any(recipe.find(path) for recipe in scattered) and looks_like_dataset(path)


def _apart(findings: list[FoundSet], taken: set[str]) -> list[FoundSet]:
    """The same datasets under names that differ; a second one of a name is numbered."""
    result = []
    for dataset in findings:
        name, number = dataset.name, 2
        while name in taken:
            name, number = f"{dataset.name}-{number}", number + 1
        taken.add(name)
        result.append(FoundSet(name, dataset.place, dataset.recipe))
    return result

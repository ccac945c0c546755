"""Data sets of torchvision by name, ``torchvision:CIFAR100``: read where their files are, fetched only when asked."""

import inspect
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gapscope.core.errors import InputError, unknown_name
from gapscope.core.extras import require
from gapscope.data.dataset import Dataset, Options, SplitByRule
from gapscope.data.sources.torchvision import torchvision_source
from gapscope.data.vocabulary import dataset_slug

PREFIX = "torchvision:"
# What `split` may be of those classes that have it; others have `train`, or no splits.
SPLITS = {
    "Country211": ("train", "valid", "test"),
    "DTD": ("train", "val", "test"),
    "FER2013": ("train", "test"),
    "FGVCAircraft": ("train", "val", "test"),
    "Flowers102": ("train", "val", "test"),
    "Food101": ("train", "test"),
    "GTSRB": ("train", "test"),
    "Imagenette": ("train", "val"),
    "OxfordIIITPet": ("trainval", "test"),
    "RenderedSST2": ("train", "val", "test"),
    "STL10": ("train", "test"),
    "SVHN": ("train", "test"),
    "StanfordCars": ("train", "test"),
}
BY_TRAIN = ("CIFAR10", "CIFAR100", "FashionMNIST", "KMNIST", "MNIST", "USPS")
WHOLE = ("Caltech101", "Caltech256", "EuroSAT", "SEMEION")
CALLED = {"valid": "val", "trainval": "train"}


def open_torchvision(spelled: str, data_root: Path, options: Options) -> Dataset:
    """The data set that ``torchvision:NAME`` or ``torchvision:NAME:FOLDER`` names, in its own splits; one without is
    divided by rule. The place that a store records has the folder.

    Raises
    ------
    InputError
        There is no such class for images in classes, or its files are not below `data_root` and were not to be fetched.
    """
    require("opening data sets of torchvision", "torchvision")
    known = {name.lower(): name for name in (*SPLITS, *BY_TRAIN, *WHOLE)}
    asked, _, folder = spelled.removeprefix(PREFIX).partition(":")
    if asked.lower() not in known:
        raise unknown_name("data set of torchvision with classes", asked, known.values())
    name = known[asked.lower()]
    root, splits = _root(name, Path(folder) if folder else data_root, options), _splits(name)
    openers = {split: partial(torchvision_source, name, root, of, split) for split, of in splits.items()}
    slug, place = dataset_slug(name), f"{PREFIX}{name}:{root.resolve()}"
    if len(openers) > 1:
        return Dataset(slug, place, openers)
    rule = SplitByRule(next(iter(openers.values())), options.seed, place=place, workspace=options.workspace)
    return rule.dataset(slug, place)


def _splits(name: str) -> dict[str, Mapping[str, Any]]:
    """What the class is called with, by split."""
    if name in SPLITS:
        return {CALLED.get(split, split): {"split": split} for split in SPLITS[name]}
    return {"train": {"train": True}, "test": {"train": False}} if name in BY_TRAIN else {"all": {}}


def _root(name: str, data_root: Path, options: Options) -> Path:
    """The folder that the class finds its files in: the data root, or a folder in it that has the name of the set."""
    from torchvision import datasets  # here, because it loads torch

    first = next(iter(_splits(name).values()))
    places = [data_root, data_root / name, data_root / name.lower(), data_root / dataset_slug(name)]
    for place in places:
        if _is_there(getattr(datasets, name), place, first):
            return place
    if not options.download:
        raise InputError(
            f"torchvision finds no files of {name} under {data_root}; put them there, name their folder with "
            "--data-root, or have torchvision fetch them with --download"
        )
    _download(getattr(datasets, name), name, data_root)
    return data_root


def _is_there(kind: Any, place: Path, arguments: Mapping[str, Any]) -> bool:
    if not place.is_dir():
        return False
    try:
        kind(str(place), **arguments)
    except (RuntimeError, OSError, ValueError, KeyError):
        return False
    return True


def _download(kind: Any, name: str, data_root: Path) -> None:
    if "download" not in inspect.signature(kind).parameters:
        raise InputError(f"torchvision does not fetch {name}; its documentation says where the files are")
    try:
        for arguments in _splits(name).values():
            kind(str(data_root), **arguments, download=True)
    except (RuntimeError, OSError, ValueError) as error:
        raise InputError(f"{name} could not be fetched to {data_root} ({error}); fetch its files yourself") from error

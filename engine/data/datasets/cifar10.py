"""CIFAR-10: 50,000 + 10,000 images of 32 × 32 in ten classes.

The original ``cifar-10-batches-py`` are pickles, which may run any code when they are read; they are left alone.
Parquet and class folders hold the same images.
"""

import re
from functools import partial
from pathlib import Path

from gapscope.data.classes import ClassMap
from gapscope.data.dataset import Dataset, Options, Recipe
from gapscope.data.glance import parquet_folder, split_folders
from gapscope.data.sources.class_folders import class_folders
from gapscope.data.sources.files import subfolders
from gapscope.data.sources.parquet import class_names_of, parquet_source, parquet_splits

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def find(folder: Path) -> Path | None:
    """A folder of Parquet files that declare CIFAR-10's classes, or, under the name of the set, of splits with its
    class folders: under another name such folders are a modified copy or a set of the same classes.
    """
    if not folder.is_dir():
        return None
    parquet = parquet_folder(folder)
    if parquet is not None:
        first = min(parquet.glob("*.parquet"), default=None)
        return parquet if first is not None and class_names_of(first) == CLASSES else None
    splits = split_folders(folder) if re.sub(r"[\W_]", "", folder.name).lower() == "cifar10" else {}
    return folder if splits and subfolders(folder / next(iter(splits.values()))) == CLASSES else None


def open_cifar10(place: Path, options: Options) -> Dataset:
    """The splits ``train`` and ``test`` at `place`."""
    classes = ClassMap(CLASSES)
    if parquet_folder(place) is not None:
        result = parquet_splits(place)
        openers = {split: partial(parquet_source, result[split], classes) for split in result}
    else:
        openers = {split: partial(class_folders, place, name, classes) for split, name in split_folders(place).items()}
    ordered = {split: openers[split] for split in sorted(openers, key=lambda split: (split != "train", split))}
    return Dataset("cifar10", str(place), ordered)


CIFAR10 = Recipe(
    name="cifar10",
    looked_for=("cifar10/train-*.parquet and test-*.parquet", "cifar10/{train,test}/<class>/"),
    how_to_get="download the Parquet files of `uoft-cs/cifar10` from Hugging Face into <data root>/cifar10",
    find=find,
    open=open_cifar10,
    folders=("cifar10", "uoftcscifar10"),
)

"""ImageNet (ILSVRC 2012): 1,281,167 training and 50,000 validation images in 1,000 classes."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.splits import split_of
from gapscope.core.text import text_of
from gapscope.data.classes import FOLLOWS_IMAGENET, imagenet_classes, imagenet_wnids
from gapscope.data.dataset import Dataset, Options, Recipe
from gapscope.data.labels import read_labels
from gapscope.data.source import Source
from gapscope.data.sources.class_folders import class_folders
from gapscope.data.sources.files import subfolders
from gapscope.data.sources.flat import flat_folder
from gapscope.data.vocabulary import is_image_name

TREES = ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", "imagenet", "ILSVRC2012")
TRAIN_FOLDERS = ("train", "ILSVRC2012_img_train")
VAL_FOLDERS = ("val", "validation", "ILSVRC2012_img_val")
LABEL_FILES = ("LOC_val_solution.csv", "labels.csv", "val.csv", "val_labels.csv")
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
DEVKITS = ("", "ILSVRC2012_devkit_t12/data", "devkit/data", "data", "devkit")
FETCH = "unpack it again from ILSVRC2012_devkit_t12.tar.gz"
LEVELS_UP = 3  # from ILSVRC/Data/CLS-LOC to the folder where Kaggle puts its CSV


def find(folder: Path) -> Path | None:
    """The folder that holds ``train`` or ``val``."""
    return next((folder / tree for tree in TREES if _fits(folder / tree)), None)


def open_imagenet(place: Path, options: Options) -> Dataset:
    """The splits ``train`` and ``val``, as far as they are there."""
    openers: dict[str, Callable[[], Source]] = {}
    train, val = _train(place), _val(place)
    if train:
        openers["train"] = partial(class_folders, place, train, imagenet_classes())
    if val:
        openers["val"] = partial(open_val, place, val, options)
    return Dataset("imagenet", str(place), openers, companions=("imagenetv2",), notes=(FOLLOWS_IMAGENET,))


def open_val(place: Path, folder: str, options: Options) -> Source:
    """The validation images in ``place/folder``: class folders, or flat with a CSV or the devkit's ground truth."""
    if subfolders(place / folder):
        return class_folders(place, folder, imagenet_classes())
    file, labels = _labels(place, folder, options)
    skip = frozenset(f"{folder}/{name}" for name in LABEL_FILES)
    source = flat_folder(place, folder, labels, imagenet_classes(), skip)
    if file.name == GROUND_TRUTH and (without := np.flatnonzero(source.listing.labels < 0)).size:
        raise InputError(
            f"{file} has labels of {len(labels):,} images, and none of {len(without):,} in {place / folder}, the first "
            f"is {source.listing.names[without[0]]}; {FETCH}"
        )
    return source


def _labels(place: Path, folder: str, options: Options) -> tuple[Path, dict[str, str]]:
    """A file of labels, and the wnid by file name in it."""
    csv = options.labels or _look(place, folder, LABEL_FILES)
    if csv:
        return csv, read_labels(csv, options.path_column, options.label_column)
    truth = _look(place, folder, [f"{kit}/{GROUND_TRUTH}".lstrip("/") for kit in DEVKITS])
    if truth:
        return truth, ground_truth(truth)
    raise InputError(
        f"the images in {place / folder} lie without class folders and have no labels; beside that folder, put the "
        f"devkit's {GROUND_TRUTH} and meta.mat, or a labels.csv with columns path and label, or name one with --labels"
    )


def _look(place: Path, folder: str, names: tuple[str, ...] | list[str]) -> Path | None:
    parents = [place / folder, place, *list(place.resolve().parents)[:LEVELS_UP]]
    return next((parent / name for parent in parents for name in names if (parent / name).is_file()), None)


def ground_truth(file: Path) -> dict[str, str]:
    """Wnid by file name, from the devkit's ground truth.

    Its line *i* is the class of the *i*-th validation image as an ``ILSVRC2012_ID``, a numbering of the devkit's own:
    it counts from 1 and does not follow the sorted wnids. ``meta.mat`` beside it says which wnid each number is.
    Taking the number for a class index gives an accuracy near 0.
    """
    classes = file.with_name("meta.mat")
    wnids = {str(number): wnid for number, wnid in _wnids_by_id(classes).items()}
    words = text_of(str(file), file.read_bytes()).split()
    wrong = next((at for at, word in enumerate(words) if word not in wnids), None)
    if wrong is not None:
        raise InputError(
            f"{file} has {words[wrong]!r} as number {wrong + 1:,}; wanted one of 1 to {len(wnids):,}, to which "
            f"{classes} gives classes; {FETCH}"
        )
    return {f"ILSVRC2012_val_{image:08d}": wnids[word] for image, word in enumerate(words, 1)}


def _wnids_by_id(file: Path) -> dict[int, str]:
    from scipy.io import loadmat  # here, so that the catalogue opens without loading it

    if not file.is_file():
        raise InputError(f"{file} is missing: without it the numbers of the ground truth cannot be turned into classes")
    known = set(imagenet_wnids())
    try:
        synsets = loadmat(str(file), squeeze_me=True, struct_as_record=True)["synsets"]
        pairs = zip(synsets["ILSVRC2012_ID"].tolist(), synsets["WNID"].tolist(), strict=True)
        wnids = [(int(number), wnid) for number, wnid in pairs if wnid in known]
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"{file} cannot be read as the devkit's list of classes ({reason}); {FETCH}") from error
    if not wnids or sorted(number for number, _ in wnids) != list(range(1, len(wnids) + 1)):
        raise InputError(f"{file} does not number ImageNet's classes 1, 2, …, each once; {FETCH}")
    return dict(wnids)


def _fits(place: Path) -> bool:
    """Whether `place` holds training or validation images, and no other split: Tiny ImageNet's validation images lie in
    one folder under other names, and leaving them out without a word would be wrong.
    """
    if not (_train(place) or _val(place)):
        return False
    known = {*TRAIN_FOLDERS, *VAL_FOLDERS}
    others = [
        name for name in subfolders(place) if split_of(name) and (name not in known or not _wnid_tree(place / name))
    ]
    return all(_official(place / name) for name in others)


def _train(place: Path) -> str | None:
    return next((name for name in TRAIN_FOLDERS if _wnid_tree(place / name)), None)


def _val(place: Path) -> str | None:
    return next((name for name in VAL_FOLDERS if _wnid_tree(place / name) or _official(place / name)), None)


def _wnid_tree(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    names = subfolders(folder)
    return bool(names) and set(names) <= set(imagenet_wnids())


def _official(folder: Path) -> bool:
    """Whether a folder holds validation or test images under their published names."""
    return folder.is_dir() and any(is_image_name(path.name) for path in folder.glob("ILSVRC2012_*"))


IMAGENET = Recipe(
    name="imagenet",
    looked_for=("imagenet/{train,val}/<wnid>/", "imagenet/val/*.JPEG", "ILSVRC/Data/CLS-LOC/{train,val}/"),
    how_to_get="register at image-net.org or Kaggle, and unpack the training and validation images to "
    "<data root>/imagenet/train and <data root>/imagenet/val",
    find=find,
    open=open_imagenet,
    companions=("imagenetv2",),
    folders=("imagenet", "ilsvrc", "imagenetk", "imagenetilsvrc", "ilsvrcimgtrain", "clsloc"),
    reads_paths=True,
    knows_more=lambda place: bool((val := _val(place)) and _official(place / val)),
)

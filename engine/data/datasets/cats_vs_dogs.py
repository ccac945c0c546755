"""Cats vs. Dogs: photographs in two folders, some of them damaged, without splits."""

from functools import partial
from pathlib import Path

from gapscope.data.classes import ClassMap
from gapscope.data.dataset import Dataset, Options, Recipe, SplitByRule
from gapscope.data.sources.class_folders import class_folders
from gapscope.data.sources.files import subfolders

CLASSES = ["Cat", "Dog"]


def find(folder: Path) -> Path | None:
    """The folder ``PetImages``, here or one step down."""
    places = (folder / "PetImages", folder)
    return next((place for place in places if place.is_dir() and subfolders(place) == CLASSES), None)


def open_cats_vs_dogs(place: Path, options: Options) -> Dataset:
    """The splits ``train``, ``val`` and ``test`` by rule."""
    rule = SplitByRule(partial(class_folders, place, "", ClassMap(CLASSES)), options.seed, place=str(place))
    return rule.dataset("cats-vs-dogs", str(place))


CATS_VS_DOGS = Recipe(
    name="cats-vs-dogs",
    looked_for=("cats-vs-dogs/PetImages/{Cat,Dog}/", "PetImages/{Cat,Dog}/"),
    how_to_get="unpack Microsoft's `kagglecatsanddogs_5340.zip` into <data root>/cats-vs-dogs",
    find=find,
    open=open_cats_vs_dogs,
    folders=("catsvsdogs", "petimages", "kagglecatsanddogs", "dogsvscats"),
)

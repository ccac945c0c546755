"""ImageNetV2: three new test sets for ImageNet, whose class folders are named 0…999."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from gapscope.data.classes import ClassMap, imagenet_wnids, is_integer
from gapscope.data.dataset import Dataset, Options, Recipe
from gapscope.data.source import Listing
from gapscope.data.sources.archives import ArchiveSource, archive_tree
from gapscope.data.sources.class_folders import class_folders
from gapscope.data.sources.files import FileSource, subfolders
from gapscope.data.vocabulary import is_archive_name, is_image_name

# Spellings of each variant in the names of the published folders and archives, the letters of the first release
# included.
VARIANTS = {
    "matched-frequency": ("matched-frequency", "matchedfrequency", "b-33"),
    "threshold-0.7": ("threshold-0.7", "threshold0.7", "a-44"),
    "top-images": ("top-images", "topimages", "c-12"),
}
NUMBERS = ClassMap([str(index) for index in range(1000)])
NOTE = "folders 0…999 are ImageNet's classes in order, sorted as numbers and shown by their wnids"


def find(folder: Path) -> Path | None:
    """A folder that holds a variant, unpacked or as an archive; or that is one."""
    if not folder.is_dir():
        return folder if _is_archive(folder) and _variant(folder.name) else None
    is_variant = _variant(folder.name) is not None and _numbered(folder)
    return folder if is_variant or _variants(folder) else None


def open_imagenetv2(place: Path, options: Options) -> Dataset:
    """The variants at `place`, as splits."""
    single = _variant(place.name)
    places = {single: place} if single else _variants(place)
    openers = {variant: partial(open_variant, places[variant]) for variant in VARIANTS if variant in places}
    return Dataset("imagenetv2", str(place), openers, companion_of="imagenet", notes=(NOTE,))


def open_variant(place: Path) -> FileSource | ArchiveSource:
    """The images of one variant, from its folder or its archive."""
    if place.is_dir():
        source = class_folders(place.parent, place.name, NUMBERS)
        return replace(source, listing=_with_wnids(source.listing))
    result = archive_tree([(str(place), "")])
    rows = sorted(
        (int(folder), name, number)
        for number, name in enumerate(result.tree.names)
        if is_image_name(name) and is_integer(folder := name.rpartition("/")[0].rpartition("/")[2])
    )
    labels = np.array([label for label, _, _ in rows], np.int32)
    listing = Listing([name for _, name, _ in rows], labels, imagenet_wnids())
    return result.source([number for _, _, number in rows], listing)


def _with_wnids(listing: Listing) -> Listing:
    return Listing(listing.names, listing.labels, imagenet_wnids())


def _variants(folder: Path) -> dict[str, Path]:
    """Places by variant; where a variant lies there twice, the unpacked folder."""
    result: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: (not path.is_dir(), path.name)):
        variant = _variant(path.name)
        if variant and variant not in result and (_numbered(path) if path.is_dir() else _is_archive(path)):
            result[variant] = path
    return result


def _variant(name: str) -> str | None:
    """The variant that the name of a folder or archive of ImageNetV2 means."""
    name = name.lower().replace("_", "-")
    if "imagenet" not in name or "v2" not in name:
        return None
    return next((variant for variant, forms in VARIANTS.items() if any(form in name for form in forms)), None)


def _numbered(folder: Path) -> bool:
    names = subfolders(folder)
    return bool(names) and all(is_integer(name) for name in names)


def _is_archive(path: Path) -> bool:
    return path.is_file() and is_archive_name(path.name)


IMAGENETV2 = Recipe(
    name="imagenetv2",
    looked_for=("imagenetv2/imagenetv2-<variant>-format-val/", "imagenetv2-<variant>[-format-val]/", "….tar.gz"),
    how_to_get="download `imagenetv2-matched-frequency.tar.gz` from huggingface.co/datasets/vaishaal/ImageNetV2 "
    "into <data root>/imagenetv2; it need not be unpacked",
    find=find,
    open=open_imagenetv2,
    companion_of="imagenet",
    scattered=True,
    reads_paths=True,
)

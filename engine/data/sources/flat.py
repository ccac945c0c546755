"""Images in one folder whose labels stand elsewhere, or nowhere."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from gapscope.core.errors import InputError
from gapscope.data.classes import ClassMap
from gapscope.data.labels import map_labels
from gapscope.data.source import Listing
from gapscope.data.sources.files import FileSource, shown_names, walk


def flat_folder(
    root: Path,
    within: str = "",
    labels: Mapping[str, str] | None = None,
    classes: ClassMap | None = None,
    skip: frozenset[str] = frozenset(),
) -> FileSource:
    """Every file under ``root/within`` that is not hidden, by name; labelled by `labels`, -1 where they say nothing.

    Parameters
    ----------
    root
        Names are relative to this folder.
    labels
        Label text by path, by file name, or by file name without its suffix; whichever of them fits.
    skip
        Names that are not images of the set, such as the label file itself.
    """
    prefix = f"{within}/" if within else ""
    try:
        names = sorted(name for name in walk(f"{root}/{within}" if within else str(root), prefix) if name not in skip)
    except OSError as error:
        raise InputError(f"{root / within} cannot be listed ({error.strerror})") from error
    shown, unusual = shown_names(names)
    map_, indices = map_labels((labels or {}).values(), classes)
    texts = _texts(shown, prefix, labels or {})
    return FileSource(
        str(root),
        Listing(shown, np.array([indices[text] for text in texts], np.int32), list(map_.names)),
        unusual,
    )


def _texts(names: list[str], prefix: str, labels: Mapping[str, str]) -> list[str]:
    texts = []
    for name in names:
        path = PurePosixPath(name)
        forms = (name, name.removeprefix(prefix), path.name, path.stem)
        texts.append(next((labels[form] for form in forms if form in labels), ""))
    return texts

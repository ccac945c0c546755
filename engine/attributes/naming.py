"""Which stored image a name means, in the many ways in which files of others call images."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np

from gapscope.core.splits import split_and_rest
from gapscope.core.text import composed
from gapscope.data.vocabulary import is_image_name

NONE, SEVERAL = -1, -2
Keys = list[str]


class Named(NamedTuple):
    """Which row of a list of names each stored image has.

    Attributes
    ----------
    rows : (n,) int64
        -1 where no name means the image, -2 where several do, or where one means several images.
    form
        By what they were matched, for sentences.
    """

    rows: np.ndarray
    form: str

    @property
    def found(self) -> np.ndarray:
        """Which images have a name, ``(n,) bool``."""
        return self.rows >= 0

    @property
    def ambiguous(self) -> np.ndarray:
        """Which images have no name of their own, ``(n,) bool``."""
        return self.rows == SEVERAL


def rows_named(paths: Sequence[str], names: Sequence[str], dataset: str = "", split: str = "") -> Named:
    """For each of the stored `paths` of a dataset's split the row of `names` that means it.

    Tried are whole paths, with dataset and split before them, then ever shorter ends of paths down to the names of
    files, all with and without endings, and numbers without leading zeros. What names most images counts, of equals
    the longest. About 3 s for a million images and each form.
    """
    stored = [f"{dataset}/{split}/{_plain(path)}".lstrip("/") for path in paths]
    given = [_plain(name) for name in names]
    best = Named(np.full(len(paths), NONE), "")
    for form, own, theirs in _forms(stored, given):
        rows = _matched(own, theirs)
        if not best.form or (rows >= 0).sum() > best.found.sum():
            best = Named(rows, form)
        if best.found.all():
            break
    return best


def other_split(split: str, path: str, name: str) -> str:
    """The split that the folders before a stored path speak of in a name, where it is another than `split`; else
    empty.

    >>> other_split("test", "cat/1.png", "/data/train/cat/1.png"), other_split("test", "train/1.png", "x/train/1.png")
    ('train', '')
    """
    folders = set(_plain(name).split("/")[:-1]) - set(_plain(path).split("/"))
    said = {word for folder in folders if (word := split_and_rest(folder)[0])}
    own = split_and_rest(split)[0]
    return said.pop() if own and len(said) == 1 and own not in said else ""


def _plain(name: str | None) -> str:
    """A name without what systems write it with: backslashes, ``./``, the root or the host, decomposed letters."""
    text = composed(name or "").strip().replace("\\", "/")
    text = urlsplit(text).path if "://" in text else text
    return text.removeprefix("./").lstrip("/")


def _forms(stored: Keys, given: Keys) -> Iterator[tuple[str, Keys, Keys]]:
    deepest = min(max((name.count("/") for name in side), default=0) for side in (stored, given)) + 1
    for depth in range(deepest, 0, -1):
        ends = [[_end(name, depth) for name in side] for side in (stored, given)]
        called = "the names of the files" if depth == 1 else f"the last {depth} parts of their paths"
        yield called, ends[0], ends[1]
        bare = [[_without_ending(name) for name in side] for side in ends]
        yield f"{called} without their endings", bare[0], bare[1]
    yield "the numbers in the names of the files", *([_number(name) for name in side] for side in bare)


def _end(name: str, depth: int) -> str:
    """The last `depth` parts of a path; empty where it has fewer."""
    parts = name.rsplit("/", depth)
    return name if len(parts) == depth else "/".join(parts[1:]) if len(parts) > depth else ""


def _without_ending(name: str) -> str:
    return name.rpartition(".")[0] if is_image_name(name) else name


def _number(name: str) -> str:
    """A name that is a number, as a reader of tables writes it; empty for another."""
    return (name.lstrip("0") or "0") if name.isdecimal() else ""


def _matched(own: Keys, theirs: Keys) -> np.ndarray:
    place: dict[str, int] = {}
    for row, key in enumerate(theirs):
        if key:
            place[key] = SEVERAL if key in place else row
    rows = np.array([place.get(key, NONE) for key in own], np.int64)
    shared = len(set(own)) < len(own)
    if shared:
        key, count = np.unique(np.array(own, object), return_counts=True)
        times = dict(zip(key.tolist(), count.tolist(), strict=True))
        rows[[times[one] > 1 and at != NONE for one, at in zip(own, rows.tolist(), strict=True)]] = SEVERAL
    return rows

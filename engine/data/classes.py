"""Which class index the name of a folder or the text of a label stands for."""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from gapscope.core.class_list import index_of, read_class_list
from gapscope.core.errors import InputError
from gapscope.core.extras import require
from gapscope.core.location import Location
from gapscope.core.text import composed, spelt_alike

FOLLOWS_IMAGENET = "class indices follow ImageNet's 1,000 wnids in their published order"
FOLLOWS_LIST = "class indices are those of {}, counted from 0"
NUMBERED = "; its numbers, {} to {}, are those of labels"


class ClassMap(NamedTuple):
    """Class names by index, a sentence for the user where the order is not plain sorting, the lines of a list that the
    names were cut from, and their numbers there, if they are not their indices.
    """

    names: list[str]
    notes: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()

    @property
    def known(self) -> frozenset[str]:
        """All texts that may be names of these classes."""
        return frozenset((*self.names, *self.lines))

    def indices(self, texts: Iterable[str] = ()) -> dict[str, int]:
        """Class index by class name, and by `texts` that spell one with other bytes, as a Mac does.

        >>> ClassMap(["caf\N{LATIN SMALL LETTER E WITH ACUTE}"]).indices(["cafe\N{COMBINING ACUTE ACCENT}"]).values()
        dict_values([0, 0])
        """
        index = {name: number for number, name in enumerate(self.names)}
        return index | {text: index[composed(text)] for text in texts if composed(text) in index}

    def of_integers(self, texts: Iterable[str]) -> dict[str, int]:
        """Class index by the text of a number that labels have for a class.

        Raises
        ------
        InputError
            A number is that of no class.
        """
        result = {text: index_of(int(text), self.numbers, len(self.names)) for text in texts}
        strange = [text for text, index in result.items() if index is None]
        if strange:
            counted = f"numbered {self.numbers[0]} to {self.numbers[-1]}" if self.numbers else "counted from 0"
            raise InputError(
                f"label {max(strange, key=int)} occurs but the class list has {len(self.names)} classes, {counted}; "
                "complete the list, or number both alike"
            )
        return {text: index for text, index in result.items() if index is not None}


def map_classes(result: Iterable[str], given: ClassMap | None = None) -> ClassMap:
    """The classes for the names `found` in a dataset.

    With `given` classes these, and every found name must be among them. Wnids of ImageNet follow ImageNet's order,
    even when only a few of them are there. Integers sort as numbers: sorted as texts, 10 would stand before 2 and
    nearly every label would be wrong. Other names sort as texts.
    """
    names = set(map(composed, result))
    if given is not None:
        return _within(names, given)
    if names and names <= set(_wnids()):
        return imagenet_classes()
    if all(is_number(name) for name in names):
        return ClassMap(sorted(names, key=lambda name: (Decimal(name), name)))
    alike = spelt_alike(names)
    return ClassMap(sorted(names), (alike,) if alike else ())


def read_classes(path: Path) -> ClassMap:
    """The classes that a file such as ``imagenet-classes.txt`` lists; see `class_list` for its forms."""
    found = read_class_list(Location.of(path))
    numbers = found.numbers
    note = FOLLOWS_LIST.format(path.name) + (NUMBERED.format(numbers[0], numbers[-1]) if numbers else "")
    return ClassMap(found.names, (note,), tuple(found.lines), numbers)


def is_integer(name: str) -> bool:
    """Whether `name` consists of ASCII digits only."""
    return name.isascii() and name.isdigit()


def is_number(name: str) -> bool:
    """Whether `name` is a number as people write them, a whole one or a fraction.

    >>> [is_number(name) for name in ("10", "-2.5", "10_20", "1e3", "v2")]
    [True, True, False, False, False]
    """
    return re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", name) is not None


def _within(names: set[str], given: ClassMap) -> ClassMap:
    unknown = sorted(names - set(given.names))
    if unknown and names <= set(given.lines):
        return given._replace(names=list(given.lines), numbers=())
    if unknown:
        raise InputError(
            f"{len(unknown)} of {len(names)} classes found are not in the class list, the first is {unknown[0]!r} "
            f"(the list has {len(given.names)}: {_few(given.names)}); correct the list or leave it out"
        )
    return given


def _few(names: Sequence[str], limit: int = 3) -> str:
    return ", ".join(names[:limit]) + (", …" if len(names) > limit else "")


@cache
def _wnids() -> tuple[str, ...]:
    # find_spec locates timm without importing it, which would load torch.
    require("to tell ImageNet's classes", "timm")
    origin = getattr(find_spec("timm"), "origin", "")
    return tuple((Path(origin).parent / "data" / "_info" / "imagenet_synsets.txt").read_text().split())


def imagenet_wnids() -> list[str]:
    """The 1,000 wnids of ImageNet in class order; as they stand in timm's package, which is not imported.

    >>> imagenet_wnids()[:2]
    ['n01440764', 'n01443537']
    """
    return list(_wnids())


def imagenet_classes() -> ClassMap:
    """ImageNet's wnids as a class list."""
    return ClassMap(imagenet_wnids(), (FOLLOWS_IMAGENET,))

"""Label texts to class indices, by a map that stays the same for all splits of a dataset."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gapscope.core.class_list import index_of, read_class_list
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.text import composed
from gapscope.store.write import MANIFEST, read_manifest

UNKNOWN = -1
MOST_CLASSES = 1_000_000
SHOWN = 5


@dataclass(frozen=True)
class ClassMap:
    """Class names that are given, where they come from, for messages, the lines that they were cut from, and their
    numbers there, if they are not their indices.
    """

    names: tuple[str, ...]
    origin: str
    lines: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()

    def index_of(self, number: int) -> int | None:
        """The index of the class with this number; None where there is none."""
        return index_of(number, self.numbers, len(self.names))


def read_class_map(place: Location) -> ClassMap:
    """The class names in a file, in the order of their indices; see `class_list` for its forms."""
    found = read_class_list(place)
    return ClassMap(tuple(found.names), str(place), tuple(found.lines), found.numbers)


def sibling_class_map(folders: Sequence[Location], but: Location) -> ClassMap | None:
    """The class map of the first store but `but` that has one; each of `folders` is a dataset's folder of splits."""
    for folder in folders:
        for split in folder.folders():
            store = folder / split
            if store != but and (store / MANIFEST).exists():
                manifest = read_manifest(store)
                if manifest.provenance.class_names:
                    numbers = tuple(manifest.class_numbers or ())
                    return ClassMap(tuple(manifest.provenance.class_names), str(store), numbers=numbers)
    return None


@dataclass
class LabelBook:
    """The label texts seen so far, numbered in order of appearance; rows carry the number until all texts are known.

    Attributes
    ----------
    given
        The class map to follow, if there is one.
    rejects
        Whether a name that the class map does not have is no label of its row, instead of the end of the import.
    texts
        Label texts by number.
    first
        For ``index`` and for ``name``: the first label of that kind, and its place.
    """

    given: ClassMap | None = None
    rejects: bool = False
    texts: list[str] = field(default_factory=list)
    first: dict[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = {text: number for number, text in enumerate(self.texts)}
        self._places = self._given_places()
        for text in self.texts:
            self._follow_lines(text)

    def _follow_lines(self, text: str) -> None:
        """Take the lines of the class map for its names, where the first label that is no name is one of them."""
        if self.given and text in self.given.lines and text not in self._places:
            self.given = ClassMap(self.given.lines, self.given.origin)
            self._places = self._given_places()

    def _given_places(self) -> dict[str, int]:
        return {composed(name): index for index, name in enumerate(self.given.names if self.given else ())}

    def seen(self, text: str) -> int | None:
        """The number of label `text`, if it was met before."""
        return self._numbers.get(text)

    def number(self, text: str, place: str) -> int | str:
        """The number of label `text`, first met at `place`; or, for a text that is no label, what is wrong with it.

        Raises
        ------
        InputError
            Names and indices are mixed, or there are too many different labels.
        """
        text = composed(text)
        if text not in self._numbers:
            wrong = self._refusal(text, place)
            if wrong:
                return wrong
            self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return self._numbers[text]

    def _refusal(self, text: str, place: str) -> str:
        value = _number(text)
        if not text or (value is not None and math.isnan(value)):
            return "has no label (write -1 where it is unknown)"
        if value == UNKNOWN:
            return ""
        if value is None:
            self._note("name", text, place)
            self._follow_lines(text)
            return self._not_among(text) if self.given and self.rejects and text not in self._places else ""
        self._note("index", text, place)
        if value != int(value) if math.isfinite(value) else True:
            return f"has label {text!r}, which is not a whole number"
        known = self.given.index_of(int(value)) is not None if self.given else 0 <= value < MOST_CLASSES
        return "" if known else self._not_among(text)

    def _not_among(self, text: str) -> str:
        given = self.given
        wanted = f"the {len(given.names)} classes of {given.origin}" if given else f"0 to {MOST_CLASSES - 1}, or -1"
        wanted += f", which are numbered {given.numbers[0]} to {given.numbers[-1]}" if given and given.numbers else ""
        return f"has label {text!r}, which is not among {wanted}{'' if given else ' for unknown'}"

    def _note(self, kind: str, text: str, place: str) -> None:
        self.first.setdefault(kind, (text, place))
        if len(self.first) > 1:
            (index, there), (name, here) = self.first["index"], self.first["name"]
            raise InputError(
                f"labels are mixed: {index!r} ({there}) is a class index but {name!r} ({here}) is a name; use one "
                "kind, or name the right "
                "column with --label-column"
            )
        if len(self.texts) >= MOST_CLASSES:
            raise InputError(f"more than {MOST_CLASSES:,} different labels; name the right column with --label-column")

    def _index(self, number: int) -> int:
        index = self.given.index_of(number) if self.given else number
        return UNKNOWN if index is None else index  # another that is none was refused

    def unknown(self) -> list[str]:
        """Names seen that the given class map does not have."""
        return (
            sorted({text for text in self.texts if _number(text) is None and text not in self._places})
            if self.given
            else []
        )

    def refuse_unknown(self) -> None:
        """Refuse names that the given class map does not have."""
        unknown = self.unknown()
        if self.given and unknown:
            listed = ", ".join(map(repr, unknown[:SHOWN])) + (", …" if len(unknown) > SHOWN else "")
            raise InputError(
                f"{len(unknown)} class names are not among the {len(self.given.names)} of {self.given.origin}: "
                f"{listed}; correct the labels, "
                "or hand over all names with --classes FILE (one per line), or choose another --dataset, or leave "
                "such rows out with --on-bad-row reject"
            )

    def classes(self) -> tuple[list[str], np.ndarray]:
        """The class names by class index, and for each label number its class index, int32."""
        values = [_number(text) for text in self.texts]
        if self.given:
            names = list(self.given.names)
        elif "name" in self.first:
            names = sorted(text for text, value in zip(self.texts, values, strict=True) if value is None)
        else:
            names = [
                str(index)
                for index in range(int(max((value for value in values if value is not None), default=-1)) + 1)
            ]
        places = {composed(name): index for index, name in enumerate(names)}
        pairs = zip(self.texts, values, strict=True)
        index = [places[text] if value is None else self._index(int(value)) for text, value in pairs]
        return names, np.array(index, np.int32)

    def unused(self, names: Sequence[str], index: np.ndarray) -> str:
        """A sentence about the class numbers up to the largest that no row has, of what `classes` gives; empty where
        there is none, or where the classes have names.
        """
        if self.given or "name" in self.first:
            return ""
        without = [names[place] for place in np.setdiff1d(np.arange(len(names)), index)]
        if not without:
            return ""
        listed = ", ".join(without[:SHOWN]) + (", …" if len(without) > SHOWN else "")
        has = "has" if len(without) == 1 else "have"
        return (
            f"{len(without):,} of the {len(names):,} classes, numbered up to the largest label, {has} no row: "
            f"{listed}; write -1 where a number stands for no label, and hand over names with --classes FILE where "
            "numbers begin at another than 0"
        )


def _number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)  # Python reads 1_0 as 10; as a label it is a name
    except ValueError:
        return None

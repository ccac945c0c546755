"""The images of a split with the texts of their labels: without what stands for none, in one spelling, as classes."""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from gapscope.core.errors import InputError
from gapscope.core.text import counted
from gapscope.data.classes import ClassMap, is_integer, map_classes
from gapscope.data.labels import map_labels

# Texts in a table of labels that programs write where there is none.
NOT_A_LABEL = frozenset(("nan", "NaN", "<NA>", "#N/A"))


@dataclass(frozen=True)
class Part:
    """The images of a split: their labels as texts by number, empty where unknown.

    Attributes
    ----------
    by_folder
        Whether the texts are names of folders or files, which sort as classes; those of tables may be class indices.
    """

    split: str
    labels: Mapping[int, str]
    by_folder: bool

    @property
    def labelled(self) -> bool:
        """Whether any image has a label."""
        return any(self.labels.values())


def known_labels(part: Part, place: str, table: str) -> tuple[dict[int, str], list[str]]:
    """The labels of a table without what stands for none in them, and whole numbers without fractions; with notes.

    Raises
    ------
    InputError
        An image has several labels, or 1 and -1 are all that there are; `table` is called so in the sentence.
    """
    labels = _whole({image: "" if text in NOT_A_LABEL else text for image, text in part.labels.items()})
    missing = sorted({text for text in part.labels.values() if text in NOT_A_LABEL})
    if several := next((text for text in labels.values() if text.startswith("[") and "," in text), ""):
        raise InputError(
            f"{place}: an image has several labels, {several}, and one is wanted; name a column with one for each "
            "image with --label-column"
        )
    known = set(labels.values()) - {"", "-1"}
    missing += ["-1"] if known and "-1" in labels.values() else []
    if len(known) == 1 and "-1" in missing and known == {"1"}:
        raise InputError(
            f"{place}: the labels{f' of {table}' if table else ''} are 1 and -1, and -1 stands for a label that is not "
            "known; write 0 if it is the other class"
        )
    counts = [(text, sum(one == text for one in part.labels.values())) for text in missing]
    said = "{} the label {}, which is taken for none"
    return labels, [said.format(counted(count, "image has", "images have"), text) for text, count in counts]


def in_one_spelling(parts: Sequence[Part]) -> tuple[list[Part], list[str]]:
    """The parts with the classes of the training set as it writes them, where others differ in case, blanks or leading
    zeros alone; with notes of that, and of what is no class of the training set.
    """
    trained = next((set(part.labels.values()) - {""} for part in parts if part.split == "train"), set())
    if not trained:
        return list(parts), []
    spellings: dict[str, list[str]] = {}
    for text in trained:
        spellings.setdefault(_plain_spelling(text), []).append(text)
    result, notes = [], []
    for part in parts:
        own = set(part.labels.values()) - {"", "-1"}
        renamed = {}
        for text in own - trained:
            meant = spellings.get(_plain_spelling(text), ())
            if len(meant) == 1 and meant[0] not in own:
                renamed[text] = meant[0]
        notes += _other_classes(part, trained, own, renamed)
        labels = {image: renamed.get(text, text) for image, text in part.labels.items()} if renamed else part.labels
        result.append(replace(part, labels=labels))
    return result, notes


def _other_classes(part: Part, trained: set[str], own: set[str], renamed: Mapping[str, str]) -> list[str]:
    notes = []
    if renamed:
        shown = ", ".join(f"{text!r} for {meant!r}" for text, meant in sorted(renamed.items())[:3])
        notes.append(f"classes of {part.split} are taken for those of train that are written alike: {shown}")
    others = own - trained - renamed.keys()
    are_indices = not part.by_folder and all(map(is_integer, others)) and not all(map(is_integer, trained))
    if others and not are_indices:
        some = f"{len(others):,} of the {len(own):,} classes of {part.split}"
        notes.append(f"{some} {'is' if len(others) == 1 else 'are'} not in train: {few(others, 4)}")
    return notes


def classes_of(parts: Sequence[Part], given: ClassMap | None, place: str) -> tuple[ClassMap, dict[str, int], list[str]]:
    """The classes of all parts, the class index by label text, and notes.

    Raises
    ------
    InputError
        A table counts classes, and has more than there are folders.
    """
    named = {text for part in parts if part.by_folder for text in part.labels.values()} - {""}
    texts = {text for part in parts if not part.by_folder for text in part.labels.values()}
    known = texts - {"", "-1"}
    if not named:
        return *map_labels(texts | {""}, given), []
    unknown = {"": -1, "-1": -1}
    if known and not known <= named and all(is_integer(text) for text in known) and not all(map(is_integer, named)):
        classes = map_classes(named, given)
        highest = max(map(int, known))
        if given:
            return classes, unknown | classes.indices(named | known) | classes.of_integers(known), []
        if highest >= len(classes.names):
            raise InputError(
                f"{place}: label {highest} occurs, but the folders are {len(classes.names)} classes, counted from 0; "
                "write the names of the classes into the table"
            )
        note = "the numbers in the table of labels are taken for class indices, counted from 0"
        indices = classes.indices(named | known) | {text: int(text) for text in known}
        return classes, unknown | indices, [note]
    classes = map_classes(named | known, given)
    return classes, unknown | classes.indices(named | known), []


def few(names: Collection[str], most: int = 12) -> str:
    """Some names in a sentence."""
    return ", ".join(sorted(names)[:most]) + (", …" if len(names) > most else "")


def _plain_spelling(text: str) -> str:
    """A class name by which the same name is found in other spellings.

    >>> _plain_spelling("Golden_Retriever "), _plain_spelling("00012")
    ('golden retriever', '12')
    """
    plain = re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", text)).strip().casefold()
    return str(int(plain)) if is_integer(plain) else plain


def _whole(labels: Mapping[int, str]) -> dict[int, str]:
    """Labels of which whole numbers are written as fractions, as pandas does beside missing ones, without these.

    >>> _whole({0: "3.0", 1: "", 2: "12"}), _whole({0: "3.0", 1: "3.5"})
    ({0: '3', 1: '', 2: '12'}, {0: '3.0', 1: '3.5'})
    """
    if not all(re.fullmatch(r"\d+(\.0+)?|", text) for text in set(labels.values())):
        return dict(labels)
    return {image: text.partition(".")[0] for image, text in labels.items()}

"""Which folders of a tree hold which split, and which of them are classes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gapscope.core.errors import InputError
from gapscope.core.splits import SPLIT_ORDER, split_and_rest, split_of, without_split
from gapscope.data.tree import Tree
from gapscope.data.vocabulary import copied_from, dataset_slug, is_beside, is_neutral, is_severity

BESIDE_SPLITS = "images outside every split"
BESIDE_CLASSES = "images beside the class folders"
# Class names that a sentence shows.
SHOWN = 3


@dataclass(frozen=True)
class Section:
    """The folders of a split, or of a whole data set without splits.

    Attributes
    ----------
    split
        Its name, None for the whole of a data set.
    base
        The folder that holds it.
    classes
        Folders by class name; empty where there are no class folders.
    loose
        Whether the images that lie directly in `base` are those of the section.
    """

    split: str | None
    base: str
    classes: tuple[tuple[str, str], ...] = ()
    loose: bool = False


@dataclass(frozen=True)
class Sections:
    """All sections of a tree, the paths that lead to them, and sentences about what was decided."""

    sections: tuple[Section, ...]
    tops: tuple[str, ...]
    notes: tuple[str, ...] = ()


def find_sections(tree: Tree, place: str, known: frozenset[str] = frozenset()) -> Sections:
    """The splits and class folders of `tree`.

    Parameters
    ----------
    place
        What the tree is called in messages.
    known
        Class names that the user has given: where two readings are possible, the one with these classes is right.

    Raises
    ------
    InputError
        Two readings are equally good.
    """
    return _Finder(tree, place, known).find()


def base_name(folder: str) -> str:
    """The last part of a path."""
    return folder.rpartition("/")[2]


@dataclass(frozen=True)
class _Finder:
    tree: Tree
    place: str
    known: frozenset[str]
    same: dict[tuple[str, str], bool] = field(default_factory=dict)

    def find(self) -> Sections:
        top, tops = self.unwrapped("")
        inner = self.children(top)
        notes = [
            f"{base_name(copy)} holds a copy of the folders beside it, which is not used"
            for copy in set(self.tree.holding(top)) - set(inner)
            if self._is_copy(copy, self.tree.holding(top))
        ]
        notes += [
            f"{folder} holds a copy of the images of {original}, which is not used"
            for place in self.tree.children
            for folder, original in self._named_copies(self.tree.holding(place))
            if self._is_same(folder, original)
        ]
        found = self._found(top, tops, inner)
        for section in found.sections:
            self._ask_about_copies([folder for _, folder in section.classes])
        return replace(found, notes=(*found.notes, *notes))

    def _found(self, top: str, tops: tuple[str, ...], inner: list[str]) -> Sections:
        result = self._splits_in_names(inner)
        if not result and (splits := self._split_folders(top, inner)):
            return self._of_splits(top, tops, inner, splits)
        self._refuse_several_sets(inner)
        if result := result or self._classes_with_splits(inner) or self._nested(inner):
            return replace(result, tops=(*tops, *inner))
        return Sections((self._section(None, top),), tops)

    def children(self, folder: str) -> list[str]:
        """The folders in `folder` that hold images of the set; of ``images`` and ``masks``, the first alone; none that
        only holds its neighbours once more, as archives do that were made twice.
        """
        inner = self.tree.holding(folder)
        neutral = [child for child in inner if is_neutral(base_name(child))]
        rest = [child for child in inner if child not in neutral]
        if neutral and rest and all(is_beside(base_name(child)) for child in rest):
            return neutral
        copies = {one for one, original in self._named_copies(inner) if self._is_same(one, original)}
        return [child for child in inner if child not in copies and not self._is_copy(child, inner)]

    def _named_copies(self, inner: Sequence[str]) -> list[tuple[str, str]]:
        """The folders that are named as copies of others beside them are, and these; none that the user has listed."""
        beside = {base_name(folder): folder for folder in inner}
        named = [(folder, beside.get(copied_from(name), "")) for name, folder in beside.items()]
        return [(folder, of) for folder, of in named if of and base_name(folder) not in self.known]

    def _ask_about_copies(self, classes: Sequence[str]) -> None:
        for folder, of in self._named_copies(classes):
            raise InputError(
                f"{self.place}: {folder} is named as a copy of {of} and holds other images; move them into {of}, or, "
                "if it is a class of its own, list all classes with --classes FILE"
            )

    def _is_same(self, folder: str, original: str) -> bool:
        """Whether every file of a folder lies in the `original` too, with the same name and content."""
        if (folder, original) in self.same:
            return self.same[folder, original]
        ours, theirs = (self.tree.files.get(one, range(0)) for one in (folder, original))
        by_name = {base_name(self.tree.names[number]): number for number in theirs}
        pairs = [(number, by_name.get(base_name(self.tree.names[number]))) for number in ours]
        self.same[folder, original] = all(
            other is not None and self.tree.read(number, -1) == self.tree.read(other, -1) for number, other in pairs
        )
        return self.same[folder, original]

    def _is_copy(self, folder: str, beside: Sequence[str]) -> bool:
        """Whether `folder`, unless named after a split, holds all of several folders that lie `beside` it."""
        if split_and_rest(base_name(folder))[0]:
            return False
        others = {base_name(other) for other in beside} - {base_name(folder)}
        return len(others) > 1 and others <= {base_name(child) for child in self.tree.holding(folder)}

    def unwrapped(self, folder: str, split: str | None = None) -> tuple[str, tuple[str, ...]]:
        """The folder inside those that hold nothing but one other, and all that lead to it.

        A folder with nothing but images is a class, and no wrapper, unless its name says nothing or is its parent's. A
        folder named after a split is one, unless it is doubled inside the folder of that `split`.
        """
        tops = [folder]
        while len(inner := self.children(folder)) == 1 and self._wraps(folder, inner[0], split):
            folder = inner[0]
            tops.append(folder)
        return folder, tuple(tops)

    def _wraps(self, folder: str, child: str, split: str | None) -> bool:
        if len(self.tree.images(folder)) >= self.tree.counts[child]:
            return False
        name = base_name(child)
        meant, _ = split_and_rest(name)
        if split_of(name):
            return meant == split
        if self.known and name in self.known:
            return False
        doubled = name == base_name(folder) or (meant is not None and meant == split)
        return bool(self.children(child)) or is_neutral(name) or doubled

    # --- splits

    def _split_folders(self, top: str, inner: Sequence[str]) -> dict[str, str]:
        """Split by folder, for the folders in `inner` that are splits; empty where there are none."""
        said = {folder: split_and_rest(base_name(folder)) for folder in inner}
        rests = {}
        for split, rest in said.values():
            rests.setdefault(rest, set()).add(split)
        result = {
            folder: split
            for folder, (split, rest) in said.items()
            if split and (not rest or len(rests[rest] - {None}) > 1)
        }
        result |= self._like_those(result, said)
        others = [folder for folder in inner if folder not in result]
        if not result or (self.known and {base_name(folder) for folder in inner} <= self.known):
            return {}
        nested = any(self.children(folder) for folder in result)
        if len(set(result.values())) == 1 and others and not nested and "train" in result.values():
            return {}  # bus, car and train
        if len(set(result.values())) > 1 and others and not nested and not all(map(is_neutral, map(base_name, others))):
            self._ask_about_flat_splits(list(result), others)
        return result

    def _like_those(self, result: dict[str, str], said: Mapping[str, tuple[str | None, tuple]]) -> dict[str, str]:
        """Folders such as ``train_mini``, each the only one of a split, that hold classes of a split in `result`."""
        classes = {base_name(child) for folder in result for child in self.children(folder)}
        missing = [
            (folder, split)
            for folder, (split, _) in said.items()
            if split and split not in result.values() and classes & {base_name(c) for c in self.children(folder)}
        ]
        splits = [split for _, split in missing]
        return {folder: split for folder, split in missing if splits.count(split) == 1}

    def _ask_about_flat_splits(self, splits: list[str], others: list[str]) -> None:
        if any(self.tree.counts[folder] for folder in others) and not self.known:
            raise InputError(
                f"{self.place} holds the folders {_few(splits)}, which are named like splits, beside {_few(others)}, "
                "all with images; if all are classes, list them with --classes FILE, else move the others away"
            )

    def _of_splits(self, top: str, tops: tuple[str, ...], inner: Sequence[str], result: dict[str, str]) -> Sections:
        names = self._names(result)
        sections = []
        for folder, split in result.items():
            base, inside = self.unwrapped(folder, split)
            sections.append(replace(self._section(names[folder], base)))
            tops = (*tops, *inside)
        others = [folder for folder in inner if folder not in result]
        notes = []
        if "train" not in result.values() and others and self._train_beside(sections, others):
            train = self._rest_as_train(top, others)
            sections.insert(0, train)
            notes.append(
                f"{_few(others)} beside {_few(list(result))} {'are' if len(others) > 1 else 'is'} the training set"
            )
        sections.sort(key=lambda section: _rank(section.split))
        return Sections(tuple(sections), tops, tuple(notes))

    def _names(self, result: dict[str, str]) -> dict[str, str]:
        """The name of each split's folder: the split's own, or the folder's where several hold one split."""
        names: dict[str, str] = {}
        for folder, split in sorted(result.items(), key=lambda pair: base_name(pair[0]) != pair[1]):
            name = split if list(result.values()).count(split) == 1 else dataset_slug(base_name(folder))
            while name in names.values():
                name = f"{name}-2"
            names[folder] = name
        return names

    def _train_beside(self, sections: Sequence[Section], others: Sequence[str]) -> bool:
        """Whether the folders beside a test set are those that a model is trained on: as many classes, or the same."""
        tested = {name for section in sections for name, _ in section.classes}
        if len(others) == 1 and (is_neutral(base_name(others[0])) or self._holds_some(others[0], tested)):
            return True
        names = {base_name(folder) for folder in others}
        return not tested or bool(names & tested)

    def _holds_some(self, folder: str, classes: set[str]) -> bool:
        return bool(classes & {base_name(child) for child in self.children(folder)})

    def _rest_as_train(self, top: str, others: Sequence[str]) -> Section:
        if len(others) == 1 and (is_neutral(base_name(others[0])) or self.children(others[0])):
            return self._section("train", self.unwrapped(others[0])[0])
        return Section("train", top, tuple((base_name(folder), folder) for folder in others))

    def _refuse_several_sets(self, inner: Sequence[str]) -> None:
        """Folders that each hold splits with class folders in them are data sets, and no classes."""
        divided = [
            [c for c in self.children(folder) if split_of(base_name(c)) and self.children(c)] for folder in inner
        ]
        sets = [folder for folder, splits in zip(inner, divided, strict=True) if len(splits) > 1]
        if sets and len(sets) < len(inner):
            beside = _few([folder for folder in inner if folder not in sets])
            raise InputError(
                f"{self.place}: {_few(sets)} holds splits with class folders in them and lies beside {beside}, so that "
                f"its splits would be mixed as one class; name it alone, as {self.place}/{sets[0]}, or move the others"
            )
        if len(inner) > 1 and sets:
            raise InputError(
                f"{self.place}: {_few(inner)} each hold splits with class folders in them, so that each is a data set "
                f"of its own; name one, such as {self.place}/{inner[0]}"
            )

    # --- classes

    def _section(self, split: str | None, base: str) -> Section:
        inner, loose = self._class_folders(base), len(self.tree.images(base))
        if not inner:
            return Section(split, base, loose=True)
        names = {base_name(folder) for folder in inner}
        if loose >= sum(self.tree.counts[folder] for folder in inner) and not (self.known and names <= self.known):
            return Section(split, base, tuple((base_name(folder), folder) for folder in inner), loose=True)
        return Section(split, base, tuple((base_name(folder), folder) for folder in inner))

    def _class_folders(self, base: str) -> list[str]:
        """The folders in `base`, or those in these, where the user's classes are the names of the latter."""
        inner = self.children(base)
        deeper = [child for folder in inner for child in self.children(folder)]
        names = {base_name(child) for child in deeper}
        return deeper if names and names <= self.known and not {base_name(one) for one in inner} & self.known else inner

    def _splits_in_names(self, inner: Sequence[str]) -> Sections | None:
        """Sections of ``cat_train``, ``cat_test``, ``dog_train``, …: two or more classes, each in the same splits."""
        result: dict[str, list[tuple[str, str]]] = {}
        for folder in inner:
            split, rest = split_and_rest(base_name(folder))
            if not split or not rest or self.children(folder):
                return None
            result.setdefault(split, []).append((without_split(base_name(folder)), folder))
        classes = [sorted(name for name, _ in folders) for folders in result.values()]
        several = len(result) > 1 and len(set(classes[0])) == len(classes[0]) > 1
        if not several or any(names != classes[0] for names in classes):
            return None
        sections = [Section(split, "", tuple(result[split])) for split in sorted(result, key=_rank)]
        return Sections(
            tuple(sections), (), (f"the names of the folders, such as {_few(inner[:2])}, say class and split",)
        )

    def _classes_with_splits(self, inner: Sequence[str]) -> Sections | None:
        """Sections of class folders of which each holds the splits: ``cat/train``, ``cat/test``, ``dog/train``, …"""
        result: dict[str, list[tuple[str, str]]] = {}
        for folder in inner:
            below = self.children(folder)
            splits = [split_of(base_name(child)) for child in below]
            if not below or not all(splits) or len(set(splits)) < len(splits) or self.tree.images(folder):
                return None
            for child, split in zip(below, splits, strict=True):
                result.setdefault(split, []).append((base_name(folder), child))
        if len(result) < 2:
            return None
        sections = [Section(split, "", tuple(result[split])) for split in sorted(result, key=_rank)]
        return Sections(tuple(sections), (), ("the splits lie inside the class folders",))

    def _nested(self, inner: Sequence[str]) -> Sections | None:
        """Sections of folders that all hold the same classes: severities, cameras, domains.

        ``gaussian_noise/3/cat`` is the class cat of the section gaussian_noise-3. That ``cat/left`` and ``dog/left``
        are classes left rather than cat and dog, nothing but a list of classes can say.
        """
        outer = self._last_repeating(list(inner))
        if not outer:
            return None
        first = {base_name(folder) for folder in inner}
        last = {base_name(child) for folder in outer for child in self._below(folder)}
        if self.known and first <= self.known and not last <= self.known:
            return None
        if not (self.known and last & self.known) and not self._are_domains(outer, last):
            raise InputError(
                f"{self.place}: the folders {_few(sorted(first))} all hold folders {_few(sorted(last))}, and either "
                "could be the classes; list the class names, one per line, in a file and give it with --classes FILE"
            )
        depth = inner[0].count("/")
        sections = []
        for folder in outer:
            split = "-".join(dataset_slug(part) for part in folder.split("/")[depth:])
            sections.append(self._section(split, self.unwrapped(folder)[0]))
        text = f"the folders {_few(sorted(first))} hold the same classes each, and are taken for splits"
        return Sections(tuple(sorted(sections, key=lambda section: _natural(section.split))), (), (text,))

    def _last_repeating(self, level: list[str]) -> list[str]:
        """The folders of the lowest level whose folders hold no images but mostly the same folders, two or more."""
        outer: list[str] = []
        while len(level) > 1 and all(self._only_folders(folder) for folder in level):
            inside = [{base_name(child) for child in self._below(folder)} for folder in level]
            union, shared = set.union(*inside), set.intersection(*inside)
            if len(union) > 1 and len(shared) * 2 >= len(union):
                outer = level
            level = [child for folder in level for child in self._below(folder)]
        return outer

    def _below(self, folder: str) -> list[str]:
        """The folders in `folder`, or in ``images`` inside it."""
        inner = self.children(folder)
        neutral = len(inner) == 1 and is_neutral(base_name(inner[0]))
        return self.children(inner[0]) or inner if neutral else inner

    def _only_folders(self, folder: str) -> bool:
        below = self._below(folder)
        return bool(below) and not self.tree.images(folder) and not any(is_neutral(base_name(child)) for child in below)

    def _are_domains(self, outer: Sequence[str], last: set[str]) -> bool:
        """Whether names say that the last level holds the classes: numbered severities above them, or wnids."""
        numbered = all(is_severity(base_name(folder)) for folder in outer) and not all(map(is_severity, last))
        wnids = all(re.fullmatch(r"n\d{8}", name) for name in last)
        return numbered or (wnids and not all(re.fullmatch(r"n\d{8}", base_name(folder)) for folder in outer))


def _rank(split: str | None) -> tuple[int, list]:
    order = next((rank for rank, name in enumerate(SPLIT_ORDER) if split == name), len(SPLIT_ORDER))
    return order, _natural(split or "")


def _natural(text: str | None) -> list[tuple[int, str]]:
    """A key by which numbers in texts sort as numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"[0-9]+|[^0-9]+", text or "")]


def _few(names: Sequence[str]) -> str:
    shown = [base_name(name) for name in names[:SHOWN]]
    return ", ".join(shown) + (", …" if len(names) > SHOWN else "")

"""The tables among the files of a tree: which may speak of its images, of which split, and how they fit."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from gapscope.core.errors import InputError
from gapscope.core.splits import split_and_rest, words_of
from gapscope.data.dataset import Options
from gapscope.data.matching import Match, Names, match_table
from gapscope.data.sections import Section, Sections, base_name
from gapscope.data.tables import LabelTable, read_table
from gapscope.data.tree import Tree
from gapscope.data.vocabulary import Kind

# Tables that hold labels for all splits, the first of several.
USUAL_TABLES = ("labels", "annotations", "metadata", "train")
# Dummy labels of a competition are no labels.
DUMMY = {"submission", "submit"}
MOST_TABLES, MOST_BYTES = 24, 2**30


@dataclass
class TreeTables:
    """The tables of a tree in which these sections were `found`.

    Attributes
    ----------
    damaged
        Why a table cannot be read, by file number, once the tables were.
    """

    tree: Tree
    options: Options
    found: Sections
    damaged: dict[int, str] = field(default_factory=dict)
    _labels: dict[Section, dict[int, str]] = field(default_factory=dict)

    @cached_property
    def by_number(self) -> dict[int, LabelTable]:
        """The tables that may speak of images, by file number; those that cannot be read say nothing."""
        numbers = [number for folder in self._folders for number in self._inside(folder)]
        return {number: table for number in numbers if (table := self._read(number)) is not None and table.rows}

    @cached_property
    def _folders(self) -> list[str]:
        """The folders that lead to the images, those of the splits, and those beside them that hold no images."""
        bases = [section.base for section in self.found.sections]
        tops = list(dict.fromkeys([*self.found.tops, *bases]))
        beside = [child for top in tops for child in self.tree.children.get(top, ()) if child not in self.tree.counts]
        deeper = [child for folder in beside for child in self.tree.children.get(folder, ())]
        return list(dict.fromkeys([*tops, *beside, *deeper]))

    def _inside(self, folder: str) -> list[int]:
        numbers = [n for n in self.tree.files.get(folder, ()) if self.tree.kinds[n] is Kind.TABLE]
        small = [n for n in numbers if self.tree.stamps.sizes[n] <= MOST_BYTES and n not in self.tree.problems]
        # A folder of many small texts holds one for each image, such as boxes.
        return small if len(small) <= MOST_TABLES else []

    def _read(self, number: int) -> LabelTable | None:
        name = self.tree.names[number]
        if set(words_of(base_name(name))) & DUMMY:
            return None
        try:
            return read_table(name, self.tree.read(number, -1), lambda text: self.everything.find(text) != -1)
        except InputError as error:
            self.damaged[number] = str(error)
            return None

    @cached_property
    def everything(self) -> Names:
        """The names of all images."""
        return self.names(self.found.sections, None)

    def names(self, sections: Iterable[Section], split: str | None) -> Names:
        """The names of the images of some sections, which are those of `split`."""
        sections = list(sections)
        bases = [section.base for section in sections] + list(self.found.tops)
        images = ((number, self.tree.names[number]) for section in sections for number in self._numbers(section))
        return Names(images, bases, split)

    def _numbers(self, section: Section) -> list[int]:
        """The images of a section, in the order of the tree."""
        return sorted(self.folder_labels(section))

    def folder_labels(self, section: Section) -> dict[int, str]:
        """Class folder by image; empty for images that lie in none."""
        if section in self._labels:
            return self._labels[section]
        result = {
            number: name
            for name, folder in section.classes
            for number in self.tree.inside(folder)
            if self.tree.kinds[number] is Kind.IMAGE
        }
        if section.loose:
            result |= dict.fromkeys(self.tree.images(section.base), "")
        self._labels[section] = result
        return result

    def scope(self, number: int) -> str | None:
        """The split that a table speaks of: another one that its name says, else that in whose folder it lies."""
        name = self.tree.names[number]
        folder, said = name.rpartition("/")[0], split_and_rest(PurePosixPath(name).stem)[0]
        if said in {section.split for section in self.found.sections}:
            return said
        for section in self.found.sections:
            inside = section.base and (folder == section.base or section.base.startswith(f"{folder}/"))
            if section.split and inside and folder not in self.found.tops[:1] and self._leads_to_one(folder):
                return section.split
        return said

    def _leads_to_one(self, folder: str) -> bool:
        """Whether `folder` lies above, or is, the folder of one split alone."""
        return sum(s.base == folder or s.base.startswith(f"{folder}/") for s in self.found.sections) == 1

    def matches(self, names: Names, scope: str | None) -> list[tuple[int, Match]]:
        """The tables that speak of the split `scope`, and how they fit; those that fit most first."""
        result = [(number, self.match(number, names)) for number in self.by_number if self.scope(number) == scope]
        return sorted(result, key=lambda pair: (-pair[1].count, self.rank(pair[0])))

    def match(self, number: int, names: Names) -> Match:
        """How a table fits, by the column of paths that the user named, if it has that: other tables are not meant."""
        table, wanted = self.by_number[number], self.options.path_column
        has = wanted and wanted.strip().lower() in [name.strip().lower() for name in table.header]
        return match_table(table, names, wanted if has else None)

    def rank(self, number: int) -> int:
        """How usual the name of a table of labels is; 0 is the most usual one."""
        words = words_of(PurePosixPath(self.tree.names[number]).stem)
        return next((rank for rank, usual in enumerate(USUAL_TABLES) if usual in words), len(USUAL_TABLES))

    def given(self) -> LabelTable | None:
        """The table that the user named."""
        file = self.options.labels
        if file is None:
            return None
        try:
            data = Path(file).read_bytes()
        except OSError as error:
            raise InputError(f"the label file {file} cannot be read ({error.strerror})") from error
        return read_table(str(file), data, lambda text: self.everything.find(text) != -1)

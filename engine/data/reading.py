"""What the files of a tree say: the split and the label of every image, and why a file is none."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePosixPath

from gapscope.core.errors import InputError
from gapscope.core.splits import SPLIT_ORDER, split_and_rest, words_of
from gapscope.core.text import counted
from gapscope.data.accounting import Accounting
from gapscope.data.classes import ClassMap, is_integer
from gapscope.data.dataset import Options
from gapscope.data.matching import (
    LABEL_COLUMNS,
    Match,
    is_split_column,
    label_column,
    match_table,
    named_column,
    possible_labels,
    refuse_unread_splits,
    splits_in,
    usual_column,
)
from gapscope.data.parts import Part, classes_of, few, in_one_spelling, known_labels
from gapscope.data.sections import BESIDE_CLASSES, BESIDE_SPLITS, Section, Sections, base_name, find_sections
from gapscope.data.sides import Beside, labels_beside
from gapscope.data.tables import LabelTable
from gapscope.data.tree import Tree
from gapscope.data.tree_tables import USUAL_TABLES, TreeTables
from gapscope.data.vocabulary import Kind, is_image_name, is_neutral

ALL = "all"
# Tables of classes.
CLASS_WORDS = frozenset("classes categories synsets wnids words names vocabulary mapping species".split())
# What the user calls the names of files, as a column of labels.
NAME_COLUMNS = ("name", "filename")
# What cameras and programs call their pictures, in names such as IMG_0001.jpg.
CAMERA_WORDS = frozenset(
    "img image images dsc dscn dscf pic picture photo p frame frames screenshot scan wp pxl vid mvi sam whatsapp file "
    "gopr gp imgp cimg dji capture cam camera untitled copy sample test train val valid validation view video "
    "page".split()
)
BY_DOT = re.compile(r"(?P<label>[^.]*[^\W\d][^.]*)\.\d+")
BY_NUMBER = re.compile(r"(?P<label>.*[^\W\d_].*?)[ _-]+\(?\d+\)?")


@dataclass(frozen=True)
class Reading:
    """A tree understood.

    Attributes
    ----------
    parts
        The splits, or one called ``all``.
    classes
        Their class names.
    indices
        Class index by label text.
    accounting
        What became of every file.
    """

    parts: tuple[Part, ...]
    classes: ClassMap
    indices: Mapping[str, int]
    accounting: Accounting
    notes: tuple[str, ...] = ()


def read_tree(tree: Tree, place: str, options: Options, given: ClassMap | None = None) -> Reading:
    """What the files of `tree`, which is called `place` in messages, say.

    Raises
    ------
    InputError
        There are no images, two readings are equally good, a table of labels fits no image, or options contradict.
    """
    if not tree.counts:
        raise InputError(
            f"{place} holds no images{tree.instead}; wanted images, folders of images or Parquet files of images"
        )
    known = given.known if given else frozenset()
    return _Reader(tree, place, options, given, find_sections(tree, place, known)).read()


@dataclass
class _Reader:
    tree: Tree
    place: str
    options: Options
    given: ClassMap | None
    found: Sections
    notes: list[str] = field(default_factory=list)
    used: set[int] = field(default_factory=set)
    unused: dict[int, str] = field(default_factory=dict)

    def read(self) -> Reading:
        self.notes += self.found.notes
        sections = self.found.sections
        divided = self._divided_by_tables(sections[0]) if len(sections) == 1 and sections[0].split is None else None
        parts = divided or [self._part(section) for section in self._trained_first(sections)]
        order = [section.split or ALL for section in sections]
        unlabelled = {part.split: sum(not text for text in part.labels.values()) for part in parts}
        parts = [part if part.by_folder else self._without_missing(part) for part in parts]
        if not self.given:
            parts, notes = in_one_spelling(parts)
            self.notes += notes
        parts = parts if divided else sorted(parts, key=lambda part: order.index(part.split))
        self._refuse_columns_of_no_table()
        self.notes += [f"{self.tree.names[number]} was not read: {why}" for number, why in self.tables.damaged.items()]
        classes, indices, notes = classes_of(parts, self.given, self.place)
        self.notes += notes
        for part in parts:
            missing = unlabelled[part.split]
            of = f" of {part.split}" if len(parts) > 1 or part.split != ALL else ""
            if not part.labelled:
                way_out = "; hand over a CSV of paths and labels to give them some" if len(parts) == 1 else ""
                self.notes.append(f"the images{of} have no labels{way_out}")
            elif missing:
                self.notes.append(f"{missing:,} of the {len(part.labels):,} images{of} have no label")
        return Reading(tuple(parts), classes, indices, self._accounting(parts), (*classes.notes, *self.notes))

    @cached_property
    def tables(self) -> TreeTables:
        """The tables among the files."""
        return TreeTables(self.tree, self.options, self.found)

    def _without_missing(self, part: Part) -> Part:
        """The part of which what stands for no label is none."""
        table = next((self.tree.names[n] for n in sorted(self.used) if self.tree.kinds[n] is Kind.TABLE), "")
        labels, notes = known_labels(part, self.place, table)
        self.notes += notes
        return replace(part, labels=labels)

    @staticmethod
    def _trained_first(sections: Sequence[Section]) -> list[Section]:
        return sorted(sections, key=lambda section: section.split != "train")

    # --- labels of a section

    def _part(self, section: Section) -> Part:
        """The images of a section with the labels that something says: a table, folders, other files, their names."""
        folders = self.tables.folder_labels(section)
        split = section.split or ALL
        if (table := self.tables.given()) is not None and self._given_scope(table) in (None, section.split):
            return Part(split, self._by_given_table(table, section, folders), by_folder=False)
        if (labels := self._by_tables(section, folders)) is not None:
            return Part(split, labels, by_folder=False)
        if self._side_is_said() and (labels := self._by_side_files(folders, said=True)) is not None:
            return Part(split, labels, by_folder=False)
        if section.classes and section.loose:
            self._ask_about_loose(section)
        if section.classes:
            if self._is_lone(section):
                self._refuse_damaged_tables({None, "train"})
                self.notes.append(
                    f"all images lie in one folder, {section.classes[0][0]}, which is taken for their class"
                )
            self._say_deeper(section)
            return Part(split, folders, by_folder=True)
        if (labels := self._by_side_files(folders)) is not None:
            return Part(split, labels, by_folder=False)
        if (labels := self._by_names(folders, split)) is not None:
            return Part(split, labels, by_folder=True)
        self._refuse_useless_tables(section)
        return Part(split, folders, by_folder=True)

    @staticmethod
    def _is_lone(section: Section) -> bool:
        """Whether all images of a data set lie in one folder, which says little of what they are."""
        return section.split is None and len(section.classes) == 1

    def _say_deeper(self, section: Section) -> None:
        """That class folders hold folders, which could be classes themselves; said once."""
        tree = self.tree
        deeper = [child for _, folder in section.classes if not tree.images(folder) for child in tree.holding(folder)]
        several = len({base_name(child) for child in deeper}) > 1 and not any(is_neutral(base_name(c)) for c in deeper)
        note = "the classes are the outer folders, though images lie in folders inside them"
        if several and not any(one.startswith(note) for one in self.notes):
            some = ", ".join("/".join(child.split("/")[-2:]) for child in deeper[:3])
            self.notes.append(
                f"{note}, such as {some}; list the inner ones with --classes FILE if they are the classes"
            )

    def _given_scope(self, table: LabelTable) -> str | None:
        """The split that the user's table is named after, where the data set has such a split."""
        said = split_and_rest(PurePosixPath(table.name).stem)[0]
        return said if said in {section.split for section in self.found.sections} else None

    def _by_given_table(self, table: LabelTable, section: Section, folders: Mapping[int, str]) -> dict[int, str]:
        match = match_table(table, self.tables.names([section], section.split), self.options.path_column)
        if not match.count and (len(self.found.sections) == 1 or not self._everything_matches(table)):
            raise self._no_row_fits(match, "the data set")
        self._refuse_several(match)
        column = self._label_column(match)
        if column is None:
            raise self._which_column(match)
        self._say_unmatched(match)
        return dict.fromkeys(folders, "") | match.texts(column)

    def _everything_matches(self, table: LabelTable) -> bool:
        return match_table(table, self.tables.everything, self.options.path_column).count > 0

    def _label_column(self, match: Match) -> int | tuple[int, ...] | None:
        wanted = self.options.label_column
        if wanted and (
            self.options.labels or wanted.strip().lower() in [n.strip().lower() for n in match.table.header]
        ):
            return named_column(match.table, wanted, "label")
        return label_column(match, self._known)

    @cached_property
    def _known(self) -> frozenset[str]:
        """Names of classes that folders or the user's list say."""
        folders = frozenset(name for section in self.found.sections for name, _ in section.classes)
        return folders | self.given.known if self.given else folders

    def _by_tables(self, section: Section, folders: Mapping[int, str]) -> dict[int, str] | None:
        """Labels from the tables of this split, else from those of all splits; None where folders know better."""
        if not self.tables.by_number:
            return None
        own = self.tables.names([section], section.split)
        several = len(self.found.sections) > 1
        candidates = self.tables.matches(own, section.split) if section.split else []
        candidates = [pair for pair in candidates if pair[1].count]
        if not candidates:
            names = self.tables.everything if several else own
            scopes = [None] if section.split else self._scopes_of_whole
            candidates = [pair for scope in scopes for pair in self.tables.matches(names, scope)]
        return self._best_labels(candidates, section, folders)

    @cached_property
    def _scopes_of_whole(self) -> list[str | None]:
        """The scopes of tables that may speak of a data set without splits: none, or the training set."""
        return [None, "train"]

    def _best_labels(
        self, candidates: Sequence[tuple[int, Match]], section: Section, folders: Mapping[int, str]
    ) -> dict[int, str] | None:
        result: list[tuple[int, Match, dict[int, str]]] = []
        unclear: InputError | None = None
        chosen: dict[int, int | tuple[int, ...]] = {}
        classes = bool(section.classes) and not section.loose
        for number, match in candidates:
            if match.first_of_several() and not classes and (match.table.header or _has_image_name(match)):
                self._refuse_several(match)
            if not any(image in folders for image in match.images) or match.first_of_several():
                continue
            if self._is_by_chance(number, match, len(folders)):
                continue
            column = self._label_column(match)
            if column is None:
                if possible_labels(match) and match.count * 2 >= len(folders):
                    unclear = unclear or self._which_column(match)
                continue
            texts = {image: text for image, text in match.texts(column).items() if image in folders}
            if any(texts.values()) and not self._is_numbering(match, column, texts):
                result.append((number, match, texts))
                chosen[number] = column
        if not result:
            if unclear and not classes:
                raise unclear
            if unclear and self._is_lone(section):
                self.notes.append(str(unclear))
            return None
        number, match, texts = self._agreed(result)
        if classes and not self._over_folders(match, texts, folders):
            return None
        self.used.add(number)
        self._say_column(match, chosen[number])
        self._say_unmatched(match)
        return dict.fromkeys(folders, "") | texts

    def _is_by_chance(self, number: int, match: Match, images: int) -> bool:
        """Whether numbers in a table are names of images, but hardly mean them: a list of classes has numbers too."""
        texts = [match.table.rows[row][match.path_column] for row, image in enumerate(match.images) if image >= 0]
        if any("/" in text or is_image_name(text) for text in texts) or not all(text.isdigit() for text in texts):
            return False
        lists = CLASS_WORDS & set(words_of(PurePosixPath(self.tree.names[number]).stem))
        return bool(lists) or match.count * 2 < images

    def _is_numbering(self, match: Match, column: int | tuple[int, ...], texts: Mapping[int, str]) -> bool:
        """Whether a column without a usual name only numbers the images: it has another number for each."""
        usual = usual_column(match.table, LABEL_COLUMNS, match.path_column) == column or self.options.label_column
        numbers = set(texts.values())
        return not usual and len(numbers) == len(texts) > 3 and all(text.isdigit() for text in numbers)

    def _agreed(self, result: Sequence[tuple[int, Match, dict[int, str]]]) -> tuple[int, Match, dict[int, str]]:
        first = min(result, key=lambda one: (-len(one[2]), self.tables.rank(one[0])))
        for _, match, texts in result:
            pairs = {(text, texts[image]) for image, text in first[2].items() if image in texts}
            if not _one_to_one(pairs):
                raise InputError(
                    f"{self.place}: {first[1].table.name} and {match.table.name} say different labels of the same "
                    "images; choose one with --labels FILE"
                )
        return first

    def _over_folders(self, match: Match, texts: Mapping[int, str], folders: Mapping[int, str]) -> bool:
        """Whether the labels of a table stand for those of the class folders: they cover most, and do not contradict.

        Folders that are called by numbers or pieces of hashes while the table has names are no classes but shelves.
        """
        if len(texts) * 2 < len(folders):
            self.notes.append(
                f"{match.table.name} names {len(texts):,} of {len(folders):,} images; the folders label them"
            )
            return False
        pairs = {(folders[image], text) for image, text in texts.items() if text}
        if not _one_to_one(pairs):
            among = {folder for folder, _ in pairs}
            if not _are_shelves(among) or (len(among) > 1 and all(is_integer(text) for _, text in pairs)):
                raise InputError(
                    f"{self.place}: {match.table.name} and the class folders say different labels; give --labels FILE "
                    "to follow the table, or move it away to follow the folders"
                )
        self.notes.append(f"the labels are those of {match.table.name}, not the names of the folders")
        return True

    def _refuse_several(self, match: Match) -> None:
        if name := match.first_of_several():
            raise InputError(
                f"{match.table.name}: {name!r} is the name of several images; write the paths of the images below "
                f"{self.place} instead"
            )

    def _say_column(self, match: Match, column: int | tuple[int, ...]) -> None:
        """Which column the labels are, where others might be."""
        header = match.table.header
        others = [
            at
            for at in range(match.table.width)
            if at not in (column, match.path_column) and not is_split_column(match.table, at)
        ]
        if isinstance(column, int) and header and others:
            self.notes.append(
                f"the labels are the column {header[column]} of {match.table.name}, which also has "
                f"{', '.join(header[at] or 'one without a name' for at in others[:4])}"
            )

    def _say_unmatched(self, match: Match) -> None:
        missing = sum(image == -1 for image in match.images)
        if missing:
            rows = f"{counted(missing, 'row')} of"
            names = "name" if missing > 1 else "names"
            self.notes.append(f"{rows} {base_name(match.table.name)} {names} no file in the folder")

    def _which_column(self, match: Match) -> InputError:
        header = match.table.header
        columns = ", ".join(header) if header else f"{match.table.width} without names, which have numbers from 1"
        return InputError(
            f"{match.table.name} has no label column that can be told: its columns are {columns}; "
            "say which one it is with --label-column, and with --path-column which one names the images"
        )

    def _no_row_fits(self, match: Match, what: str) -> InputError:
        first = match.table.rows[0][match.path_column] if match.table.rows else ""
        return InputError(
            f"{match.table.name}: none of its {counted(len(match.table.rows), 'row')} names an image of {what} (the "
            f"first: {first!r}); correct the names, or say with --path-column which column holds them"
        )

    def _refuse_useless_tables(self, section: Section) -> None:
        """A section has no labels at all: a table that was meant to give some, and does not, is a mistake."""
        scopes = {section.split} if section.split else {None, "train"}
        if section.split == "train":
            scopes |= {None}
        for number, table in self.tables.by_number.items():
            usual = self.tables.rank(number) < len(USUAL_TABLES) or split_and_rest(PurePosixPath(table.name).stem)[0]
            if self.tables.scope(number) in scopes and usual and table.width > 1 and self._has_label_name(table):
                match = self.tables.match(number, self.tables.everything)
                if not match.count:
                    raise self._no_row_fits(match, section.split or "the data set")
        self._refuse_damaged_tables(scopes)

    def _refuse_damaged_tables(self, scopes: Collection[str | None]) -> None:
        """A table that cannot be read, where nothing else says labels."""
        for number, reason in self.tables.damaged.items():
            if self.tables.scope(number) in scopes and self.tables.rank(number) < len(USUAL_TABLES):
                raise InputError(reason)

    def _refuse_columns_of_no_table(self) -> None:
        """A column that the user names and no table has is a mistake; those of a given table are checked there."""
        if self.options.labels is not None:
            return
        there = {name.strip().lower() for table in self.tables.by_number.values() for name in table.header}
        for wanted in (self.options.path_column, self.options.label_column):
            known = wanted in self._side_fields or wanted in NAME_COLUMNS
            if wanted and wanted.strip().lower() not in there and not known:
                beside = f", the fields beside the images {some}" if (some := few(self._side_fields)) else ""
                raise InputError(
                    f"{self.place} has no table with a column {wanted!r}; the columns there are "
                    f"{', '.join(sorted(there)) or 'none'}{beside}; name a table with --labels FILE"
                )

    def _has_label_name(self, table: LabelTable) -> bool:
        return label_column(Match(table, -1, [])) is not None or table.width == 2

    def _ask_about_loose(self, section: Section) -> None:
        names = [name for name, _ in section.classes]
        raise InputError(
            f"{self.place}: {counted(len(self.tree.images(section.base)), 'image lies', 'images lie')} beside "
            f"{', '.join(names[:3])}"
            ", which hold fewer; give the folders as a class list with --classes FILE if they are classes, "
            "give --labels FILE to label all images, or move one of the two away"
        )

    # --- labels beside and in names

    def _by_side_files(self, folders: Mapping[int, str], *, said: bool = False) -> dict[int, str] | None:
        """Labels from the files beside the images; None where most have none, unless the user said which they are."""
        beside = labels_beside(self.tree, folders, self.options.label_column if self._side_is_said() else None)
        self._side_fields |= {*beside.fields, *(("txt",) if beside.texts else ()), *(("cls",) if beside.labels else ())}
        if not beside.labels or (not said and len(beside.labels) * 2 <= len(folders)):
            if said:
                return None
            self._offer_fields(beside)
            return None
        self.used |= beside.used
        self.notes.append(f"the labels are those of the {beside.kind} beside the images")
        return dict.fromkeys(folders, "") | beside.labels

    def _offer_fields(self, beside: Beside) -> None:
        if beside.fields:
            self.notes.append(
                f"the .json files beside the images have no usual field of labels, but {beside.shown_fields}; name the "
                "right one with --label-column"
            )
        elif beside.texts:
            self.notes.append("there are .txt files beside the images; --label-column txt makes them the labels")
        if beside.unread:
            self.notes.append(f"{beside.unread:,} files beside the images cannot be read, and give no label")

    @cached_property
    def _side_fields(self) -> set[str]:
        """What files beside images have that may be named as labels."""
        return set()

    def _side_is_said(self) -> bool:
        """Whether the user names a column of labels that no table has, so that it may be a field beside images."""
        wanted = (self.options.label_column or "").strip()
        headers = {name.strip().lower() for table in self.tables.by_number.values() for name in table.header}
        return bool(wanted) and not self.options.labels and wanted not in NAME_COLUMNS and wanted.lower() not in headers

    def _by_names(self, folders: Mapping[int, str], split: str) -> dict[int, str] | None:
        """Labels from the names of images, such as ``cat.0.jpg``; None where not all of them say so."""
        stems = {number: PurePosixPath(self.tree.names[number]).stem for number in folders}
        said = self.options.label_column in NAME_COLUMNS
        for pattern, how in ((BY_DOT, "before the first dot"), (BY_NUMBER, "before the number")):
            labels = _labels_of_names(stems, pattern)
            if labels is not None and pattern is BY_NUMBER and not said:
                some = ", ".join(sorted(set(labels.values()))[:3])
                self.notes.append(
                    f"the names of the files begin with {some}, …; --label-column name makes these the labels"
                )
                continue
            known = self._known | self._named
            if labels is not None and (not known or set(labels.values()) <= known):
                self._named |= set(labels.values())
                counts = Counter(labels.values())
                shown = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())[:4])
                where = "" if split == ALL else f" of {split}"
                self.notes.append(f"the labels{where} are what stands {how} in the names of the files ({shown})")
                return labels
        return None

    @cached_property
    def _named(self) -> set[str]:
        return set()

    # --- splits from tables

    def _divided_by_tables(self, section: Section) -> list[Part] | None:
        """The splits that lists or a column of a table say, of images that lie in no folders of splits."""
        if self.options.labels is not None:
            return self._by_split_column(section, [(-1, self._match_given(section))])
        if not self.tables.by_number:
            return None
        names = self.tables.names([section], None)
        tables = [(number, self.tables.scope(number)) for number in self.tables.by_number]
        matches = {number: self.tables.match(number, names) for number, _ in tables}
        scoped: dict[str, tuple[int, Match]] = {}
        for number, scope in tables:
            if (
                scope
                and matches[number].count
                and (scope not in scoped or matches[number].count > scoped[scope][1].count)
            ):
                if "trainval" not in words_of(self.tree.names[number]) or len(tables) == 1:
                    scoped[scope] = (number, matches[number])
        unread = [name for name, at in self._names_of_tables() if not matches[at].count and _says_splits(name)]
        if unread:
            self.notes.append(f"{unread[0]} may say splits, in a form that is not read")
        general = [(number, matches[number]) for number, scope in tables if scope is None and matches[number].count]
        if len(scoped) >= 2:
            return self._by_lists(section, scoped)
        return self._by_split_column(section, [*general, *scoped.values()])

    def _names_of_tables(self) -> list[tuple[str, int]]:
        return [(self.tree.names[number], number) for number in self.tables.by_number]

    def _match_given(self, section: Section) -> Match:
        return match_table(self.tables.given(), self.tables.names([section], None), self.options.path_column)

    def _by_lists(self, section: Section, scoped: Mapping[str, tuple[int, Match]]) -> list[Part]:
        taken: dict[int, str] = {}
        for split, (number, match) in scoped.items():
            self._refuse_several(match)
            for image in match.images:
                if image >= 0 and taken.setdefault(image, split) != split:
                    raise InputError(
                        f"{self.place}: {self.tree.names[image]} is in {scoped[taken[image]][1].table.name} and in "
                        f"{match.table.name}; an image belongs to one split, correct one of the two"
                    )
            self._say_unmatched(match)
            self.used.add(number)
        self.notes.append(f"the splits are those of {', '.join(match.table.name for _, match in scoped.values())}")
        whole = self.tables.folder_labels(section)
        return self._parts(section, taken, whole, {split: match for split, (_, match) in scoped.items()})

    def _by_split_column(self, section: Section, candidates: Sequence[tuple[int, Match]]) -> list[Part] | None:
        for number, match in candidates:
            refuse_unread_splits(match.table)
            columns = [at for at in range(match.table.width) if is_split_column(match.table, at)]
            meant = splits_in(match.table, columns[0]) if columns else {}
            if len(set(meant.values())) < 2:
                continue
            self._refuse_several(match)
            texts = match.texts(columns[0])
            taken = {image: meant[text] for image, text in texts.items() if text in meant}
            if len(set(taken.values())) < 2:
                continue
            self.used |= {number} - {-1}
            self._say_unmatched(match)
            self.notes.append(
                f"the splits are those of the column {match.table.called(columns[0])} of {match.table.name}"
            )
            splits = dict.fromkeys(meant.values())
            return self._parts(section, taken, self.tables.folder_labels(section), dict.fromkeys(splits, match))
        return None

    def _parts(
        self, section: Section, taken: Mapping[int, str], whole: Mapping[int, str], matches: Mapping[str, Match]
    ) -> list[Part]:
        """The splits `taken`, labelled by their tables, else as the whole data set would be."""
        for image in whole.keys() - taken.keys():
            self.unused[image] = BESIDE_SPLITS
        parts, plain = [], None
        order = sorted(set(taken.values()), key=lambda split: _split_rank(split))
        for split in order:
            images = sorted(image for image, name in taken.items() if name == split)
            match = matches[split]
            column = self._label_column(match) if match.table.width > 1 and not self._is_only_split(match) else None
            if column is not None:
                texts = match.texts(column)
                parts.append(Part(split, {image: texts.get(image, "") for image in images}, by_folder=False))
                continue
            plain = plain or self._part(Section(None, section.base, section.classes, section.loose))
            parts.append(Part(split, {image: plain.labels.get(image, "") for image in images}, plain.by_folder))
        return parts

    def _is_only_split(self, match: Match) -> bool:
        table = match.table
        return all(at == match.path_column or is_split_column(table, at) for at in range(table.width))

    # --- the whole

    def _accounting(self, parts: Sequence[Part]) -> Accounting:
        tree = self.tree
        listed = {number for part in parts for number in part.labels}
        rejected = [(tree.names[n], reason) for n, reason in tree.problems.items() if n in listed]
        rejected += list(tree.skipped)
        counts = {part.split: sum(number not in tree.problems for number in part.labels) for part in parts}
        unused: dict[str, list[str]] = {}
        for number, name in enumerate(tree.names):
            if number not in listed:
                unused.setdefault(self._why_unused(number), []).append(name)
        return Accounting(counts, tuple(rejected), {reason: tuple(names) for reason, names in unused.items()})

    def _why_unused(self, number: int) -> str:
        kind = self.tree.kinds[number]
        if number in self.unused:
            return self.unused[number]
        if number in self.used:
            return "tables of labels"
        if kind is Kind.IMAGE:
            return BESIDE_SPLITS if len(self.found.sections) > 1 else BESIDE_CLASSES
        return (kind if kind in (Kind.DEBRIS, Kind.TABLE) else Kind.OTHER).value


def _labels_of_names(stems: Mapping[int, str], pattern: re.Pattern) -> dict[int, str] | None:
    """The label in each name; None unless all have one, there are several, none from a camera, most repeated."""
    result = {}
    for number, stem in stems.items():
        match = pattern.fullmatch(stem)
        if match is None:
            return None
        result[number] = match["label"].strip(" _-")
    counts = Counter(result.values())
    words = {label.lower() for label in counts}
    single = sum(count == 1 for count in counts.values())
    if len(counts) < 2 or single * 2 > len(counts) or words & CAMERA_WORDS:
        return None
    return result


def _has_image_name(match: Match) -> bool:
    """Whether a name that several images have is one of a file, and no number by chance."""
    return is_image_name(match.first_of_several())


def _are_shelves(folders: set[str]) -> bool:
    """Whether the names of folders are no classes: numbers, pieces of hashes, parts of one name, or a single folder."""
    stems = {re.sub(r"[0-9]+", "", folder) for folder in folders}
    return len(stems) == 1 or all(re.fullmatch(r"[0-9a-f]{1,4}|\d+", folder) for folder in folders)


def _split_rank(split: str) -> tuple[int, str]:
    return (SPLIT_ORDER.index(split) if split in SPLIT_ORDER else len(SPLIT_ORDER)), split


def _one_to_one(pairs: Iterable[tuple[str, str]]) -> bool:
    """Whether each first text goes with one second and each second with one first."""
    pairs = set(pairs)
    return len({one for one, _ in pairs}) == len(pairs) == len({other for _, other in pairs})


def _says_splits(name: str) -> bool:
    """Whether a table is called after several splits, or after the word itself.

    >>> _says_splits("CUB/train_test_split.txt"), _says_splits("train.csv")
    (True, False)
    """
    words = set(words_of(PurePosixPath(name).stem))
    return "split" in words or "splits" in words or {"train", "test"} <= words

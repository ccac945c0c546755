"""Which images the rows of a table mean, and which of its columns hold their names, labels and splits."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote, urlsplit

from gapscope.core.errors import InputError
from gapscope.core.splits import split_of, words_of
from gapscope.core.text import composed
from gapscope.data.tables import LabelTable
from gapscope.data.vocabulary import IMAGE_SUFFIXES, dataset_slug, plain_name

PATH_COLUMNS = (
    *(
        "path",
        "imagepath",
        "filepath",
        "relpath",
        "filename",
        "imagefilename",
        "file",
        "imagefile",
        "imagename",
        "fname",
    ),
    *(
        "image",
        "img",
        "imgname",
        "imgpath",
        "imageid",
        "imgid",
        "photo",
        "photoid",
        "picture",
        "name",
        "id",
        "uid",
        "key",
    ),
)
LABEL_COLUMNS = (
    *("label", "labels", "class", "classes", "target", "targets", "y", "predictionstring", "classname", "labelname"),
    *("categoryname", "category", "classid", "labelid", "categoryid", "classindex", "breed", "species", "diagnosis"),
    *("wnid", "synset", "dx", "gt", "groundtruth", "cls", "annotation", "tag"),
)
SPLIT_COLUMNS = (
    "split",
    "subset",
    "partition",
    "set",
    "phase",
    "usage",
    "dataset",
    "datasplit",
    "dataset split",
    "mode",
)
# Of these, those that mean nothing else: a word in them that is unknown is the name of a split.
OWN_SPLITS = ("split", "datasplit", "partition", "subset")
MOST_SPLITS = 12
FLAGS = {
    "isvalid": ("train", "val"),
    "isval": ("train", "val"),
    "istest": ("train", "test"),
    "istrain": ("test", "train"),
}
YES, NO = {"true", "1", "yes", "t"}, {"false", "0", "no", "f"}
SEVERAL = -2
# Columns of numbers about the file, and about the row.
MEASURES = ("width", "height", "channels", "bytes", "size", "filesize")
NUMBERING = ("", "unnamed0", "index", "idx", "row", "no", "nr")
# Texts that no class is called by: checksums, days and moments.
CHECKSUM = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64}|[0-9a-fA-F]{128}")
MOMENT = re.compile(r"\d{4}([-/:.])\d\d\1\d\d([T ]\d\d:\d\d.*)?")
# Rows by which the columns of a table are told apart.
TRIED = 500


class Names:
    """Images by every form in which a table may name them.

    Parameters
    ----------
    images
        Number and path of each, relative to the root.
    bases
        Folders that a table may leave out of the paths of images below them.
    split
        The split of these images, where it is known: a path that speaks of another one means other images.
    """

    def __init__(self, images: Iterable[tuple[int, str]], bases: Sequence[str] = (), split: str | None = None):
        self.split = split
        self._of = images, bases = list(images), list(bases)
        self._whole: dict[str, int] = {}
        self._forms: dict[str, int] = {}
        self._stems: dict[str, int] = {}
        self._whole_stems: dict[str, int] = {}
        prefixes = sorted({f"{base}/" for base in bases if base}, key=len, reverse=True)
        for number, name in images:
            path = composed(name)
            self._whole[path] = number
            _put(self._whole_stems, _stem(path), number)
            forms = {path, path.rpartition("/")[2]}
            forms |= {path.removeprefix(prefix) for prefix in prefixes}
            for form in forms:
                _put(self._forms, form, number)
            for form in {_stem(form) for form in forms}:
                _put(self._stems, form, number)

    def find(self, text: str) -> int:
        """The number of the image that `text` names, -1 for none, `SEVERAL` where it could be several."""
        path = _clean(text)
        if not path:
            return -1
        if path in self._whole:
            return self._whole[path]
        if path in self._forms:
            return self._forms[path]
        result = self._stems.get(_stem(path) if _has_image_suffix(path) else path, -1)
        return result if result != -1 or "/" not in path else self._below(path)

    def loosely(self, text: str) -> int:
        """As `find`, where upper and lower case, and what addresses write for blanks, make no difference."""
        return self._loose.find(_loose(text))

    @cached_property
    def _loose(self) -> "Names":
        images, bases = self._of
        return Names(((number, _loose(name)) for number, name in images), [_loose(base) for base in bases], self.split)

    def _below(self, path: str) -> int:
        """The image whose whole path ends `path`: a table may begin its paths further up than the dataset does."""
        parts = path.split("/")
        for cut in range(1, len(parts)):
            rest = "/".join(parts[cut:])
            result = self._whole.get(rest, -1)
            if result == -1:
                result = self._whole_stems.get(_stem(rest), -1)
            if result != -1:
                said = {split_of(part) for part in parts[:cut]} - {None}
                return result if said <= {self.split} else -1
        return -1


def _loose(text: str) -> str:
    """A name as `Names.loosely` compares it; of an address its last part, for its folders are those of a server.

    >>> _loose("IMG/A%20b.JPG"), _loose("https://example.org/x/a.png?width=9")
    ('img/a b.jpg', 'a.png')
    """
    path = urlsplit(text.strip()).path.rpartition("/")[2] if "://" in text else text
    return unquote(path).casefold()


def _put(forms: dict[str, int], form: str, number: int) -> None:
    if forms.setdefault(form, number) != number:
        forms[form] = SEVERAL


def _clean(text: str) -> str:
    path = composed(text.strip()).replace("\\", "/")
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _stem(path: str) -> str:
    return path.rpartition(".")[0] if _has_image_suffix(path) else path


def _has_image_suffix(path: str) -> bool:
    _, dot, suffix = path.rpartition(".")
    return bool(dot) and suffix.lower() in IMAGE_SUFFIXES


@dataclass(frozen=True)
class Match:
    """A table with the image that each of its rows names.

    Attributes
    ----------
    path_column
        Index of the column that names the images.
    images
        Per row the number of an image, -1, or `SEVERAL`.
    """

    table: LabelTable
    path_column: int
    images: list[int]

    @property
    def count(self) -> int:
        """How many rows name an image."""
        return sum(image >= 0 for image in self.images)

    def first_of_several(self) -> str:
        """The first name that several images have, empty where there is none."""
        return next((self.table.rows[row][self.path_column] for row, i in enumerate(self.images) if i == SEVERAL), "")

    def texts(self, column: int | tuple[int, ...]) -> dict[int, str]:
        """The text of `column` by image; of several columns, the name of the one that holds a 1.

        Raises
        ------
        InputError
            Two rows name one image and disagree, or two columns of one name do.
        """
        header = [plain_name(name) for name in self.table.header]
        if isinstance(column, int):
            self._refuse_twins(column)
        boxes = isinstance(column, int) and bool(header) and header[column] == "predictionstring"
        result: dict[int, str] = {}
        line: dict[int, int] = {}
        for row, (image, cells) in enumerate(zip(self.images, self.table.rows, strict=True)):
            if image < 0:
                continue
            text = cells[column] if isinstance(column, int) else self._hot(cells, column)
            text = composed(text.split()[0] if boxes and text else text)
            if result.setdefault(image, text) != text:
                raise InputError(
                    f"{self.table.place(row)}: {cells[self.path_column]!r} is {text!r} here and {result[image]!r} in "
                    f"line {self.table.first_line + line[image]}; keep one"
                )
            line.setdefault(image, row)
        return result

    def _refuse_twins(self, column: int) -> None:
        """A second column of the same name that says something else makes two readings equally good."""
        header = [name.strip().lower() for name in self.table.header]
        twins = [at for at, name in enumerate(header) if at != column and name == header[column]]
        if any(self.table.column(at) != self.table.column(column) for at in twins):
            raise InputError(
                f"{self.table.name} has {1 + len(twins)} columns called {self.table.header[column]!r}, which differ; "
                "give each a name of its own, or delete all but one"
            )

    def _hot(self, cells: list[str], columns: tuple[int, ...]) -> str:
        return next(self.table.header[at] for at in columns if _is_one(cells[at]))


def match_table(table: LabelTable, names: Names, wanted: str | None = None) -> Match:
    """`table` with the column that names most of the images of `names`, or the column `wanted`; where no row names one,
    by names in which case does not count (`Names.loosely`).

    Raises
    ------
    InputError
        It has no such column.
    """
    column = None if wanted is None else named_column(table, wanted, "path")
    if not table.rows:
        return Match(table, 0, [])
    strict = _matched(table, names.find, column)
    return strict if any(image != -1 for image in strict.images) else _matched(table, names.loosely, column)


def _matched(table: LabelTable, find: Callable[[str], int], column: int | None) -> Match:
    column = _path_column(table, find) if column is None else column
    return Match(table, column, [find(text) for text in table.column(column)])


def _path_column(table: LabelTable, find: Callable[[str], int]) -> int:
    """The column that names images. Labels that are numbers name some too, ``0`` is 0.png: of the columns that name at
    least half as many images as the best, one of file names, else the one that names most, with the most usual name.
    """
    tried = table.rows[:: max(1, len(table.rows) // TRIED)]
    columns = [[row[at] for row in tried] for at in range(table.width)]
    files = [2 * sum(map(_has_image_suffix, texts)) > len(texts) for texts in columns]
    named = []
    for at, texts in enumerate(columns):
        few = any(files) and 2 * len(set(texts)) < len(texts)
        labels = _rank(table, at, LABEL_COLUMNS) < len(LABEL_COLUMNS)
        none = not files[at] and (few or labels)
        named.append(0 if none else len({text for text in texts if find(text) != -1}))
    most = max(named)
    ranks = [_rank(table, at, PATH_COLUMNS) for at in range(table.width)]
    return max(range(table.width), key=lambda at: (2 * named[at] >= most, files[at], named[at], -ranks[at], -at))


def named_column(table: LabelTable, wanted: str, kind: str) -> int:
    """The index of the column `wanted`, by its name or, in a table without names, its number from 1.

    Raises
    ------
    InputError
        There is none.
    """
    header = [name.strip().lower() for name in table.header]
    if wanted.strip().lower() in header:
        return header.index(wanted.strip().lower())
    if not header and wanted.isdigit() and 1 <= int(wanted) <= table.width:
        return int(wanted) - 1
    columns = ", ".join(table.header) if header else f"{table.width} without names; give a number from 1"
    raise InputError(f"{table.name} has no {kind} column: looked for {wanted!r}, its columns are {columns}")


def usual_column(table: LabelTable, usual: Sequence[str], but: int = -1) -> int | None:
    """The index of the column with the most usual name, None where none has one."""
    ranked = [(_rank(table, at, usual), at) for at in range(len(table.header)) if at != but]
    rank, at = min(ranked, default=(len(usual), 0))
    return at if rank < len(usual) else None


def label_column(match: Match, known: frozenset[str] = frozenset()) -> int | tuple[int, ...] | None:
    """The column of labels; several where each class has one of its own; None where none can be told.

    It is the one with a usual name; the only one that may be; the only one whose texts are all `known` classes.
    """
    table, usual = match.table, usual_column(match.table, LABEL_COLUMNS, match.path_column)
    if usual is not None:
        return usual
    others = possible_labels(match)
    if len(others) == 1:
        return others[0]
    fitting = [at for at in others if known and set(map(composed, table.column(at))) <= set(map(composed, known))]
    if len(fitting) == 1:
        return fitting[0]
    return tuple(others) if len(others) > 1 and _is_hot(table, others) else None


def possible_labels(match: Match) -> list[int]:
    """The columns that may hold labels: neither names nor splits, nor what is known of the file or the row."""
    table = match.table
    others = [at for at in range(table.width) if at != match.path_column and not is_split_column(table, at)]
    others = [at for at in others if not _is_about_files(table, at)]
    return [at for at in others if len(others) == 1 or not _counts_rows(table, at)]


def _is_about_files(table: LabelTable, at: int) -> bool:
    filled = [text for text in table.column(at) if text]
    if _rank(table, at, MEASURES) < len(MEASURES) and all(text.isdigit() for text in filled):
        return True
    return any(filled and all(map(pattern.fullmatch, filled)) for pattern in (CHECKSUM, MOMENT))


def _counts_rows(table: LabelTable, at: int) -> bool:
    """Whether these are the numbers from 0 or 1 on, in a column that is not called something else."""
    texts, named = table.column(at), table.header and _rank(table, at, NUMBERING) == len(NUMBERING)
    return (
        not named
        and len(texts) > 3
        and any(texts == [str(one) for one in range(first, first + len(texts))] for first in (0, 1))
    )


def is_split_column(table: LabelTable, at: int) -> bool:
    """Whether a column says which split an image is in."""
    return bool(splits_in(table, at))


def splits_in(table: LabelTable, at: int) -> dict[str, str]:
    """The split that each text of a column means; empty where the column speaks of none. A column without a name does
    where it has nothing but words for several splits.
    """
    name = plain_name(table.header[at]) if table.header else ""
    texts = set(table.column(at))
    if name in FLAGS and {text.lower() for text in texts} <= YES | NO:
        return {text: FLAGS[name][text.lower() in YES] for text in texts}
    if name not in SPLIT_COLUMNS and (table.header or len(texts) < 2):
        return {}
    meant = {text: split_of(text) or _game(text) for text in texts if text}
    if name in OWN_SPLITS and any(meant.values()):
        return {text: split or dataset_slug(text) for text, split in meant.items()}
    return {text: split for text, split in meant.items() if split} if meant and all(meant.values()) else {}


def refuse_unread_splits(table: LabelTable) -> None:
    """A column that is called split, of whose few values none is known, must not be passed over.

    Raises
    ------
    InputError
        There is one.
    """
    for at, header in enumerate(table.header):
        values = sorted(set(table.column(at)) - {""})
        if plain_name(header) in OWN_SPLITS and 1 < len(values) <= MOST_SPLITS and not splits_in(table, at):
            raise InputError(
                f"{table.name} has a column {header} with the values {', '.join(values[:4])}, none of which names a "
                "split; write train, val or test in their place, or give the column another name"
            )


def _game(text: str) -> str | None:
    """Kaggle's ``PublicTest`` and ``PrivateTest``, which are two test sets."""
    words = words_of(text)
    return "-".join(words[::-1]) if len(words) == 2 and words[0] in ("public", "private") else None


def _rank(table: LabelTable, at: int, usual: Sequence[str]) -> int:
    name = plain_name(table.header[at]) if table.header else ""
    return usual.index(name) if name in usual else len(usual)


def _is_hot(table: LabelTable, columns: Sequence[int]) -> bool:
    return bool(table.header) and all(
        sorted(_is_one(row[at]) for at in columns)[-2:] == [False, True] and all(_is_bit(row[at]) for at in columns)
        for row in table.rows
    )


def _is_bit(text: str) -> bool:
    return text in ("0", "1", "0.0", "1.0")


def _is_one(text: str) -> bool:
    return text in ("1", "1.0")

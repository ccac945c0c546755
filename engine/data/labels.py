"""Labels of images from a table, and the classes that label texts stand for."""

from collections.abc import Iterable
from pathlib import Path

from gapscope.core.errors import InputError
from gapscope.data.classes import ClassMap, is_integer, map_classes
from gapscope.data.matching import LABEL_COLUMNS, PATH_COLUMNS, Match, named_column, usual_column
from gapscope.data.tables import LabelTable, read_table

MAX_INTEGER_LABEL = 100_000


def read_labels(file: Path, path_column: str | None = None, label_column: str | None = None) -> dict[str, str]:
    """Label text by image path, from a table with a header.

    The columns are found by their usual names, whatever their case, unless they are named. Kaggle's
    ``PredictionString`` holds a label followed by boxes; the label is its first word.
    """
    try:
        table = read_table(str(file), file.read_bytes())
    except OSError as error:
        raise InputError(f"the label file {file} cannot be read ({error.strerror})") from error
    at = _column(table, path_column, PATH_COLUMNS, "path")
    label_at = _column(table, label_column, LABEL_COLUMNS, "label")
    names = [name.removeprefix("./") for name in table.column(at)]
    rows = {name: row for row, name in reversed(list(enumerate(names)))}
    texts = Match(table, at, [rows[name] for name in names]).texts(label_at)
    return {name: texts[row] for name, row in rows.items()}


def _column(table: LabelTable, wanted: str | None, usual: Iterable[str], kind: str) -> int:
    if wanted is not None:
        return named_column(table, wanted, kind)
    result = usual_column(table, tuple(usual))
    if result is None:
        looked_for = ", ".join(list(usual)[:6])
        raise InputError(
            f"{table.name} has no {kind} column: looked for {looked_for}, …, its columns are {', '.join(table.header)}"
        )
    return result


def map_labels(texts: Iterable[str], given: ClassMap | None = None) -> tuple[ClassMap, dict[str, int]]:
    """Classes for label texts, and the class index of each text; the empty text and ``-1`` are unknown, -1.

    Integer labels are class indices already and stay what they are, even when some of them do not occur. (Folder names
    that are integers are ranked, since a folder is a name.)
    """
    known = set(texts) - {"", "-1"}
    unknown = {"": -1, "-1": -1}
    if known and all(is_integer(text) for text in known):
        if given is not None:
            return given, unknown | given.of_integers(known)
        indices = {text: int(text) for text in known}
        return _of_integers(max(indices.values())), unknown | indices
    classes = map_classes(known, given)
    return classes, unknown | classes.indices(known)


def _of_integers(highest: int) -> ClassMap:
    if highest > MAX_INTEGER_LABEL:
        raise InputError(f"label {highest} occurs, which is no class index; is the label column the right one?")
    return ClassMap([str(index) for index in range(highest + 1)])

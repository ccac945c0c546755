"""Labels of images from a CSV file."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from gapscope.core.errors import InputError
from gapscope.data.classes import ClassMap, is_integer, map_classes

PATH_COLUMNS = ("path", "image_path", "filename", "file", "image", "imageid", "image_id")
LABEL_COLUMNS = ("label", "class", "target", "y", "predictionstring")
MAX_INTEGER_LABEL = 100_000


def read_labels(file: Path, path_column: str | None = None, label_column: str | None = None) -> dict[str, str]:
    """Label text by image path, from a CSV file with a header.

    The columns are found by their usual names, whatever their case, unless they are named. Kaggle's
    ``PredictionString`` holds a label followed by boxes; the label is its first word.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            return _parse(file, csv.reader(lines), path_column, label_column)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the label file {file} cannot be read ({error})") from error


def _parse(file: Path, rows: Iterable[list[str]], path_column: str | None, label_column: str | None) -> dict[str, str]:
    rows = iter(rows)
    header = next(rows, [])
    at = _column(file, header, path_column, PATH_COLUMNS, "path")
    label_at = _column(file, header, label_column, LABEL_COLUMNS, "label")
    boxes = header[label_at].strip().lower() == "predictionstring"
    labels: dict[str, str] = {}
    for line, row in enumerate(rows, 2):
        if not row:
            continue
        if len(row) != len(header):
            raise InputError(f"{file}, line {line}: {len(row)} fields, the header has {len(header)}; mend that line")
        name, label = row[at].strip().removeprefix("./"), row[label_at].strip()
        label = label.split()[0] if boxes and label else label
        if labels.setdefault(name, label) != label:
            raise InputError(f"{file}, line {line}: {name!r} is {label!r} here and {labels[name]!r} above; keep one")
    return labels


def _column(file: Path, header: Sequence[str], wanted: str | None, usual: Sequence[str], kind: str) -> int:
    names = [name.strip().lower() for name in header]
    for candidate in (wanted.lower(),) if wanted else usual:
        if candidate in names:
            return names.index(candidate)
    looked_for = repr(wanted) if wanted else " or ".join(usual)
    raise InputError(f"{file} has no {kind} column: looked for {looked_for}, its columns are {', '.join(header)}")


def map_labels(texts: Iterable[str], given: ClassMap | None = None) -> tuple[ClassMap, dict[str, int]]:
    """Classes for label texts, and the class index of each text; the empty text and ``-1`` are unknown, -1.

    Integer labels are class indices already and stay what they are, even when some of them do not occur. (Folder names
    that are integers are ranked, since a folder is a name.)
    """
    known = set(texts) - {"", "-1"}
    unknown = {"": -1, "-1": -1}
    if known and all(is_integer(text) for text in known):
        indices = {text: int(text) for text in known}
        return _of_integers(max(indices.values()), given), unknown | indices
    classes = map_classes(known, given)
    return classes, unknown | classes.indices()


def _of_integers(highest: int, given: ClassMap | None) -> ClassMap:
    if given is not None and highest >= len(given.names):
        raise InputError(f"label {highest} occurs but the class list has {len(given.names)} classes; complete the list")
    if highest > MAX_INTEGER_LABEL:
        raise InputError(f"label {highest} occurs, which is no class index; is the label column the right one?")
    return given or ClassMap([str(index) for index in range(highest + 1)])

"""Which columns of a table are features, which holds the label and which the name of a row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gapscope.core.errors import InputError
from gapscope.core.text import counted
from gapscope.formats.arrays import Parts, beside
from gapscope.formats.table import MOST_NUMBERS, Column, Table
from gapscope.store.imports.columns import LABEL_NAMES, PATH_NAMES, Choice, exactly, find_columns, first_of, some

FEATURE_NAMES = (
    *("features", "embeddings", "embedding", "feature", "img_emb", "image_embeddings", "image_embedding", "feats"),
    *("x", "emb", "vectors", "vector", "arr_0", "data"),
)

# A row of these holds one value; bytes are a text only where a label is looked for.
SINGLE = ("numbers", "texts", "bytes")


@dataclass(frozen=True)
class Chosen:
    """The columns that are used, by name; empty where there is none.

    Attributes
    ----------
    features
        One column of vectors, or a column of numbers for each feature, in order.
    dim
        Number of features.
    """

    features: tuple[str, ...]
    dim: int
    label: str | None
    path: str | None
    class_names: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """All of them, each once."""
        return list(dict.fromkeys([*self.features, *(name for name in (self.label, self.path) if name is not None)]))


def choose(table: Table, choice: Choice) -> Chosen:
    """The features, the label and the path of `table`, found by the kind of the columns and by their names."""
    label, path = (_asked(table, name) for name in (choice.label, choice.path))
    features = _features(table, choice, label)
    if not choice.label:
        label = _called(table, (*SINGLE, "vectors"), LABEL_NAMES, features)
    if not choice.path:
        path = _called(table, ("texts",), PATH_NAMES, features)
    vectors = [table.column(name) for name in features if table.column(name).kind == "vectors"]
    dim = vectors[0].width if vectors else len(features)
    if not 0 < dim <= MOST_NUMBERS:
        raise InputError(f"{table.where} has {counted(dim, 'feature')} in a row; 1 to {MOST_NUMBERS:,} can be imported")
    for name in dict.fromkeys([*features, *(one for one in (label, path) if one is not None)]):
        if sum(column.name == name for column in table.columns) > 1:
            raise InputError(f"column {name!r} of {table.where} is there twice; give each column a name of its own")
    classes = table.column(label).class_names if label is not None else ()
    return Chosen(features, dim, label, path, classes)


def _asked(table: Table, wanted: str) -> str | None:
    """The column that is asked for as label or as name; None where nothing is asked for."""
    if not wanted:
        return None
    if wanted in table.apart:
        raise InputError(_apart(table, wanted))
    name = exactly([column.name for column in table.columns], wanted, table.where)
    if table.column(name).kind == "other":
        raise InputError(f"column {name!r} of {table.where} holds {table.column(name).about}, not a value for each row")
    return name


def _apart(table: Table, name: str) -> str:
    return (
        f"{name!r} of {table.where} has {counted(table.apart[name], 'row')} where the features have {table.rows:,}; "
        "hand over "
        "one for each row, or name another with --label-column, --path-column, --labels or --names"
    )


def _called(table: Table, kinds: Sequence[str], known: Sequence[str], features: Sequence[str]) -> str | None:
    """The column of one of `kinds`, beside the `features`, that has a `known` name; None where there is none."""
    names = [column.name for column in table.columns if column.name and column.kind in kinds]
    return beside([name for name in names if name not in features], known, features[0]) or None


def refuse_apart(table: Table, chosen: Chosen, *, labelled: bool, named: bool) -> None:
    """Refuse a file in which there are labels or names, not as many as features, unless they are told elsewhere."""
    for told, known in ((labelled or chosen.label, LABEL_NAMES), (named or chosen.path, PATH_NAMES)):
        other = "" if told else beside(list(table.apart), known, chosen.features[0])
        if other:
            raise InputError(_apart(table, other))


def _features(table: Table, choice: Choice, label: str | None) -> tuple[str, ...]:
    names = [column.name for column in table.columns]
    if choice.features:
        return _as_asked(table, [exactly(names, name, table.where) for name in choice.features])
    vectors = [column.name for column in table.columns if column.kind == "vectors" and column.name != label]
    numbers = [column.name for column in table.columns if column.kind == "numbers" and column.name != label]
    if len(vectors) > 1 or len(numbers) > 1:  # one-hot labels are vectors too
        vectors = [name for name in vectors if Parts.of(name).called not in LABEL_NAMES] or vectors * (not numbers)
    if vectors and choice.prefix is None:
        return (_one_of(table, vectors),)
    if not numbers or numbers == [""]:
        raise InputError(f"{table.where} has no features: {_listed(table.columns)}; rows of numbers are needed")
    unfit = first_of([one.name for one in table.columns if one.kind not in ("numbers", "vectors")], FEATURE_NAMES)
    if unfit and choice.prefix is None and not any(map(str.isdigit, "".join(numbers))):
        return _as_asked(table, [unfit])
    return _as_asked(table, list(find_columns(numbers, replace(choice, label="", path=""), table.where).features))


def _one_of(table: Table, vectors: Sequence[str]) -> str:
    if len(vectors) == 1:
        return vectors[0]
    called = {name: Parts.of(name).called for name in vectors}
    known = first_of(list(called.values()), FEATURE_NAMES)
    fitting = [name for name in vectors if called[name] == known]
    if len(fitting) != 1:
        raise InputError(
            f"{table.where} has several columns of vectors ({some(vectors)}); say with --feature-columns which holds "
            "the features"
        )
    return fitting[0]


def _as_asked(table: Table, names: list[str]) -> tuple[str, ...]:
    """Columns that were asked for as features: one of vectors, or some of numbers."""
    kinds = {table.column(name).kind for name in names}
    if kinds == {"numbers"} or (kinds == {"vectors"} and len(names) == 1):
        return tuple(names)
    wrong = next((name for name in names if table.column(name).kind not in ("numbers", "vectors")), names[-1])
    raise InputError(
        f"column {wrong!r} of {table.where} holds {table.column(wrong).about}; features are one column of vectors, or "
        "one column of numbers for each"
    )


def _listed(columns: Sequence[Column]) -> str:
    said = [f"{column.name or 'it'} is {column.about}" for column in columns]
    return some(said, "; ") if said else "it has no column"


def one_column(table: Table, wanted: str, known: Sequence[str]) -> str:
    """The column of a table of labels or of names: its only one, the one that is `wanted`, or one of a known name.

    Raises
    ------
    InputError
        There are several, or it holds no single values.
    """
    columns = [column for column in table.columns if column.kind in SINGLE]
    if not columns and known is LABEL_NAMES:
        columns = [column for column in table.columns if column.kind == "vectors"]
    if len(columns) == 1 and not (wanted and columns[0].name):
        return columns[0].name
    if not columns:
        raise InputError(f"{table.where} has no value for each row: {_listed(table.columns)}; one for each is needed")
    names = [column.name for column in columns]
    found = exactly(names, wanted, table.where) if wanted else first_of(names, known)
    if not found:
        raise InputError(
            f"{table.where} has several columns ({some(names)}); say which with --label-column or --path-column"
        )
    return found


def notes_of(table: Table, chosen: Chosen, *, labelled: bool, named: bool) -> Iterator[str]:
    """Sentences about what was assumed; `labelled`, `named`: whether a file beside tells labels, names."""
    if len(chosen.features) > 1:
        yield f"{chosen.dim} feature columns, {chosen.features[0]} to {chosen.features[-1]}"
    else:
        yield f"{counted(chosen.dim, 'feature')}" + (f", the column {chosen.features[0]}" if chosen.features[0] else "")
    if chosen.label is None and not labelled:
        unfit = _called(table, ("other",), LABEL_NAMES, chosen.features)
        holds = f"; the column {unfit!r} holds {table.column(unfit).about}, not a label for each row" if unfit else ""
        yield (
            f"no labels, so every label is -1 (unknown){holds}; name a column with --label-column, or a file with "
            "--labels"
        )
    if chosen.path is None and not named:
        yield "no names, so rows are called by their number; name a column with --path-column, or a file with --names"

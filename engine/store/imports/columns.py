"""Which columns of a table are features, which holds the label and which the path."""

import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from gapscope.core.errors import InputError, unknown_name
from gapscope.core.program import called

LABEL_NAMES = (
    *("label", "class", "target", "y", "labels", "class_id", "class_name", "category", "targets"),
    "ground_truth",
)
PATH_NAMES = (
    *("path", "image_path", "filename", "file", "filepath", "file_path", "file_name", "image"),
    *("paths", "image_paths", "filenames", "names"),
)
SHOWN = 5


@dataclass(frozen=True)
class Choice:
    """What the user said about the columns; what is empty is found by itself.

    Attributes
    ----------
    label, path
        Name of the label column and of the path column.
    prefix
        What the names of all feature columns begin with, before their number.
    features
        Names of the feature columns, in order.
    """

    label: str = ""
    path: str = ""
    prefix: str | None = None
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class Columns:
    """The columns that are used, by name.

    Attributes
    ----------
    features
        In the order of the embedding.
    label, path
        Empty where there is none.
    notes
        Sentences about what was assumed.
    """

    features: tuple[str, ...]
    label: str
    path: str
    notes: tuple[str, ...] = ()

    @property
    def used(self) -> tuple[str, ...]:
        """The names of all columns that are used."""
        return (*self.features, *filter(None, (self.label, self.path)))


def find_columns(names: Sequence[str], choice: Choice = Choice(), where: str = "the file") -> Columns:
    """The features, the label and the path among the columns called `names`, compared without regard to case.

    Features are the longest run of names that differ in their final number alone, in the order of those numbers; where
    no name ends in one, in the last number that they hold.
    """
    label = exactly(names, choice.label, where) or first_of(names, LABEL_NAMES)
    path = exactly(names, choice.path, where) or first_of(names, PATH_NAMES)
    free = [name for name in names if name not in (label, path)]
    features = tuple(exactly(names, name, where) for name in choice.features) or _run(free, choice.prefix, where)
    used = [*features, *filter(None, (label, path))]
    for name in used:
        if list(names).count(name) > 1 or used.count(name) > 1:
            raise InputError(
                f"column {name!r} of {where} is there twice, or used twice; give each column one name and one use"
            )
    return Columns(features, label, path, tuple(_notes(features, label, path, set(free) - set(features))))


def exactly(names: Sequence[str], wanted: str, where: str) -> str:
    """The column called `wanted`, compared without regard to case; empty where nothing is wanted."""
    if not wanted:
        return ""
    for name in names:
        if name.lower() == wanted.lower():
            return name
    error = unknown_name("column", wanted, names if len(names) < 30 else [n for n in names if not n[-1:].isdigit()])
    error.add_note(f"in {where}")
    raise error


def first_of(names: Sequence[str], known: Sequence[str]) -> str:
    """The first of the `known` names that one of `names` has, in any case, with spaces or hyphens too; empty where none
    has.
    """
    by_lower = {re.sub(r"[\s-]+", "_", name.strip().lower()): name for name in reversed(names)}
    return next((by_lower[name] for name in known if name in by_lower), "")


def _run(names: Sequence[str], prefix: str | None, where: str) -> tuple[str, ...]:
    runs = _runs(names, r"(.*?)(\d+)()", prefix) or _runs(names, r"(.*?)(\d+)(\D+)", prefix)
    ranked = sorted(runs.items(), key=lambda item: -len(item[1]))
    if not ranked and prefix is not None:
        raise InputError(
            f"no column of {where} is called {prefix!r} and a number ({some(names)}); correct --feature-prefix, or "
            "list the columns with --feature-columns"
        )
    if not ranked and not names:
        labelled = f"`{called()} extract FOLDER --labels {shlex.quote(where)}`"
        raise InputError(f"{where} has no features, but names and labels alone; {labelled} gives them to images")
    if not ranked:
        raise InputError(
            f"no feature columns found in {where} ({some(names)}); numbered ones such as feature_0, feature_1 "
            "are found by themselves, others need --feature-prefix or --feature-columns; vectors in one column are "
            "read from Parquet (DataFrame.to_parquet), not from text"
        )
    if len(ranked) > 1 and len(ranked[0][1]) == len(ranked[1][1]):
        one, other = (next(iter(run.values())) for _, run in ranked[:2])
        raise InputError(
            f"{where} has {len(ranked[0][1])} columns {one}, … and as many {other}, …; say with --feature-prefix which "
            "are the features"
        )
    return tuple(name for _, name in sorted(ranked[0][1].items()))


def _runs(names: Sequence[str], pattern: str, prefix: str | None) -> dict[str, dict[int, str]]:
    """Names by their number, by what stands about it; of all that begin alike, or with the `prefix` alone."""
    runs: dict[str, dict[int, str]] = {}
    for name in names:
        match = re.fullmatch(pattern, name)
        if match and not match[1].lower().startswith("unnamed"):
            if prefix is None or match[1].strip().lower() == prefix.strip().lower():
                runs.setdefault(f"{match[1]}#{match[3]}".lower().removesuffix("#"), {})[int(match[2])] = name
    return runs


def _notes(features: Sequence[str], label: str, path: str, others: Collection[str]) -> Iterator[str]:
    numbers = [int(number[0]) for number in (re.search(r"\d+$", name) for name in features) if number]
    yield f"{len(features)} feature columns, {features[0]} to {features[-1]}"
    if numbers and len(numbers) == len(features) and numbers[-1] - numbers[0] + 1 != len(numbers):
        span = f"between {numbers[0]} and {numbers[-1]}"
        yield f"the numbers of the feature columns have gaps: {len(numbers)} columns {span}"
    if not label:
        only = f", perhaps {next(iter(others))}" if len(others) == 1 else ""
        yield f"no label column, so every label is -1 (unknown); name one with --label-column{only}"
    if not path:
        yield "no path column, so rows are called by their number; name one with --path-column"


def some(names: Sequence[str], between: str = ", ") -> str:
    """The first of some names, and how many there are."""
    listed = between.join(names[:SHOWN])
    return listed if len(names) <= SHOWN else f"{listed}, … {len(names)} in all"


def refuse_other_columns(first: Sequence[str], names: Sequence[str], where: str, there: str) -> None:
    """Refuse a file, `where`, whose columns are not those of the `first`, `there`, in any order; say the difference."""
    missing = [name for name in first if name not in set(names)]
    extra = [name for name in names if name not in set(first)]
    if missing or extra or len(first) != len(names):
        parts = [f"lacks {some(missing)}"] * bool(missing) + [f"has {some(extra)} besides"] * bool(extra)
        raise InputError(
            f"{where} has other columns than {there}: it "
            f"{' and '.join(parts) or f'has {len(names)} columns, not {len(first)}'}; "
            "files of one import need the same columns, so import it under another --split or make them agree"
        )

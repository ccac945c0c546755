"""Images chosen by name: the ids that a file lists, and which rows of a set they are."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gapscope.core.errors import InputError
from gapscope.core.files import read_table
from gapscope.core.hashing import digest_json
from gapscope.core.location import Location
from gapscope.core.tables import read_csv
from gapscope.schemas.selection import SELECTION_SCHEMA

Name = tuple[str, str]
# Sets that a message names, at most.
NAMED = 5


def called(name: Name) -> str:
    """``dataset/split``, or the dataset alone where there is no split.

    >>> called(("cifar10", "test"))
    'cifar10/test'
    """
    return "/".join(part for part in name if part)


@dataclass(frozen=True, eq=False)
class Selection:
    """The images that a file lists.

    Attributes
    ----------
    file
        Its name, for messages.
    ids
        For each set, as dataset and split, the ``sample_id``s, ``(m,) int64``, ascending, each once.
    """

    file: str
    ids: Mapping[Name, np.ndarray]

    @property
    def rows(self) -> int:
        """Number of images."""
        return sum(map(len, self.ids.values()))

    @cached_property
    def digest(self) -> str:
        """The same for every file that lists these images, in any order and format."""
        return digest_json([[*name, sha256(ids.tobytes()).hexdigest()] for name, ids in sorted(self.ids.items())])

    def among(self, name: Name, sample_id: np.ndarray) -> np.ndarray:
        """Which of the images ``sample_id : (n,)`` of the set `name` are listed, ``(n,) bool``.

        Raises
        ------
        InputError
            An image is listed that the set does not have.
        """
        listed = self.ids[name]
        strangers = listed[~np.isin(listed, sample_id)]
        if len(strangers):
            raise InputError(
                f"{self.file}: {len(strangers):,} of its {len(listed):,} rows for {called(name)} match none of the "
                f"{len(sample_id):,} images there, such as sample_id {strangers[0]}; choose from the sets that this "
                "run reads"
            )
        return np.isin(sample_id, listed)


@dataclass(frozen=True, eq=False)
class Choice:
    """The images to keep: those of `only`, without those of `exclude`. Sets that neither names stay whole."""

    only: Selection | None = None
    exclude: Selection | None = None

    @property
    def files(self) -> list[Selection]:
        """Those that there are."""
        return [one for one in (self.only, self.exclude) if one is not None]

    def concerns(self, name: Name) -> bool:
        """Whether a file names the set."""
        return any(name in one.ids for one in self.files)

    def sentence(self, name: Name, kept: int, rows: int) -> str:
        """How many rows of how many of the set `name` are kept, by which file."""
        return f"{called(name)}: {kept:,} of {rows:,} rows, {self._how(name)}"

    def _how(self, name: Name) -> str:
        words = [("chosen by", self.only), ("without those in", self.exclude)]
        return ", ".join(f"{verb} {one.file}" for verb, one in words if one is not None and name in one.ids)

    def kept(self, name: Name, sample_id: np.ndarray) -> np.ndarray:
        """Which of the images ``sample_id : (n,)`` of the set `name` are kept, ``(n,) bool``.

        Raises
        ------
        InputError
            A file lists an image that the set does not have, or nothing is left.
        """
        kept = np.ones(len(sample_id), bool)
        if self.only is not None and name in self.only.ids:
            kept &= self.only.among(name, sample_id)
        if self.exclude is not None and name in self.exclude.ids:
            kept &= ~self.exclude.among(name, sample_id)
        if not kept.any():
            raise InputError(f"none of the {len(sample_id):,} rows of {called(name)} is left, {self._how(name)}")
        return kept

    def check(self, names: Iterable[Name]) -> None:
        """Refuse a file that names none of the sets `names`.

        Raises
        ------
        InputError
            There is such a file; the message has the sets that it names.
        """
        read = list(dict.fromkeys(names))
        for one in self.files:
            if not one.ids.keys() & set(read):
                raise InputError(
                    f"{one.file} has no row of {_listed(map(called, read))}, which this run reads; it has rows of "
                    f"{_listed(_counted(one, one.ids))}"
                )

    def notes(self, names: Iterable[Name]) -> list[str]:
        """Sentences on what the files and the sets `names` do not have in common."""
        read = list(dict.fromkeys(names))
        files = " and ".join(one.file for one in self.files)
        whole = [called(name) for name in read if files and not self.concerns(name)]
        said = [f"{_listed(whole)}: all rows, as {files} names none of them"] if whole else []
        for one in self.files:
            if others := one.ids.keys() - set(read):
                there = _listed(_counted(one, others))
                said.append(f"{one.file} also has rows of {there}, which this run does not read")
        return said


def _counted(one: Selection, names: Iterable[Name]) -> list[str]:
    return [f"{called(name)} ({len(one.ids[name]):,})" for name in sorted(names)]


def _listed(words: Iterable[str]) -> str:
    result = list(words)
    more = f" and {len(result) - NAMED:,} more" if len(result) > NAMED else ""
    return ", ".join(result[:NAMED]) + more


def read_selection(place: Location) -> Selection:
    """The images listed in a CSV or Parquet file with the columns of `SELECTION_SCHEMA`; other columns are ignored.

    Raises
    ------
    InputError
        There is no such file, or it has other columns, or no rows.
    """
    table = _columns(_table(place), place)
    if not len(table):
        raise InputError(f"{place} has no rows, so it chooses no image; export a selection that is not empty")
    return Selection(place.name, dict(_by_set(table)))


def _by_set(table: pa.Table) -> Iterable[tuple[Name, np.ndarray]]:
    """Name and ascending ids of each set."""
    for name in table.group_by(["dataset", "split"]).aggregate([]).to_pylist():
        rows = pc.and_(pc.equal(table["dataset"], name["dataset"]), pc.equal(table["split"], name["split"]))
        yield (name["dataset"], name["split"]), np.unique(table["sample_id"].filter(rows).to_numpy())


def _table(place: Location) -> pa.Table:
    suffix = f".{place.name.rpartition('.')[2].lower()}"
    if suffix not in READERS:
        raise InputError(f"{place} is none of {', '.join(READERS)}; give the ids as one of these")
    if not place.exists():
        raise InputError(f"there is no file of ids at {place}")
    try:
        return READERS[suffix](place)
    except (pa.ArrowException, ValueError) as error:
        raise InputError(f"{place} cannot be read as {suffix[1:]}: {error}") from error


def _csv(place: Location) -> pa.Table:
    names = dict(zip(SELECTION_SCHEMA.names, SELECTION_SCHEMA.types, strict=True))
    with place.open_input() as file:
        return read_csv(file, types=names)


READERS: Mapping[str, Callable[[Location], pa.Table]] = {".csv": _csv, ".parquet": read_table}


def _columns(table: pa.Table, place: Location) -> pa.Table:
    """The columns of a selection, in their types, without gaps."""
    wanted = SELECTION_SCHEMA.names
    if missing := [name for name in wanted if name not in table.column_names]:
        raise InputError(
            f"{place} lacks the column {' and '.join(missing)}: it has {', '.join(table.column_names[:12])}, ids need "
            f"{', '.join(wanted)}, as the explorer exports them"
        )
    try:
        result = table.select(wanted).replace_schema_metadata().cast(SELECTION_SCHEMA)
    except (pa.ArrowException, ValueError) as error:  # a gap is a ValueError
        raise InputError(f"{place}: sample_id must be whole numbers, dataset and split texts ({error})") from error
    return result

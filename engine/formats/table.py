"""What files of every format are seen as: a table whose columns are read in runs of rows, in order, from any row on."""

import hashlib
import lzma
import struct
import tokenize
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from gapscope.core.errors import GapscopeError, InputError
from gapscope.core.files import UNREADABLE
from gapscope.core.location import Location
from gapscope.store.imports.files import SAMPLES, sample_hash, stamp

# Bytes of features that are read, checked and stored together; they decide nothing about the result.
RUN_BYTES = 2**22
# More numbers in a row than any network gives: the file's header is not to be believed.
MOST_NUMBERS = 2**20
# What libraries raise, beside what ours do, when they read a file that is not what it says it is.
UNREADABLE_BY_LIBRARIES = (
    *(
        *UNREADABLE,
        RuntimeError,
        AttributeError,
        AssertionError,
        SyntaxError,
        ArithmeticError,
        LookupError,
        BufferError,
    ),
    *(struct.error, tokenize.TokenError, lzma.LZMAError),
)
Values: TypeAlias = np.ndarray | pa.Array
Kind: TypeAlias = Literal["vectors", "numbers", "texts", "bytes", "other"]
Run = tuple[int, Mapping[str, Values]]


class Column(NamedTuple):
    """A column of a table.

    Attributes
    ----------
    name
        Empty where the file holds nothing but this column.
    kind
        A row of it is a vector of numbers, a number, a text, bytes (which may be a text), or something that cannot be
        imported.
    width
        Numbers in a row; 0 where rows may differ.
    about
        What it holds, for messages.
    class_names
        Names of the classes that its whole numbers stand for, where the file tells them.
    """

    name: str
    kind: Kind
    width: int
    about: str
    class_names: tuple[str, ...] = ()


class Identity(NamedTuple):
    """By what the input is known again: its name, bytes, when it was last written (0: unknown), a digest of samples."""

    name: str
    bytes: int
    modified: int
    digest: str

    def __str__(self) -> str:
        return f"{self.name}: {self.bytes} bytes, {self.digest[:16]}"


@dataclass(frozen=True)
class Table:
    """Rows of one file, or of files that belong together.

    Attributes
    ----------
    where
        What messages call it.
    rows
        Number of rows.
    columns
        What a row has.
    read
        ``read(names, start)``: runs of rows from row `start` on, each as the number of its rows and the values of the
        columns `names`; arrays of a run have ``n`` rows, vectors ``(n, d)`` or a list column of Arrow.
    identity
        By what it is known again.
    apart
        Arrays of the file that have another number of rows, or are of another split, and their rows.
    """

    where: str
    rows: int
    columns: tuple[Column, ...]
    read: Callable[[Sequence[str], int], Iterator[Run]]
    identity: Identity
    apart: Mapping[str, int] = field(default_factory=dict)

    def column(self, name: str) -> Column:
        """The column of that name, which is there."""
        return next(column for column in self.columns if column.name == name)


def identity_of(place: Location, files: Sequence[Location] = ()) -> Identity:
    """Of a file, or of a folder by the `files` in it that are read."""
    if not files:
        size, modified = stamp(place)
        return Identity(place.name, size, modified, sample_hash(place))
    stamps = [stamp(file) for file in files]
    digest = hashlib.sha256()
    for file, (size, _) in zip(files, stamps, strict=True):
        digest.update(f"{file.address[len(place.address) :]}\0{size}\n".encode())
    for index in sorted({len(files) * part // SAMPLES for part in range(SAMPLES)}):
        digest.update(sample_hash(files[index]).encode())
    total, latest = sum(size for size, _ in stamps), max(modified for _, modified in stamps)
    return Identity(place.name or place.address, total, latest, digest.hexdigest())


@contextmanager
def readable(where: object, kind: str) -> Iterator[None]:
    """What a library says of a damaged file, or of the network on the way to it, as one sentence."""
    try:
        yield
    except GapscopeError:
        raise
    except MemoryError as error:
        raise InputError(f"{where} asks for more memory than there is; it is damaged, or not {kind}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{where} is not in UTF-8 ({said_by(error)}); save it as UTF-8") from error
    except UNREADABLE_BY_LIBRARIES as error:
        raise InputError(f"{where} cannot be read as {kind} ({said_by(error)}); {_hint(where)}") from error
    except Exception as error:
        if "://" not in str(where) or not is_foreign(error):
            raise
        raise InputError(f"{where} cannot be read ({said_by(error)}); {_hint(where)}") from error


def _hint(where: object) -> str:
    if "://" in str(where):
        return "check the address, the network, and that the file is whole; the same command goes on where it stopped"
    return "it is damaged or not fully copied"


def is_foreign(error: Exception) -> bool:
    """Whether an error is of the system or of another library, not one of Python's own that a bug of ours raises."""
    return isinstance(error, OSError) or type(error).__module__.split(".")[0] not in ("builtins", "gapscope")


def said_by(error: BaseException) -> str:
    """What an error says, on one line; its kind where it says nothing."""
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__


def runs_of(rows: int, start: int, row_bytes: int, step: int = 1) -> Iterator[tuple[int, int]]:
    """Runs ``(low, high)`` of the rows from `start` on, of about `RUN_BYTES`, cut at multiples of `step` rows."""
    length = max(step, RUN_BYTES // max(1, row_bytes) // step * step)
    low = start
    while low < rows:
        high = min(rows, (low // length + 1) * length)
        yield low, high
        low = high


def kind_of(dtype: np.dtype[Any], shape: Sequence[int]) -> tuple[Kind, int]:
    """What a NumPy array of that type and shape is as a column, and its width."""
    is_number = dtype.kind in "fiub" and dtype.itemsize <= 8
    if len(shape) == 1 or (len(shape) == 2 and shape[1] == 1 and not is_number):
        return ("numbers" if is_number else "texts" if dtype.kind in "US" else "other"), 1
    if len(shape) == 2 and is_number:
        return "vectors", int(shape[1])
    return "other", 0


def said_of(dtype: object, shape: Sequence[int]) -> str:
    """An array in a message.

    >>> said_of("float32", (3, 4))
    'an array of float32 of shape (3, 4)'
    """
    return f"an array of {dtype} of shape {tuple(int(length) for length in shape)}"

"""Patterns of paths and addresses: ``{0000..0012}``, ``{train,val}``, ``*``, ``?`` and ``[a-c]``."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import islice, product
from pathlib import Path

from gapscope.core.errors import InputError
from gapscope.data.addresses import checked, is_address, joined
from gapscope.data.remote import entries_below

BRACES = re.compile(r"\{([^{}]*)\}")
RANGE = re.compile(r"(\d+)\.\.(\d+)")
WILD = re.compile(r"[*?\[]")
# Files that a pattern may name.
MOST = 1_000_000


def has_pattern(text: str) -> bool:
    """Whether a path or an address stands for several; question marks of a web address are its own.

    >>> has_pattern("shards/{0..9}.tar"), has_pattern("a/*.tar"), has_pattern("https://host/a.tar?b"), has_pattern("a")
    (True, True, False, False)
    """
    if text.startswith(("https://", "http://")):
        text = text.partition("?")[0]
    return bool(WILD.search(text) or any(_choices(inner) for inner in BRACES.findall(text)))


def expanded(pattern: str) -> tuple[str, list[str]]:
    """The folder in front of a pattern, and the names of the files below it that it means, sorted where they are looked
    for, else in the order that it says.

    Raises
    ------
    InputError
        It means no file, one that is not there, or too many.
    """
    pattern = checked_root(pattern)
    root, rest = _parted(pattern)
    names = list(islice(_spelled(rest), MOST + 1))
    if len(names) > MOST:
        raise InputError(f"{pattern} means more than {MOST:,} files; name fewer")
    wild = [name for name in names if WILD.search(name)]
    if wild:
        there = _fitting(root, wild)
        names = [one for name in names for one in (there[name] if name in there else [name])]
    if not names:
        raise InputError(f"no file fits {pattern}; correct it")
    if not is_address(root) and (missing := next((n for n in names if not Path(root, n).exists()), None)):
        raise InputError(
            f"{pattern} names {len(names):,} files, of which {missing} is not there; fetch it, or name those that are"
        )
    return root, list(dict.fromkeys(names))


def checked_root(pattern: str) -> str:
    """A pattern whose address in front is one that may be opened."""
    if not is_address(pattern):
        return pattern
    root, rest = _parted(pattern)
    return f"{checked(root).rstrip('/')}/{rest}"


def _parted(pattern: str) -> tuple[str, str]:
    """The folder in front of the first component that is a pattern, and what follows."""
    scheme, mark, path = pattern.rpartition("://")
    parts = path.split("/")
    at = next((at for at, part in enumerate(parts) if has_pattern(part)), len(parts) - 1)
    front = "/".join(parts[:at])
    return f"{scheme}{mark}{front}" or ("/" if path.startswith("/") else "."), "/".join(parts[at:])


def _choices(inner: str) -> list[str]:
    """What stands for a pair of braces: ``0..12`` counts, with as many digits as are written; commas list; else none.

    >>> _choices("08..10"), _choices("a,b"), _choices("a")
    (['08', '09', '10'], ['a', 'b'], [])
    """
    if match := RANGE.fullmatch(inner):
        first, last = int(match[1]), int(match[2])
        if last - first >= MOST:
            raise InputError(f"{{{inner}}} means more than {MOST:,} files; name fewer")
        width = max(map(len, match.groups())) if any(text.startswith("0") for text in match.groups()) else 0
        return [f"{number:0{width}d}" for number in range(first, last + 1)]
    return inner.split(",") if "," in inner else []


def _spelled(text: str) -> Iterator[str]:
    """All texts that braces in `text` stand for, innermost braces first."""
    pieces = BRACES.split(text)
    choices = [_choices(piece) or [f"{{{piece}}}"] if at % 2 else [piece] for at, piece in enumerate(pieces)]
    for chosen in product(*choices):
        whole = "".join(chosen)
        yield from _spelled(whole) if whole != text and has_pattern(whole) and BRACES.search(whole) else [whole]


def _fitting(root: str, wild: list[str]) -> dict[str, list[str]]:
    """The files below `root` that each name with wild cards fits, sorted."""
    if is_address(root):
        names = [entry.name for entry in entries_below(root)]
        return {one: [name for name in names if _fits(name, one)] for one in wild}
    return {one: sorted(path.relative_to(root).as_posix() for path in Path(root).glob(one)) for one in wild}


def _fits(name: str, wild: str) -> bool:
    parts, wanted = name.split("/"), wild.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def place_of(pattern: str) -> str:
    """A pattern as it is written down: its folder in front by the full path."""
    root, rest = _parted(pattern)
    return pattern if is_address(root) else joined(str(Path(root).resolve()), rest)

"""Errors that a user can act on: what, where, got, wanted, and the way out."""

import errno
import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher, get_close_matches

from gapscope.core.program import called

# Of more names than this, an error has only this many, the nearest to the one that was meant.
MOST, NEAREST = 12, 5


# What a user can mend about a file; any other error of the operating system is a bug.
_OF_FILES = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError, FileExistsError)
_WAYS_OUT = {
    errno.ENOSPC: "the disk is full; free some space, and the same command continues where it can",
    errno.EDQUOT: "the quota of the disk is used up; free some space, and the same command continues where it can",
    errno.EACCES: "permission denied; change its rights, or name a place that you may use, such as another --workspace",
    errno.EROFS: "this disk can only be read; name another --workspace",
    errno.ENAMETOOLONG: "a name is longer than the disk allows; choose a shorter one",
}


class GapscopeError(Exception):
    """A mistake in the input or the configuration; the command line prints it as one sentence and exits with code 2.

    Line breaks in the message, from libraries and from the contents of files, become blanks.
    """

    def __init__(self, message: str = ""):
        super().__init__(re.sub(r"\s*[\r\n]\s*", " ", message))


class InputError(GapscopeError):
    """A file, an option or a value that the user handed over cannot be used."""


class UnknownNameError(InputError, KeyError):
    """A table of names has not the one that was asked for; also a `KeyError`, so that ``table.get(name)`` is None."""

    __str__ = Exception.__str__


class SchemaError(GapscopeError):
    """A table or a manifest on disk does not have the form that `schemas/SPEC.md` asks for."""


class DamageError(SchemaError, InputError):
    """A file that gapscope wrote is no longer what was written, or is missing."""


class ConfigMismatchError(GapscopeError):
    """Finished work was made with another configuration than the one asked for now."""


class OtherKindError(InputError):
    """A run is named where a set is wanted, or a set or a file where a run is: a command in the sentence is for what
    was named, and what to type is left open.
    """


class UnfinishedError(InputError):
    """A run that is needed was ended before it was finished; `job` and `options` say what was run."""

    def __init__(self, place: object, status: str, job: str, options: Mapping[str, object]):
        super().__init__(
            f"{place} is not finished (its status is {status}); run `{job}` again, which continues where it can, or "
            "leave this run out"
        )
        self.job, self.options = job, options


class BusyError(GapscopeError):
    """Another process works on what this one would change."""


class StoppedError(GapscopeError):
    """Work was ended from outside, and what it has reached is kept: the same command continues."""


class BudgetError(GapscopeError):
    """The work would need more memory than it is allowed."""


class DivergedError(GapscopeError):
    """A number that must be finite is not; the message names the step."""


def unknown_name(kind: str, name: str, known: Iterable[str], listed_by: str = "", most: int = MOST) -> InputError:
    """The error for a `name` that is not among the `known` names of a `kind`, with the nearest spelling.

    Of more than `most` names, it has the nearest and how many more there are, with the command that they are
    `listed_by`, if any.
    """
    names = sorted(known)
    near = nearest(name, names)
    shown = names if len(names) <= most else near
    there = f"known: {', '.join(shown)}" if names else "there are none"
    more = f" and {len(names) - len(shown):,} more" if len(shown) < len(names) else ""
    listing = f"; `{called()} {listed_by}` lists them" if more and listed_by else ""
    return InputError(f"no {kind} named {name!r}{hint(name, names)} ({there}{more}{listing})")


def hint(name: str, names: Iterable[str]) -> str:
    """What was probably meant by `name`, as the end of a sentence: some of the `names`, or one that is spelt like it;
    empty where none is.

    >>> hint("lad", ["lda", "ridge"]), hint("lda,ridge", ["lda", "ridge"])
    ("; did you mean 'lda'?", '; several names have blanks between them: lda ridge')
    """
    known = list(names)
    several = [one.strip() for one in name.split(",")]
    if len(several) > 1 and set(several) <= set(known):
        return f"; several names have blanks between them: {' '.join(several)}"
    if "\\" in name:
        return f"; write / for each backslash: {name.replace(chr(92), '/')!r}"
    near = nearest(name, known)
    return f"; did you mean {near[0]!r}?" if near and _is_like(name, near[0]) else ""


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """A few of the `names`, those first that have the most of the words of `name`, and are spelt most like it."""
    words, matcher = _words(name), SequenceMatcher(b=name)

    def likeness(other: str) -> tuple[int, float]:
        matcher.set_seq1(other)
        return len(words & _words(other)), matcher.ratio()

    return sorted(names, key=likeness, reverse=True)[:NEAREST]


def _is_like(name: str, other: str) -> bool:
    return bool(get_close_matches(name, [other])) or _words(name) <= _words(other)


def _words(name: str) -> set[str]:
    return set(re.findall(r"\w+", name.lower()))


def is_mendable(error: OSError) -> bool:
    """Whether a user can mend what the operating system has refused."""
    return isinstance(error, _OF_FILES) or error.errno in _WAYS_OUT


def leaves_open(error: GapscopeError) -> bool:
    """Whether an error leaves open what to type: it guesses nothing, and names no command but those for other kinds.

    >>> [leaves_open(InputError(text)) for text in ("name a run", "make it with `gapscope fit x`", "did you mean 'y'?")]
    [True, False, False]
    """
    sentence = str(error)
    return "did you mean" not in sentence and ("`" not in sentence or isinstance(error, OtherKindError))


def refused(error: OSError) -> str:
    """What the operating system refuses, where, and the way out if there is one that is always right."""
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in _WAYS_OUT:
        return f"{where}{_WAYS_OUT[error.errno]}"
    return f"{where}{error.strerror}" if where else str(error)

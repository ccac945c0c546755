"""Errors that a user can act on: what, where, got, wanted, and the way out."""

import re
from collections.abc import Iterable
from difflib import get_close_matches


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


class BusyError(GapscopeError):
    """Another process works on what this one would change."""


class BudgetError(GapscopeError):
    """The work would need more memory than it is allowed."""


class DivergedError(GapscopeError):
    """A number that must be finite is not; the message names the step."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a `name` that is not among the `known` names of a `kind`, with the nearest spelling."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    there = f"known: {', '.join(names)}" if names else "there are none"
    return InputError(f"no {kind} named {name!r}{hint} ({there})")

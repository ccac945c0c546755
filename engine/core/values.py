"""Whether a value that Python gives for an option is of the option's kind."""

from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from gapscope.core.errors import InputError, unknown_name

WORDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text", Path: "a path"}


def check_value(option: str, value: object, kind: Any) -> None:
    """Refuse a `value` that is not of the `kind` of `option`, a type hint with the option's bounds.

    Raises
    ------
    InputError
        It is of another type, none of the names that may be given, or out of bounds.
    """
    if not _fits(value, kind):
        names = [one for one in _names(kind) if one]
        if isinstance(value, str) and names:
            raise unknown_name(option, value, names)
        raise InputError(f"{option} is {value!r}, and must be {_words(kind)}")
    for validator in (one for extra in get_args(kind)[1:] for one in getattr(extra, "validator", None) or ()):
        try:
            validator(kind, value)
        except ValueError as error:
            raise InputError(f"{option} is {value!r}, and {str(error).lower().removesuffix('.')}") from None


def _fits(value: object, kind: Any) -> bool:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _fits(value, inner[0])
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(one, inner[0]) for one in value)
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    return isinstance(value, str | Path if kind is Path else kind)


def _names(kind: Any) -> tuple[str, ...]:
    """The names that may be given, where nothing else may."""
    inner = get_args(kind)
    return inner if get_origin(kind) is Literal else tuple(name for one in inner[:1] for name in _names(one))


def _words(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return f"one of {', '.join(filter(None, inner))}"
    if origin is tuple:
        return f"{_words(inner[0])}, or a list of such"
    if origin is Annotated:
        return _words(inner[0])
    return " or ".join(_words(one) for one in inner if one is not NoneType) if inner else WORDS[kind]

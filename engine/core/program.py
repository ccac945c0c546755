"""How the program was called, for sentences that name a command, and the versions of it and its libraries."""

import shlex
from contextvars import ContextVar
from dataclasses import MISSING, fields
from typing import Any

_NAME: ContextVar[str] = ContextVar("program", default="gapscope")


def called() -> str:
    """What a user types before the name of a command: ``gapscope`` or ``python cli.py``."""
    return _NAME.get()


def typed(argument: str, config: Any, *without: str) -> str:
    """What stands behind a command that is typed again: its argument, and the options of a configuration that are not
    the usual ones, but for some.
    """
    words = [argument]
    for one in fields(config):
        value, option = getattr(config, one.name), one.name.replace("_", "-")
        usual = one.default if one.default_factory is MISSING else one.default_factory()
        if one.name in without or value == usual:
            continue
        given = value if isinstance(value, tuple) else (value,)
        words += [f"--{'no-' * (value is False)}{option}", *map(str, () if isinstance(value, bool) else given)]
    return shlex.join(words)


def version_of(library: str = "gapscope", unknown: str = "unknown") -> str:
    """The version of a library that is installed, `unknown` where none is."""
    from importlib.metadata import PackageNotFoundError, version  # here, because it takes longer than most of `--help`

    try:
        return version(library)
    except PackageNotFoundError:
        return unknown


def set_called(name: str) -> None:
    """Set what `called` says; done once, by the command line."""
    _NAME.set(name)

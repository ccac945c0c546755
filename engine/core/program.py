"""How the program was called, for sentences that name a command, and the versions of it and its libraries."""

import shlex
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import MISSING, fields
from inspect import cleandoc
from textwrap import wrap
from typing import Any

# How examples in docstrings call the program.
EXAMPLE = "python cli.py"
_EXAMPLE_WIDTH = 76
_NAME: ContextVar[str] = ContextVar("program", default="gapscope")


def called() -> str:
    """What a user types before the name of a command: ``gapscope`` or ``python cli.py``."""
    return _NAME.get()


def typed(arguments: Sequence[str], config: Any, *without: str) -> str:
    """What stands behind a command that is typed again: its arguments, and the options of a configuration that are not
    the usual ones, but for some.
    """
    words = [*arguments]
    for one in fields(config):
        value, option = getattr(config, one.name), one.name.replace("_", "-")
        usual = one.default if one.default_factory is MISSING else one.default_factory()
        if one.name in without or value == usual:
            continue
        given = value if isinstance(value, tuple) else (value,)
        words += [f"--{'no-' * (value is False)}{option}", *map(str, () if isinstance(value, bool) else given)]
    return shlex.join(words)


def shown(docstring: str, program: str) -> str:
    """A docstring in which a paragraph is one line, and examples, the paragraphs of commands, keep theirs, call the
    `program` and can be pasted.
    """
    result = []
    for paragraph in cleandoc(docstring).split("\n\n"):
        lines = [line.strip() for line in paragraph.splitlines()]
        is_example = lines[0].startswith(EXAMPLE)
        result.append("\n".join(map(_pasted, lines)) if is_example else " ".join(lines))
    return "\n\n".join(result).replace(EXAMPLE, program)


def _pasted(example: str) -> str:
    """An example as a narrow terminal shows it: in several lines that a shell reads as one."""
    lines = wrap(example, _EXAMPLE_WIDTH, break_long_words=False, break_on_hyphens=False)
    return " \\\n    ".join(lines)


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

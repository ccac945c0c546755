"""Commands as functions of Python: the same options, no terminal and no exit codes."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import numpy as np

from gapscope.blocks.formats import listed
from gapscope.core.errors import InputError, unknown_name
from gapscope.core.extras import extras_named
from gapscope.core.progress import SILENT, Progress
from gapscope.core.text import counted
from gapscope.core.values import check_value
from gapscope.jobs import ALIASES, COMMANDS, JOBS, configuration_of
from gapscope.runs.result import RunResult
from gapscope.runs.stored_names import with_stored_names

# Names that are taken: by packages of gapscope, and by Python.
RENAMED = {"runs": "list_runs", "backbones": "list_backbones", "import": "import_features"}
# Commands that take rows in memory, of any type, where the command line takes files.
TAKES_ROWS = frozenset({"import-features"})
NAMES = {RENAMED.get(name, name.replace("-", "_")): ALIASES.get(name, name) for name in (*COMMANDS, *ALIASES)}


@cache
def function(name: str) -> Callable[..., RunResult]:
    """The function `name` (``fit_incremental``, ``gap`` …), with the signature and the docstring of its command."""
    run = JOBS[NAMES[name]]
    config_type = configuration_of(NAMES[name])
    known, hints = fields(config_type), get_type_hints(config_type)
    bounded = get_type_hints(config_type, include_extras=True)
    positional = [field.name for field in known if not field.kw_only]
    needed = [field.name for field in known if field.default is field.default_factory is MISSING]

    def command(*arguments: object, progress: Progress = SILENT, **options: object) -> RunResult:
        for option in options:
            if option not in {field.name for field in known}:
                raise unknown_name(f"option of {name}", option, [field.name for field in known])
        if len(arguments) > len(positional):
            raise InputError(
                f"{name} takes {counted(len(positional), 'argument')} without a name and got {len(arguments)}; "
                f"give the others by name, such as {known[len(positional)].name}="
            )
        given = {
            key: _frozen(value, hints[key])
            for key, value in (dict(zip(positional, arguments, strict=False)) | options).items()
            if value is not None
        }
        if missing := [key for key in needed if key not in given]:
            raise InputError(f"{name} needs {listed(missing)}; see help(gapscope.{name})")
        for key, value in given.items() if NAMES[name] not in TAKES_ROWS else ():
            check_value(key, value, bounded[key])
        with extras_named(name):
            return run(with_stored_names(NAMES[name], config_type(**given)), progress)

    parameters = [_parameter(field, inspect.Parameter.POSITIONAL_OR_KEYWORD) for field in known if not field.kw_only]
    parameters += [_parameter(field, inspect.Parameter.KEYWORD_ONLY) for field in known if field.kw_only]
    command.__name__ = command.__qualname__ = name
    command.__doc__ = config_type.__doc__
    command.__signature__ = inspect.Signature(parameters, return_annotation=RunResult)
    return command


def _frozen(value: object, kind: object) -> object:
    """Lists as tuples, as configurations have them; one value where several may be given is one of these; a result
    stands for its run, and a path for its text where a text is wanted.
    """
    kinds = {kind, *get_args(kind), *(inner for one in get_args(kind) for inner in get_args(one))}
    if isinstance(value, list | tuple):
        return tuple(_frozen(one, str if str in kinds else None) for one in value)
    value = value.run if isinstance(value, RunResult) else value
    value = value.item() if isinstance(value, np.generic) else value
    value = str(value) if isinstance(value, Path) and str in kinds and Path not in kinds else value
    several = any(get_origin(one) is tuple for one in (kind, *get_args(kind)))
    return (value,) if several and isinstance(value, str | Path) else value


def _parameter(field, kind) -> inspect.Parameter:
    default = field.default if field.default is not MISSING else inspect.Parameter.empty
    if field.default_factory is not MISSING:
        default = field.default_factory()
    return inspect.Parameter(field.name, kind, default=default, annotation=field.type)

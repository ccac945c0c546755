"""Functions of the user's own, named as ``module:function``."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from gapscope.core.errors import InputError


def function_named(name: str, wanted: str) -> Callable[..., Any]:
    """The function called ``module:function``; modules are looked for in the current folder too.

    Importing a module runs its code, so that only a name which the user has typed may come here.

    Parameters
    ----------
    wanted
        What such a function has to be, as the end of a sentence.

    Raises
    ------
    InputError
        There is no such module or function. Its cause is a ModuleNotFoundError where there is no such module.
    """
    module, _, attribute = name.partition(":")
    if not (module and attribute):
        raise InputError(f"{name!r} names no function; {wanted}")
    here = str(Path.cwd())
    if here not in sys.path:  # as `python -m` has it: functions of one's own lie where one works
        sys.path.insert(0, here)
    try:
        function = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"there is no function {name!r} ({error}); {wanted}") from error
    if not callable(function):
        raise InputError(f"{name!r} is {type(function).__name__} and no function; {wanted}")
    return function

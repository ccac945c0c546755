"""Why does an image classifier lose accuracy on new data, and what wins it back?

Every command is a function here, with the same options: ``gapscope.fit("cifar10")`` does what ``gapscope fit cifar10``
does, and hands back a result with ``.frame()``, ``.figures``, ``.save()`` and a page that notebooks show. Beside them
stand `open_store`, `open_explorer` and the estimators. ``import gapscope`` loads none of it: names are imported when
they are used.
"""

from importlib import import_module
from typing import Any

_OBJECTS = {
    "open_store": "gapscope.store:open_store",
    "open_explorer": "gapscope.explorer.frame:open_explorer",
    "RunResult": "gapscope.runs.result:RunResult",
    "Estimate": "gapscope.blocks:Estimate",
}
_ESTIMATORS = "gapscope.estimators"
_COMMANDS = "gapscope.commands"


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _OBJECTS:
        module, attribute = _OBJECTS[name].split(":")
        return getattr(import_module(module), attribute)
    commands = import_module(_COMMANDS)
    if name in commands.NAMES:
        return commands.function(name)
    estimators = import_module(_ESTIMATORS)
    if name in estimators.__all__:
        return getattr(estimators, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    commands, estimators = import_module(_COMMANDS), import_module(_ESTIMATORS)
    return sorted([*_OBJECTS, *commands.NAMES, *estimators.__all__])

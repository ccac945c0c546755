"""A table of names and the objects they stand for, imported only when asked for."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from gapscope.core.errors import unknown_name


class Registry(Mapping[str, Any]):
    """Names of one `kind`, each with a ``"module:attribute"`` target.

    Listing the names imports nothing, so that ``--help`` and error messages stay instant; looking one up imports its
    module.
    """

    def __init__(self, kind: str, targets: Mapping[str, str]):
        self.kind = kind
        self.targets = dict(targets)

    def __getitem__(self, name: str) -> Any:
        if name not in self.targets:
            raise unknown_name(self.kind, name, self.targets)
        module, attribute = self.targets[name].split(":")
        return getattr(import_module(module), attribute)

    def __contains__(self, name: object) -> bool:
        return name in self.targets

    def __iter__(self) -> Iterator[str]:
        return iter(self.targets)

    def __len__(self) -> int:
        return len(self.targets)

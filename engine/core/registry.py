"""A table of names and the objects they stand for, imported only when asked for."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from gapscope.core.errors import UnknownNameError, unknown_name
from gapscope.core.extras import extras_named


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
            raise UnknownNameError(str(unknown_name(self.kind, name, self.targets, most=len(self.targets))))
        module, attribute = self.targets[name].split(":")
        with extras_named(f"the {self.kind} {name}"):
            return getattr(import_module(module), attribute)

    def __contains__(self, name: object) -> bool:
        return name in self.targets

    def __iter__(self) -> Iterator[str]:
        return iter(self.targets)

    def __len__(self) -> int:
        return len(self.targets)

    def __eq__(self, other: object) -> bool:
        """Whether another registry has the same names with the same targets; nothing is imported."""
        return isinstance(other, Registry) and (self.kind, self.targets) == (other.kind, other.targets)

    def __hash__(self) -> int:
        return hash((self.kind, tuple(self.targets.items())))

    def __repr__(self) -> str:
        return f"Registry({self.kind!r}, {self.targets!r})"

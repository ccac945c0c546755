"""How a last layer is trained again: on real features alone, with classes weighted, or with synthetic features."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gapscope.backbones.arguments import parse_backbone_args
from gapscope.core.errors import InputError, unknown_name
from gapscope.generators.balance import targets
from gapscope.generators.feature_generator import FeatureMethod
from gapscope.generators.features import FEATURE_GENERATORS
from gapscope.generators.recipe import recipe_of

PLAIN, BALANCED = "none", "class-balanced"
BALANCE = "to-max"
METHODS = (PLAIN, BALANCED, *FEATURE_GENERATORS)


@dataclass(frozen=True)
class Method:
    """A method that is asked for, checked.

    Attributes
    ----------
    name
        One of `METHODS`.
    balance
        How many rows it makes of each class; empty where it makes none.
    recipe
        Settings of the generator, but for the seed; None where there is none.
    """

    name: str
    balance: str = ""
    recipe: Any = None

    @property
    def title(self) -> str:
        """What results call it, behind the network's name."""
        if self.name == PLAIN:
            return "head refitted"
        return f"head {self.name} {self.balance}".rstrip()

    @property
    def class_weight(self) -> str:
        """The treatment of unequal classes, as `gapscope.probes.imbalance` names it."""
        return "balanced" if self.name == BALANCED else "none"

    @property
    def generator(self) -> FeatureMethod | None:
        """What makes rows; None where nothing does."""
        return FEATURE_GENERATORS[self.name] if self.balance else None

    def seeded(self, seed: int) -> Any:
        """The recipe for the network of a seed."""
        return replace(self.recipe, seed=seed) if hasattr(self.recipe, "seed") else self.recipe


def method_of(name: str, balance: str = BALANCE, settings: Sequence[str] = (), l2: float | None = None) -> Method:
    """The method called `name`, with the size that classes are filled up to and ``name=value`` of its generator.

    Raises
    ------
    InputError
        There is no such method, it has no such setting, or a value means nothing.
    """
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    if l2 is not None and not l2 >= 0:
        raise InputError(f"--l2 is {l2}; give 0 or more, or leave it to the validation images")
    if name in FEATURE_GENERATORS:
        targets([1, 1], balance)
        return Method(name, balance, recipe_of(name, parse_backbone_args(settings)))
    given = [*(["--balance"] if balance != BALANCE else []), *(["--settings"] if settings else [])]
    if given:
        raise InputError(f"--method {name} makes no synthetic features; leave out {', '.join(given)}")
    return Method(name)

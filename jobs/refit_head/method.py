"""How a last layer is learnt again: on real features alone, with classes weighted, or with synthetic features."""

from dataclasses import dataclass, fields, replace
from typing import Any

from gapscope.backbones.arguments import parse_backbone_args
from gapscope.core.errors import InputError, unknown_name
from gapscope.generators.balance import targets
from gapscope.generators.feature_generator import FeatureMethod
from gapscope.generators.features import FEATURE_GENERATORS
from gapscope.generators.recipe import recipe_of
from gapscope.jobs.refit_head.config import RefitHeadConfig

PLAIN, BALANCED = "none", "class-balanced"
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
    def told(self) -> str:
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


def method_of(config: RefitHeadConfig) -> Method:
    """The method that the options name.

    Raises
    ------
    InputError
        There is no such method, it has no such setting, or a value means nothing.
    """
    if config.method not in METHODS:
        raise unknown_name("method", config.method, METHODS)
    if config.l2 is not None and not config.l2 >= 0:
        raise InputError(f"--l2 is {config.l2}; give 0 or more, or leave it to the validation images")
    if config.method in FEATURE_GENERATORS:
        targets([1, 1], config.balance)
        return Method(config.method, config.balance, recipe_of(config.method, parse_backbone_args(config.settings)))
    usual = {one.name: one.default for one in fields(config)}
    given = [f"--{name}" for name in ("balance", "settings") if getattr(config, name) != usual[name]]
    if given:
        raise InputError(f"--method {config.method} makes no synthetic features; leave out {', '.join(given)}")
    return Method(config.method)

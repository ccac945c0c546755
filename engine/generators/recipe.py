"""What a generator's recipe is set to, from what a user gives for it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args, get_type_hints

from gapscope.core.errors import InputError, unknown_name
from gapscope.generators import GENERATORS
from gapscope.generators.features import FEATURE_GENERATORS

SEED = "seed"


def recipe_of(method: str, given: Mapping[str, Any], seed: int | None = None) -> Any:
    """The recipe of a member of `GENERATORS` or `FEATURE_GENERATORS`, a frozen dataclass, checked.

    Parameters
    ----------
    given
        Values by the name of the recipe's field; whole numbers serve as numbers.
    seed
        For recipes that have one; their own if None.

    Raises
    ------
    InputError
        There is no such setting, or a value means nothing.
    """
    kind = (FEATURE_GENERATORS if method in FEATURE_GENERATORS else GENERATORS)[method].recipe
    hints = get_type_hints(kind)
    known = {name: hint for name, hint in hints.items() if name != SEED}
    for name in given:
        if name not in known:
            raise unknown_name(f"setting of {method}", name, known)
    seeded = {} if seed is None or SEED not in hints else {SEED: seed}
    recipe = replace(kind(), **seeded, **{name: _typed(name, value, known[name]) for name, value in given.items()})
    recipe.check()
    return recipe


def _typed(name: str, value: Any, hint: Any) -> Any:
    kinds = get_args(hint) or (hint,)
    value = float(value) if type(value) is int and int not in kinds and float in kinds else value
    if type(value) not in kinds:
        raise InputError(
            f"setting {name} is {value!r}; it must be of type {' or '.join(one.__name__ for one in kinds)}"
        )
    return value

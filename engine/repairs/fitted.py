"""What every repair gives: a linear head in place of the old one, or the reason why there is none."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np

from gapscope.probes.rules.linear import NEVER, Linear
from gapscope.repairs.seen import Labelled, Seen

Array = np.ndarray
T = TypeVar("T")


class Fitted(NamedTuple):
    """A repaired head, with what it rests on; without a head, the reason why the repair does not apply."""

    head: Linear | None
    note: str


@dataclass(frozen=True)
class Old:
    """The head that is repaired: its rule, and the temperature that makes probabilities of its scores."""

    rule: Linear
    temperature: float
    shared: dict[Any, tuple[Labelled, Seen, Any]] = field(default_factory=dict, repr=False, compare=False)

    def once(self, made: Callable[["Old", Labelled, Seen], T], reference: Labelled, target: Seen) -> T:
        """What `made` gives, which is made once for all repairs that ask for it before other sets come."""
        last = self.shared.get(made)
        if last is None or last[0] is not reference or last[1] is not target:
            self.shared[made] = reference, target, made(self, reference, target)
        return self.shared[made][2]


# From the old head, the reference and the target; the same summaries give the same head.
Repair = Callable[[Old, Labelled, Seen], Fitted]


def folded(rule: Linear, origin: Array, move: Array, stretch: Array | None = None) -> Linear:
    """The head whose score of a row ``z`` is that of `rule` for ``z + (z - origin) @ stretch + move``.

    ``origin, move : (d,)``; ``stretch : (d, d)``, or ``(d,)`` for a diagonal. Computed in float64. A class that is
    never predicted stays so.
    """
    weight = rule.weight.astype(np.float64)
    added = np.zeros_like(weight)
    if stretch is not None:
        added = weight @ stretch.T if stretch.ndim == 2 else weight * stretch
    bias = rule.bias + weight @ move - added @ origin
    bias[rule.bias <= NEVER] = NEVER
    return Linear((weight + added).astype(np.float32), bias.astype(np.float32))

"""Whether causes that have nothing in common explain as much: then what differs is not how the images were made.

Whatever is done to images makes their contents harder to see, and moves them towards others that are seen as little.
So where contents differ, turned, bent and covered images all come as near to the target, and none of it has happened.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gapscope.causes.families import KINDS, OWN
from gapscope.causes.proof import Proof
from gapscope.causes.search import Search
from gapscope.inference import interval_of

Array = np.ndarray
# From this correlation on of what two causes do to an image, beyond what they do to all, they have something in common.
# Of blur and fewer pixels it is 0.96, of two noises 0.67, of fog and haze 0.34, of a quarter and half a turn 0.32; of a
# turn and a bend 0.11, of motion blur and a crop 0.08.
COMMON = 0.25


@dataclass(frozen=True, eq=False)
class Rivals:
    """The single causes that were proven, which any explanation is compared with."""

    search: Search
    proofs: Sequence[Proof]

    def against(self, proof: Proof) -> Proof:
        """The proof with the causes of other families that are named too, explain as much and leave as little to
        distinguish, and have nothing in common with it.
        """
        found = [one for one in self.proofs if proof.is_named and self._is_against(proof, one)]
        return proof._replace(against=tuple(one.explanation.name for one in found))

    def _is_against(self, proof: Proof, other: Proof) -> bool:
        allowed = proof.auc + proof.inseparable - 0.5
        return (
            other.is_named
            and not families(proof) & families(other)
            and other.auc <= allowed
            and self._explains_as_much(proof, other)
            and self.common(proof, other) < COMMON
        )

    def _explains_as_much(self, proof: Proof, other: Proof) -> bool:
        halves = self.search.reference.halves[1], self.search.target.halves[1]
        one, more = (self.search.replicates(each.explanation, *halves)[1] for each in (proof, other))
        return interval_of(one - more)[0] <= 0

    def common(self, proof: Proof, other: Proof) -> float:
        """The correlation of what two causes do to the features of an image, beyond what each does to all images and
        beyond taking away a share of what sets an image apart.
        """
        rows, dim = self.search.reference.halves[1], self.search.target.x.shape[1]
        plain = self.search.plain[rows, :dim]
        moves = [
            beyond(made[:, :dim] - plain, plain)
            for each in (proof, other)
            if each.explanation.main
            for made in self.search.made([each.explanation.main], rows)
        ]
        return correlation(*moves) if len(moves) == 2 else 1.0


def families(proof: Proof) -> set[str]:
    """Of the causes of an explanation."""
    return {KINDS[name].family if name in KINDS else OWN for name in proof.explanation.name.split("+")}


def beyond(moves: Array, plain: Array) -> Array:
    """What is left of the ``moves : (n, d)`` of images at ``plain : (n, d)`` without their mean, and without the share
    of what is the image's own that they take away.
    """
    own, moves = plain - plain.mean(axis=0), moves - moves.mean(axis=0)
    return moves - own * (np.vdot(own, moves) / max(np.vdot(own, own), np.finfo(float).tiny))


def correlation(one: Array, other: Array) -> float:
    """Of two arrays about 0; 1 where one of them is 0 but for rounding."""
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return float(np.vdot(one, other) / lengths) if lengths else 1.0

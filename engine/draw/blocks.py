"""Confusions of many classes, readable by blocks of classes that are taken for each other."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from scipy.spatial.distance import squareform

from gapscope.draw.canvas import PAGE, Size
from gapscope.draw.matrix import confusion

# Blocks that a page can show, and names of classes in that of a block.
BLOCKS, NAMED = 20, 2


class Blocks(NamedTuple):
    """Classes in an order in which those that are confused stand side by side.

    Attributes
    ----------
    order : (k,)
        Class indices.
    block : (k,)
        By class, from 0 in that order.
    names
        By block: its largest classes and how many more.
    """

    order: np.ndarray
    block: np.ndarray
    names: list[str]

    @classmethod
    def of(cls, names: Sequence[str], counts: np.ndarray, most: int = BLOCKS) -> "Blocks":
        """At most `most` blocks of ``counts : (k, k)``, of true by given class: average linkage of confusion.

        Two classes are the nearer the larger the mean share of either that is taken for the other. Cost k² log k.
        """
        counts = np.asarray(counts)
        if len(counts) == 1:
            return cls(np.zeros(1, np.int64), np.zeros(1, np.int64), [names[0]])
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        far = 1 - (shares + shares.T) / 2
        np.fill_diagonal(far, 0)
        tree = linkage(squareform(far, checks=False), "average", optimal_ordering=len(counts) <= 2 * BLOCKS)
        order, group = leaves_list(tree), fcluster(tree, most, "maxclust")
        first = {one: place for place, one in enumerate(dict.fromkeys(group[order].tolist()))}
        block = np.array([first[one] for one in group.tolist()])
        return cls(order, block, [_named(names, order[block[order] == one], counts) for one in range(len(first))])

    def summed(self, counts: np.ndarray) -> np.ndarray:
        """Counts between blocks."""
        among = np.eye(len(self.names), dtype=np.int64)[self.block]
        return among.T @ np.asarray(counts) @ among


def block_confusion(names: Sequence[str], counts: np.ndarray, *, title: str, size: Size = PAGE) -> Figure:
    """Shares of each block's images that were given a class of another block; what stays inside a block is no colour.

    For up to 20 classes each is a block of its own, in the order in which they are confused.
    """
    result = Blocks.of(names, counts)
    inside = np.trace(result.summed(counts)) - np.trace(np.asarray(counts))
    wrong = np.asarray(counts).sum() - np.trace(np.asarray(counts))
    stays = f"; {inside / wrong:.0%} of errors stay inside a block" if wrong and inside else ""
    said = f"{title}: {len(names):,} classes in {len(result.names)} blocks{stays}"
    return confusion(result.names, result.summed(counts), title=said, size=size)


def _named(names: Sequence[str], members: np.ndarray, counts: np.ndarray) -> str:
    """The classes with the most images, and how many others there are."""
    largest = members[np.argsort(-counts[members].sum(axis=1), kind="stable")]
    words = ", ".join(names[one].split(",")[0][:14] for one in largest[:NAMED])
    return words if len(members) <= NAMED else f"{words} + {len(members) - NAMED:,}"

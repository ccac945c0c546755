"""Decision trees that vote: the score of a class is the logarithm of its share of the votes.

A tree takes the left branch where ``x[feature] <= threshold``. scikit-learn compares a float32 feature with a float64
threshold; that threshold rounded down to float32 decides alike for every float32 number, in half the space. Most leaves
know one or two of perhaps a thousand classes, so that their shares are kept as sparse rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar, NamedTuple

import numba
import numpy as np
from scipy.sparse import csr_array, vstack

from gapscope.probes.rules.linear import NEVER

LEAF = -1
# Rows (of features, of leaves) looked at together: at 1000 classes their votes take 16 MB.
BLOCK_ROWS = 2048


class Grown(NamedTuple):
    """One tree, or several behind each other, as arrays.

    Attributes
    ----------
    root : (t,) int64
        Node at which each tree begins.
    feature : (m,) int32
        Which feature a node looks at; `LEAF` for a leaf.
    threshold : (m,) float32
    left, right : (m,) int32
        Where a node leads, counted from the root of its tree; at a leaf `left` is its number, counted over all trees.
    start : (leaves + 1,) int64
        Leaf ``l`` has the entries ``start[l] <= i < start[l + 1]`` of the two that follow.
    label : (entries,) int32
        A class among the tree's training rows at the leaf.
    share : (entries,) float32
        Its share of their weight.
    """

    root: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    start: np.ndarray
    label: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, tree: Any, classes: np.ndarray) -> "Grown":
        """The tree of a fitted ``DecisionTreeClassifier`` (its ``tree_``) whose classes are `classes` of ours."""
        leaf = tree.children_left < 0
        known = _sparse(tree.value, np.flatnonzero(leaf))
        total = np.add.reduceat(known.data, known.indptr[:-1])
        return cls(
            np.zeros(1, np.int64),
            np.where(leaf, LEAF, tree.feature).astype(np.int32),
            rounded_down(np.where(leaf, 0, tree.threshold)),
            np.where(leaf, np.cumsum(leaf) - 1, tree.children_left).astype(np.int32),
            tree.children_right.astype(np.int32),
            known.indptr.astype(np.int64),
            np.asarray(classes)[known.indices].astype(np.int32),
            (known.data / np.repeat(total, np.diff(known.indptr))).astype(np.float32),
        )

    @classmethod
    def joined(cls, trees: Sequence["Grown"]) -> "Grown":
        """All `trees` behind each other."""
        nodes = list(accumulate((len(tree.feature) for tree in trees), initial=0))
        leaves = list(accumulate((len(tree.start) - 1 for tree in trees), initial=0))
        entries = list(accumulate((len(tree.label) for tree in trees), initial=0))
        moved = [
            tree._replace(
                root=tree.root + node,
                left=np.where(tree.feature == LEAF, tree.left + leaf, tree.left).astype(np.int32),
                start=tree.start[:-1] + entry,
            )
            for tree, node, leaf, entry in zip(trees, nodes, leaves, entries, strict=False)
        ]
        whole = cls(*(np.concatenate(arrays) for arrays in zip(*moved, strict=True)))
        return whole._replace(start=np.append(whole.start, entries[-1]))


def _sparse(value: np.ndarray, leaves: np.ndarray) -> csr_array:
    """The rows `leaves` of ``value : (m, 1, k)``, which is nearly all zeros, without a copy of it all."""
    blocks = [leaves[low : low + BLOCK_ROWS] for low in range(0, len(leaves), BLOCK_ROWS)]
    return vstack([csr_array(value[block, 0]) for block in blocks], "csr")


def rounded_down(threshold: np.ndarray) -> np.ndarray:
    """The largest float32 numbers that are not above ``threshold : (m,) float64``."""
    near = threshold.astype(np.float32)
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)


def _read_only(kind: Any, dimensions: int = 1) -> Any:
    return numba.types.Array(kind, dimensions, "C", readonly=True)


_WHOLE, _LONG, _REAL = _read_only(numba.int32), _read_only(numba.int64), _read_only(numba.float32)
_SIGNATURE = numba.void(
    _read_only(numba.float32, 2),
    *(_LONG, _WHOLE, _REAL, _WHOLE, _WHOLE, _LONG, _WHOLE, _REAL),
    numba.float64[:, ::1],
)


@numba.njit(_SIGNATURE, nogil=True, cache=True)
def _vote(x, root, feature, threshold, left, right, start, label, share, votes):
    for tree in range(root.size):  # tree by tree: the nodes of one stay in the cache while all rows walk through it
        first = root[tree]
        for row in range(x.shape[0]):
            node = first
            while feature[node] >= 0:
                below = x[row, feature[node]] <= threshold[node]
                node = first + (left[node] if below else right[node])
            leaf = left[node]
            for entry in range(start[leaf], start[leaf + 1]):
                votes[row, label[entry]] += share[entry]


@dataclass(frozen=True)
class Trees:
    """The mean of the trees' leaf shares, smoothed as if one more tree had voted with the class frequencies.

    Without that vote a class that no leaf names would score minus infinity, and so would its log-loss.

    Attributes
    ----------
    grown
        The trees.
    frequency : (k,) float32
        Share of each class in the weight of the training rows; zero for a class without rows.
    """

    grown: Grown
    frequency: np.ndarray
    kind: ClassVar[str] = "trees"

    @property
    def trees(self) -> int:
        """Number of trees."""
        return len(self.grown.root)

    def shares(self, x: np.ndarray) -> np.ndarray:
        """Mean leaf shares ``(n, k)`` float64 of ``x : (n, d)``, as scikit-learn's ``predict_proba``.

        About ``n t log2(leaves)`` steps; 8 n k bytes.
        """
        votes = np.zeros((len(x), len(self.frequency)))
        _vote(np.ascontiguousarray(x, np.float32), *self.grown, votes)
        votes /= self.trees
        return votes

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Scores ``(n, k)`` float32 of ``x : (n, d)``."""
        scores = np.full((len(x), len(self.frequency)), NEVER)
        present = self.frequency > 0
        for low in range(0, len(x), BLOCK_ROWS):
            votes = self.shares(x[low : low + BLOCK_ROWS])[:, present] * self.trees
            scores[low : low + BLOCK_ROWS, present] = np.log((votes + self.frequency[present]) / (self.trees + 1))
        return scores

    def tensors(self) -> dict[str, np.ndarray]:
        """See `Rule.tensors`."""
        return self.grown._asdict() | {"frequency": self.frequency}

    def settings(self) -> dict[str, Any]:
        """See `Rule.settings`."""
        return {}

    @classmethod
    def restore(cls, tensors: Mapping[str, np.ndarray], _settings: Mapping[str, Any]) -> "Trees":
        """See `Rule.restore`."""
        return cls(Grown(*(tensors[name] for name in Grown._fields)), tensors["frequency"])

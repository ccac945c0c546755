"""Distances between every two of several sets, and the tree that joins the nearest first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from gapscope.shifts.battery import Battery


@dataclass(frozen=True, eq=False)
class Distances:
    """The headline of one statistic between all sets.

    Attributes
    ----------
    statistic
        Name of the verdict.
    sets
        s names.
    values : (s, s) float64
        Symmetric, 0 on the diagonal.
    """

    statistic: str
    sets: tuple[str, ...]
    values: np.ndarray

    def rows(self) -> list[dict[str, Any]]:
        """A row for each two sets: statistic, their names and positions, and the distance."""
        return [
            {"statistic": self.statistic, "one": self.sets[i], "other": self.sets[j], "i": i, "j": j, "distance": value}
            for (i, j), value in ((pair, float(self.values[pair])) for pair in combinations(range(len(self.sets)), 2))
        ]

    def tree(self) -> list[dict[str, Any]]:
        """Average linkage as SciPy has it, a row for each joint: two clusters, their distance and the number of sets
        below. Clusters below s are the sets by position, and joint i is cluster s + i;
        `scipy.cluster.hierarchy.dendrogram` takes the four columns.
        """
        joints = linkage(squareform(self.values, checks=False), "average")
        return [
            {"statistic": self.statistic, "first": int(a), "second": int(b), "distance": float(at), "sets": int(below)}
            for a, b, at, below in joints
        ]


def distances(battery: Battery, names: Sequence[str]) -> list[Distances]:
    """Between all sets of a battery, by the headline of each of the statistics `names`; those that were not measured
    for some two sets are left out.

    No set is read again: ranks come from histograms.
    """
    swift = replace(battery, options=replace(battery.options, exact_bytes=0))
    sets = tuple(view.store.name for view in battery.views)
    result = {name: np.zeros((len(sets), len(sets))) for name in names}
    titles = {}
    for i, j in combinations(range(len(sets)), 2):
        for name, findings in swift.compare(i, j, names).items():
            headline = findings.verdicts[0]
            titles[name] = headline.statistic
            result[name][i, j] = result[name][j, i] = headline.value
    return [Distances(titles[name], sets, values) for name, values in result.items() if np.isfinite(values).all()]

"""The points of a map that can be drawn, which are those with two finite coordinates."""

from typing import NamedTuple

import numpy as np

from gapscope.core.errors import InputError


class Cloud(NamedTuple):
    """Coordinates without gaps, and which of the rows they belong to.

    Attributes
    ----------
    x, y : (m,) float32 or float64
        Finite.
    kept : (n,) bool
        The rows that these are; m of them.
    """

    x: np.ndarray
    y: np.ndarray
    kept: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray) -> "Cloud":
        """The points of ``x, y : (n,)`` that have both coordinates.

        Raises
        ------
        InputError
            The lengths differ, or no point can be drawn.
        """
        x, y = (_floats(one) for one in (x, y))
        if x.ndim != 1 or x.shape != y.shape:
            raise InputError(f"x has the shape {x.shape} and y {y.shape}; give one number of each for a point")
        kept = np.isfinite(x) & np.isfinite(y)
        if not kept.any():
            raise InputError(f"none of {len(x):,} points has two finite coordinates; there is nothing to draw")
        return cls(x, y, kept) if kept.all() else cls(x[kept], y[kept], kept)

    @property
    def n(self) -> int:
        """Points that can be drawn."""
        return len(self.x)

    def column(self, values: np.ndarray, name: str) -> np.ndarray:
        """Of a column ``(n,)`` of all rows, the values ``(m,)`` of the points.

        Raises
        ------
        InputError
            The column has another length.
        """
        values = np.asarray(values)
        if values.shape != self.kept.shape:
            raise InputError(f"{name} has the shape {values.shape}, but there are {len(self.kept):,} points")
        return values if self.n == len(values) else values[self.kept]

    def only(self, chosen: np.ndarray) -> "Cloud":
        """The points of the mask ``(m,)``."""
        kept = self.kept.copy()
        kept[kept] = chosen
        return Cloud(self.x[chosen], self.y[chosen], kept)

    def caption(self, drawn: int | None = None, reason: str = "") -> str:
        """How many points are drawn, how many are not, and why.

        >>> Cloud.of([0, 1, np.nan], [0, 1, 2]).caption()
        '2 points drawn; 1 left out without finite coordinates.'
        """
        drawn = self.n if drawn is None else drawn
        missing = len(self.kept) - self.n
        parts = [f"{drawn:,} point{'s' * (drawn != 1)} drawn"]
        parts += [f"{missing:,} left out without finite coordinates"] if missing else []
        parts += [f"{self.n - drawn:,} left out {reason}"] if drawn < self.n else []
        return "; ".join(parts) + "."


def _floats(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)

"""Rows of a sparse matrix, which become dense as they are read."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class SparseRows:
    """A matrix in SciPy's CSR form where an array ``(n, d)`` is read by runs of rows; memory: a run of dense rows."""

    matrix: Any

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and features."""
        return self.matrix.shape

    def __len__(self) -> int:
        return self.matrix.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self.matrix[rows].toarray()

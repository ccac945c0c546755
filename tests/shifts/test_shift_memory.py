"""What comparing sets takes is known before the first row is read."""

import pytest

from gapscope.core.errors import BudgetError
from gapscope.shifts.memory import check_memory

SIZE = {"dim": 1024, "classes": 10, "threads": 1}


def test_the_classifier_counts_the_rows_that_it_learns_from():
    rows = [1_000_000, 50_000]
    check_memory(["moments"], rows, allowed="400MB", **SIZE)
    with pytest.raises(BudgetError, match=r"comparing 2 sets of 1,024 features and 10 classes needs about .* MiB"):
        check_memory(["moments", "classifier"], rows, allowed="400MB", **SIZE)


def test_the_classifier_of_any_number_of_rows_fits_into_the_usual_memory():
    check_memory(["classifier"], [1_281_167, 1_281_167], allowed="2GB", dim=1024, classes=1000, threads=2)

"""What a repair advises agrees with what it was seen to win back."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from gapscope.repairs.page import _next, _price

ABOUT = {"labels": 0, "reference": "a/test", "target": "b/test", "judged": True}


@pytest.mark.parametrize(
    ("low", "high", "uses", "keeps"),
    [
        (0.01, 0.09, True, False),
        (-0.04, 0.05, False, True),
        (0.0, 0.05, False, True),
        (-0.05, -0.01, False, True),
        (None, None, True, False),
    ],
)
def test_a_model_is_advised_where_it_gains_or_nothing_judges_it(low, high, uses, keeps):
    manifest = SimpleNamespace(config={"target": "b/test"})
    run = SimpleNamespace(place=Path("run"), manifest=manifest, command=lambda *words: " ".join(words))
    row = {"name": "coral", "target_value": low, "target_low": low, "target_high": high}
    said = " ".join(_next(run, row, ABOUT))
    assert ("Use the model" in said, "Keep the old model" in said) == (uses, keeps)


def test_labels_that_chose_a_repair_which_needs_none_are_not_passed_over():
    row = {"labels": 0, "seconds": 0.4, "reference_value": 0.0, "reference_low": 0.0, "reference_high": 0.0}
    assert "no labels (60 chose it);" in _price(row, [row], ABOUT | {"labels": 60, "no_labels_because": ""})
    assert "no labels;" in _price(row, [row], ABOUT)

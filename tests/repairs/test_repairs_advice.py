"""What a repair advises agrees with what it was seen to win back."""

from types import SimpleNamespace

import pytest

from gapscope.repairs.page import _next

ABOUT = {"labels": 0, "reference": "a/test", "target": "b/test"}


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
    run = SimpleNamespace(manifest=SimpleNamespace(config={"target": "b/test"}), command=lambda *words: " ".join(words))
    row = {"name": "coral", "target_value": low, "target_low": low, "target_high": high}
    said = " ".join(_next(run, row, ABOUT))
    assert ("Use the model" in said, "Keep the old model" in said) == (uses, keeps)

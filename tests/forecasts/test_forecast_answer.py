"""The answer of a forecast speaks of an interval only where it gives one."""

import pytest
from scipy.stats import binomtest

from gapscope.forecasts.page import answer

ROW = {"dataset": "b", "split": "test", "model": "m", "metric": "forecast_atc", "value": 0.8}
GIVEN = {"model": "m", "set": "b/test", "value": 0.8, "low": 0.7, "high": 0.9, "reason": ""}
REFUSED = GIVEN | {"value": None, "reason": "too few labelled rows"}


WRONG, CHANCE = "the forecast is wrong here", "by what chance may do to so few labels"


@pytest.mark.parametrize(
    ("right", "n", "advised", "says"),
    [
        (75, 100, [GIVEN], ""),
        (550, 1000, [GIVEN], WRONG),
        (980, 1000, [GIVEN], WRONG),
        (6, 10, [GIVEN], CHANCE),
        (10, 10, [GIVEN], CHANCE),
        (550, 1000, [REFUSED], ""),
        (550, 1000, [], ""),
    ],
)
def test_labels_that_contradict_a_forecast_say_so_unless_they_are_too_few(right, n, advised, says):
    truth = {"value": right / n, "low": None, "high": None, "n": n}
    said = dict(answer([ROW], {("b/test", "m"): truth}, advised).parts)["How sure"]
    low, high = binomtest(right, n).proportion_ci(method="exact")
    assert f"say {100 * right / n:.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f}) for m" in said
    assert [text for text in (WRONG, CHANCE) if text in said] == ([says] if says else [])


@pytest.mark.parametrize(
    ("advised", "says"), [([], False), ([REFUSED], False), ([GIVEN], True), ([REFUSED, GIVEN], True)]
)
def test_an_interval_is_described_where_there_is_one(advised, says):
    said = dict(answer([ROW], {}, advised).parts)["How sure"]
    assert ("The interval holds" in said) == says
    assert "cannot be seen without labels" in said


def test_models_whose_accuracy_cannot_be_forecast_for_the_same_reason_share_a_sentence():
    advised = [REFUSED | {"model": name} for name in ("lda", "sgd")] + [GIVEN | {"model": "softmax"}]
    found = answer([ROW], {}, advised)
    assert found.headline == "The accuracy of lda and sgd on b/test cannot be forecast: too few labelled rows"
    seen = dict(found.parts)["What was seen"]
    assert "softmax is expected to classify 80.0 % of b/test correctly, between 70.0 % and 90.0 %." in seen
    assert "lda" not in seen

"""The answer of a forecast speaks of an interval only where it gives one."""

import pytest

from gapscope.forecasts.page import answer

ROW = {"dataset": "b", "split": "test", "model": "m", "metric": "forecast_atc", "value": 0.8}
GIVEN = {"model": "m", "set": "b/test", "value": 0.8, "low": 0.7, "high": 0.9, "reason": ""}
REFUSED = GIVEN | {"value": None, "reason": "too few labelled rows"}


@pytest.mark.parametrize(
    ("value", "advised", "wrong"),
    [(0.75, [GIVEN], False), (0.65, [GIVEN], True), (0.95, [GIVEN], True), (0.65, [REFUSED], False), (0.65, [], False)],
)
def test_labels_that_contradict_a_forecast_say_so(value, advised, wrong):
    said = dict(answer([ROW], {("b/test", "m"): {"value": value}}, advised).parts)["How sure"]
    assert f"The labels of b/test say {100 * value:.1f} % for m" in said
    assert ("the forecast is wrong here" in said) == wrong


@pytest.mark.parametrize(
    ("advised", "says"), [([], False), ([REFUSED], False), ([GIVEN], True), ([REFUSED, GIVEN], True)]
)
def test_an_interval_is_described_where_there_is_one(advised, says):
    said = dict(answer([ROW], {}, advised).parts)["How sure"]
    assert ("The interval holds" in said) == says
    assert "cannot be seen without labels" in said

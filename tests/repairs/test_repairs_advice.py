"""What a repair advises agrees with what it was seen to win back."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from toy_runs import write_run

from gapscope.core.location import Location
from gapscope.repairs.page import _next, _price
from gapscope.runs.run import read_run

ABOUT = {"labels": 0, "reference": "a/test", "target": "b/test", "judged": True, "model": "softmax"}
STORES = [{"place": f"embeddings/tiny/{name}/test", "config_hash": name, "rows": 60} for name in "ab"]


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
    row = {"name": "coral", "target_value": low, "target_low": low, "target_high": high, "reference_value": -0.001}
    said = " ".join(_next(run, row, ABOUT))
    assert ("Use the model" in said, "Keep the old model" in said) == (uses, keeps)


@pytest.mark.parametrize(
    ("fitted", "judged", "said"),
    [
        (30, True, "--label-rows 30"),
        (900, True, "--label-rows 100"),
        (30, False, "label-queue fit-a --target b/test"),
    ],
)
def test_the_command_that_tries_labels_asks_for_as_many_as_there_are(tmp_path, fitted, judged, said):
    """A run of a set of 60 rows advised 100 labels, and the command was refused."""

    labels, cause = _next(nothing_won(tmp_path), {"name": "nothing"}, ABOUT | {"fitted": fitted, "judged": judged})
    assert said in labels
    assert "explain fit-a --reference a/test --target b/test" in cause


@pytest.mark.parametrize("explain", ["none", "explain-a"])
def test_a_cause_that_must_not_be_used_or_is_used_is_not_asked_for(tmp_path, explain):
    run = nothing_won(tmp_path, explain)
    assert len(_next(run, {"name": "nothing"}, ABOUT | {"fitted": 900})) == 1


@pytest.mark.parametrize(("model", "hashes", "asked"), [("softmax", "ab", 1), ("lda", "ab", 2), ("softmax", "ac", 2)])
def test_a_cause_that_has_been_looked_for_is_not_asked_for_again(tmp_path, model, hashes, asked):
    findings = {"model": model, "reference": "a/test", "target": "b/test", "rows": [60, 60], "proofs": []}
    inputs = [one | {"config_hash": name} for one, name in zip(STORES, hashes, strict=True)]
    write_run(tmp_path / "explain-a", "explain", files={"explanation": findings}, inputs=inputs)
    assert len(_next(nothing_won(tmp_path), {"name": "nothing"}, ABOUT | {"fitted": 900})) == asked


def nothing_won(runs, explain=""):
    """A run of `repair` that has chosen nothing."""
    config = {"target": "b/test", "run": "fit-a", "explain": explain}
    return read_run(Location.of(write_run(runs / "repair-a", "repair", config=config, inputs=STORES)))


@pytest.mark.parametrize(
    ("cost", "warned"), [(-0.2, True), (-0.05, True), (-0.04, False), (0.01, False), (None, False)]
)
def test_a_model_that_loses_more_than_it_wins_is_advised_for_the_target_alone(cost, warned):
    manifest = SimpleNamespace(config={"target": "b/test"})
    run = SimpleNamespace(place=Path("run"), manifest=manifest, command=lambda *words: " ".join(words))
    row = {"name": "coral", "target_value": 0.05, "target_low": 0.01, "target_high": 0.09, "labels": 0, "seconds": 1.0}
    row |= {"reference_value": cost, "reference_low": cost, "reference_high": cost}
    said = " ".join(_next(run, row, ABOUT)), _price(row, [row], ABOUT)
    assert ("for images like those of b/test alone" in said[0], "more than it wins back" in said[1]) == (warned, warned)


def test_labels_that_chose_a_repair_which_needs_none_are_not_passed_over():
    row = {"labels": 0, "seconds": 0.4, "reference_value": 0.0, "reference_low": 0.0, "reference_high": 0.0}
    row["target_value"] = 0.05
    assert "no labels (60 chose it);" in _price(row, [row], ABOUT | {"labels": 60, "no_labels_because": ""})
    assert "no labels;" in _price(row, [row], ABOUT)

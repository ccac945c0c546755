"""Where both sets have labels, a mix of classes that moved beyond chance stands on the first screen of a shift."""

import numpy as np
import pytest
from conftest import write_store
from scipy.stats import binom, chi2_contingency

from gapscope.blocks import Answer
from gapscope.jobs.shift import ShiftConfig, run
from gapscope.shifts.class_mix import class_mix

NAMES = ["ant", "bee", "cow"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Features that say nothing of the class; labels of one mix, of another, in another order, and none."""
    place, rng = tmp_path_factory.mktemp("mix"), np.random.default_rng(5)
    for name, shares, classes in (
        ("a", (0.5, 0.3, 0.2), NAMES),
        ("same", (0.5, 0.3, 0.2), NAMES),
        ("other", (0.2, 0.32, 0.48), NAMES),
        ("turned", (0.2, 0.3, 0.5), NAMES[::-1]),
        ("none", None, NAMES),
    ):
        y = np.full(400, -1) if shares is None else np.repeat(np.arange(3), (np.array(shares) * 400).astype(int))
        x = rng.standard_normal((400, 4)).astype(np.float32)
        write_store(place / "embeddings" / "toy" / name / "test", x, y, dataset=name, split="test", class_names=classes)
    return place


def said(workspace, *targets, **options):
    target = tuple(f"{one}/test" for one in targets)
    done = run(ShiftConfig(reference="a/test", target=target, statistics=("moments",), workspace=str(workspace)))
    (answer,) = [block for block in done.blocks if isinstance(block, Answer)]
    return answer.headline, dict(answer.parts).get("What was seen", "")


@pytest.mark.parametrize(("target", "more", "less"), [("other", "cow", "ant"), ("turned", "", "")])
def test_a_mix_that_moved_is_said_first(workspace, target, more, less):
    """Of the classes in another order, a mix by index would be another and that by name is the same."""
    headline, seen = said(workspace, target)
    if more:
        assert headline.endswith(", and the class mix of other/test differs")
        assert "features of other/test cannot be distinguished" in headline
        assert seen.startswith("The mix of classes differs by 30.0 % of the rows: ")
        assert f"{less} is less frequent (50.0 % in the reference, 20.0 % here)" in seen
        assert f"{more} more (20.0 %, 48.0 %)" in seen
        assert "bee" not in seen.split(".")[0]
    else:
        assert "mix" not in headline


@pytest.mark.parametrize("target", ["same", "none"])
def test_a_mix_that_did_not_move_or_is_unknown_is_not_said_to(workspace, target):
    headline, seen = said(workspace, target)
    assert "mix" not in headline
    assert "mix of classes differs" not in seen


def test_of_several_sets_those_with_another_mix_are_named(workspace):
    headline, _ = said(workspace, "same", "other")
    assert headline.endswith(", and the class mix of other/test differs")


def test_the_test_is_pearson_s_and_keeps_its_level(rng):
    one, other = np.array([60, 50, 40]), np.array([45, 50, 70])
    found = class_mix(one, other, NAMES)
    assert found.p == pytest.approx(chi2_contingency([one, other], correction=False).pvalue)
    assert found.value == pytest.approx(0.5 * np.abs(one / 150 - other / 165).sum())
    draws = [class_mix(*rng.multinomial(100, [0.5, 0.3, 0.2], 2), NAMES).p <= 0.05 for _ in range(500)]
    assert sum(draws) <= binom.isf(1e-4, 500, 0.05)
    chance = [class_mix(*rng.multinomial(100, [0.5, 0.3, 0.2], 2), NAMES) for _ in range(300)]
    assert np.mean([one.value for one in chance]) == pytest.approx(np.mean([one.null for one in chance]), rel=0.1)


def test_without_labels_on_a_side_or_a_second_class_there_is_no_mix():
    assert class_mix(np.zeros(3, int), np.array([4, 5, 6]), NAMES) is None
    assert class_mix(np.array([9, 0, 0]), np.array([4, 0, 0]), NAMES) is None

"""`gate`: a worse model is stopped, whatever is worse about it, and a model that is no worse passes 95 times of 100."""

import numpy as np
import pytest
from scipy.stats import binomtest

from gapscope.core.errors import InputError
from gapscope.evaluation.gate import LEVEL, looks
from gapscope.evaluation.gate_page import blocks, verdict
from gapscope.predictions import Predictions


def predictions(label, right, name="old"):
    top = np.where(right, label, (label + 1) % 10)[:, None].astype(np.int32)
    return Predictions(
        name, "toy", "test", tuple(f"c{i}" for i in range(10)), sample_id=np.arange(len(label)), label=label, top=top
    )


def pair(rng, n, worse=0.0, classes=range(10)):
    """Two models that are correct on 80 % of the images each, the new one less often by `worse` in some classes."""
    label = rng.integers(0, 10, n)
    share = 0.8 - worse * np.isin(label, list(classes))
    return predictions(label, rng.random(n) < 0.8), predictions(label, rng.random(n) < share, "new")


def test_each_look_is_a_one_sided_exact_test(rng):
    old, new = pair(rng, 400, 0.1)
    first = looks([(old, new)])[0]
    before, after = old.right, new.right
    spoilt, corrected = int((before & ~after).sum()), int((after & ~before).sum())
    assert first.p == pytest.approx(binomtest(spoilt, spoilt + corrected, alternative="greater").pvalue)


def test_false_alarms_are_held_at_five_in_a_hundred_over_all_looks(rng):
    alarms = [any(one.is_worse for one in looks([pair(rng, 300), pair(rng, 300)])) for _ in range(200)]
    assert binomtest(sum(alarms), 200, LEVEL, alternative="greater").pvalue > 0.01


def test_a_model_that_is_worse_is_found_and_so_is_one_that_is_worse_in_a_class(rng):
    assert looks([pair(rng, 2000, 0.08)])[0].is_worse
    found = looks([pair(rng, 3000, 0.4, [3])])
    assert [one.class_name for one in found if one.is_worse and one.class_name] == ["c3"]
    assert "class c3" in verdict(found, "new", "old")


def test_a_better_model_passes_and_the_same_model_passes(rng):
    old, new = pair(rng, 1000, 0.2)
    assert not any(one.is_worse for one in looks([(new, old)]))
    assert not any(one.is_worse for one in looks([(old, old)]))
    assert "is not worse" in blocks(looks([(old, old)]), "new", "old")[0].headline


def test_the_answer_says_what_is_gained_on_each_set(rng):
    old, new = pair(rng, 1000, 0.2)
    answer = blocks(looks([(new, old)]), "old", "new")[0]
    change = old.right.astype(int) - new.right
    reach = 1.96 * change.std() / np.sqrt(len(change))
    said = dict(answer.parts)["What changed"]
    numbers = (
        f"from {100 * new.right.mean():.1f} % to {100 * old.right.mean():.1f} %: {100 * change.mean():+.1f} points"
    )
    assert f"Accuracy on toy/test went {numbers} (95 % interval " in said
    low, high = map(float, said.partition("interval ")[2].rstrip(").").split(" to "))
    assert low / 100 == pytest.approx(change.mean() - reach, abs=0.003)
    assert high / 100 == pytest.approx(change.mean() + reach, abs=0.003)


def test_a_set_without_labels_is_refused(rng):
    label = np.full(20, -1)
    with pytest.raises(InputError, match="no labels"):
        looks([(predictions(label, np.ones(20, bool)), predictions(label, np.ones(20, bool)))])

"""A class that is called another is no class mix, and a class mix is no class that is called another."""

import numpy as np
import pytest
from scipy.special import expit

from gapscope.gaps.breakdown import break_down
from gapscope.gaps.exchanged import shares_as_seen
from gapscope.gaps.keys import strangers
from gapscope.gaps.split import Seen
from gapscope.predictions import Predictions

NAMES = ("dog", "elephant", "cat", "horse")


def drawn(rng, rows, shares=(1, 1, 1, 1), accuracy=0.9, confused=(0, 0)):
    """Labels, predictions and confidences; a share ``confused[1]`` of class ``confused[0]`` is predicted as a dog."""
    label = rng.choice(4, rows, p=np.array(shares) / np.sum(shares))
    right = rng.random(rows) < accuracy
    predicted = np.where(right, label, (label + rng.integers(1, 4, rows)) % 4)
    unsure = (label == confused[0]) & (rng.random(rows) < confused[1])
    predicted = np.where(unsure, 0, predicted)
    confidence = np.where(right & ~unsure, rng.beta(20, 1, rows), rng.beta(4, 3, rows))
    return label, predicted, confidence.astype(np.float32)


def predictions(label, predicted, confidence=None):
    ids = np.arange(len(label))
    return Predictions("model", "set", "test", NAMES, ids, label.astype(np.int32), predicted[:, None], confidence)


def account(reference, target, *, sure=True):
    sides = [predictions(*(one if sure else one[:2])) for one in (reference, target)]
    found = break_down(*sides, keys=strangers(*(side.sample_id for side in sides)), replicates=100)
    assert sum(term.value for term in found.terms) == pytest.approx(found.gap, abs=1e-12)
    assert all(term.by_class.sum() == pytest.approx(term.value, abs=1e-12) for term in found.terms)
    return found


def names(found):
    return [term.name for term in found.terms]


@pytest.mark.parametrize("sure", [True, False])
@pytest.mark.parametrize("rows", [400, 4000])
def test_dogs_called_elephants_are_named(rng, rows, sure):
    reference, (label, predicted, confidence) = drawn(rng, rows), drawn(rng, rows)
    called = np.where((label == 0) & (rng.random(rows) < 0.7), 1, label)
    truth = float(((called != label) & (predicted == label)).mean())
    found = account(reference, (called, predicted, confidence), sure=sure)
    term = found.term("exchanged_labels")
    assert found.largest.name == "exchanged_labels"
    assert term.low <= truth <= term.high
    assert term.by_class[1] == pytest.approx(term.value)
    assert "of dog were labelled elephant" in term.sentence
    assert "would look the same" in term.sentence
    assert abs(found.term("class_mix").value) < 0.02


def test_a_class_mix_is_none(rng):
    for _ in range(10):
        found = account(drawn(rng, 2000), drawn(rng, 2000, shares=(1, 8, 4, 4)))
        assert "exchanged_labels" not in names(found)


def test_a_confusion_that_grew_in_sets_of_one_mix_is_none(rng):
    for _ in range(10):
        found = account(drawn(rng, 2000), drawn(rng, 2000, confused=(1, 0.5)))
        assert "exchanged_labels" not in names(found)


def test_a_mix_with_a_confusion_of_which_the_model_is_unsure_is_none(rng):
    """Fewer dogs, more elephants, and half of the elephants are taken for dogs: as unsurely as errors are made."""
    for _ in range(10):
        found = account(drawn(rng, 2000), drawn(rng, 2000, shares=(1, 8, 4, 4), confused=(1, 0.5)))
        assert "exchanged_labels" not in names(found)


def test_few_dogs_called_elephants_are_not_taken_for_a_class_mix(rng):
    wrong, told = 0, 0
    for _ in range(40):
        reference, (label, predicted, confidence) = drawn(rng, 60), drawn(rng, 60)
        found = account(reference, (np.where((label == 0) & (rng.random(60) < 0.7), 1, label), predicted, confidence))
        mixed = bool(found.lead) and found.lead.name == "class_mix"
        wrong += mixed and not found.mix_or_labels
        told += found.mix_or_labels and "of elephant are taken for dog" in found.term("class_mix").sentence
    assert wrong <= 1
    assert told > 0


def test_a_class_mix_is_seldom_suspected(rng):
    suspected = [account(drawn(rng, 400), drawn(rng, 400, shares=(1, 8, 4, 4))).mix_or_labels for _ in range(30)]
    assert np.mean(suspected) <= 0.1


def test_a_target_of_one_class_that_got_harder_is_none(rng):
    reference, target = drawn(rng, 400), drawn(rng, 400, shares=(0, 1, 0, 0), confused=(1, 0.4))
    found = account(reference, target, sure=False)
    assert "exchanged_labels" not in names(found)
    assert found.mix_or_labels


def test_classes_that_the_reference_lacks_are_not_said_to_be_harder_by_nature(rng):
    found = account(
        drawn(rng, 400, shares=(1, 1, 0, 0)), drawn(rng, 400, shares=(0, 0, 1, 1), accuracy=0.5), sure=False
    )
    assert "cannot be known" in found.term("class_mix").sentence
    assert "cannot be known" not in account(drawn(rng, 400), drawn(rng, 400)).term("class_mix").sentence


def test_a_class_that_vanishes_is_none(rng):
    found = account(drawn(rng, 2000), drawn(rng, 2000, shares=(0, 1, 1, 1)))
    assert "exchanged_labels" not in names(found)
    assert found.largest.name == "class_mix" or not found.significant


def test_dogs_called_elephants_are_not_taken_for_other_inputs():
    """Labels weighted to one class mix move the inputs of two classes: as an X shift, until the labels are put back."""
    named = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        sides, dog = [], []
        for exchanged in (0.0, 0.7):
            label = rng.integers(0, 2, 100)
            dog.append(expit(np.where(label == 0, 1.0, -1.0) * 2 + 2 * rng.standard_normal(100)))
            called = np.where((label == 0) & (rng.random(100) < exchanged), 1, label)
            sure = np.maximum(dog[-1], 1 - dog[-1]).astype(np.float32)
            sides.append(predictions(called, (dog[-1] < 0.5).astype(np.int32), sure))
        ratio = np.divide(*(share[:2] for share in reversed(shares_as_seen(*sides))))
        odds = tuple(one * ratio[0] + (1 - one) * ratio[1] for one in dog)
        seen = Seen((np.full(100, 0.5),) * 2, odds, confidence=tuple(one.confidence for one in sides))
        keys = strangers(*(one.sample_id for one in sides))
        found = break_down(*sides, seen=seen, keys=keys, replicates=200).lead
        named += found is not None and found.name == "x_shift"
    assert named <= 4

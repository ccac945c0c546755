"""The gap breakdown sums to the gap, finds the cause that was built in, and says nothing that the numbers do not."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact, hypergeom

from gapscope.core.errors import InputError
from gapscope.gaps.breakdown import break_down
from gapscope.gaps.difference import fisher
from gapscope.gaps.labels import rescored
from gapscope.gaps.mix import Counts, kitagawa, mix_of
from gapscope.gaps.pairs import confusion_pairs
from gapscope.gaps.split import Seen
from gapscope.inference.difference import newcombe
from gapscope.predictions import Predictions
from gapscope.predictions.images import ids_of_names
from gapscope.predictions.valid_labels import read_valid_labels

K = 4
NAMES = tuple(f"class {index}" for index in range(K))


def predictions(label, predicted, ids=None, dataset="set", names=NAMES):
    label = np.asarray(label, np.int32)
    ids = np.arange(len(label)) if ids is None else np.asarray(ids)
    return Predictions("model", dataset, "test", names, ids, label, np.asarray(predicted, np.int32)[:, None])


def drawn(rng, rows, shares, accuracies, first=0, dataset="set"):
    """Rows of classes with these shares and accuracies; wrong answers are any other class."""
    label = rng.choice(K, rows, p=np.array(shares) / np.sum(shares))
    wrong = (label + rng.integers(1, K, rows)) % K
    right = rng.random(rows) < np.array(accuracies)[label]
    return predictions(label, np.where(right, label, wrong), np.arange(rows) + first, dataset)


def by_name(found):
    return {term.name: term for term in found.terms}


def check_sums(found, reference, target):
    gap = reference.accuracy() - target.accuracy()
    assert abs(found.gap - gap) <= 1e-12
    assert abs(sum(term.value for term in found.terms) - gap) <= 1e-12
    for term in found.terms:
        assert abs(term.by_class.sum() - term.value) <= 1e-12


rows_of_a_set = st.lists(st.tuples(st.integers(-1, K - 1), st.integers(0, K - 1)), min_size=1, max_size=40).filter(
    lambda rows: any(label >= 0 for label, _ in rows)
)


@settings(max_examples=25, deadline=None)
@given(rows_of_a_set, rows_of_a_set, st.integers(0, 2**16))
def test_terms_sum_to_the_gap_and_classes_to_the_terms(one, other, seed):
    rng = np.random.default_rng(seed)
    sides = [predictions(*np.array(rows).T) for rows in (one, other)]
    check_sums(break_down(*sides, replicates=20), *sides)
    scores = tuple(rng.uniform(0.05, 0.95, side.n) for side in sides)
    found = break_down(*sides, seen=Seen(scores), replicates=20)
    check_sums(found, *sides)
    odds = tuple(rng.uniform(0.5, 2.0, side.n) for side in sides)
    check_sums(break_down(*sides, seen=Seen(scores, odds), replicates=20), *sides)


def test_kitagawa_is_what_hand_arithmetic_says():
    # Shares (.8, .2) and (.4, .6); accuracies (.9, .5) and (.7, .5): gap .82 - .58 = .24.
    found = mix_of(Counts(np.array([72, 10]), np.array([80, 20])), Counts(np.array([28, 30]), np.array([40, 60])))
    np.testing.assert_allclose(found.mix, [0.4 * 0.8, -0.4 * 0.5], atol=1e-15)
    np.testing.assert_allclose(found.within, [0.6 * 0.2, 0.0], atol=1e-15)
    assert found.gap == pytest.approx(0.24, abs=1e-15)


def test_a_class_that_one_side_lacks_stands_under_the_mix_with_a_sentence():
    reference = predictions([0, 0, 1, 1], [0, 0, 1, 0])
    target = predictions([0, 0], [0, 1])
    found = kitagawa(reference, target)
    assert found.within[1] == 0
    assert found.mix[1] == pytest.approx(0.25)
    account = break_down(reference, target)
    check_sums(account, reference, target)
    assert "has no row of 1 class that the other set has (class 1)" in account.notes[0]


def test_sets_without_a_common_class_differ_by_their_mix_alone():
    reference, target = predictions([0, 0], [0, 0]), predictions([1, 1], [0, 1])
    found = by_name(break_down(reference, target, seen=Seen((np.full(2, 0.5), np.full(2, 0.5))), replicates=20))
    assert found["class_mix"].value == pytest.approx(0.5)
    assert "common_drop" in found


def test_resampled_classes_are_found_as_class_mix(rng):
    accuracies = [0.95, 0.9, 0.6, 0.5]
    reference = drawn(rng, 4000, [1, 1, 1, 1], accuracies)
    target = drawn(rng, 4000, [1, 1, 4, 4], accuracies, 10_000)
    found = break_down(reference, target)
    assert found.significant
    assert found.largest.name == "class_mix"
    assert found.largest.low > 0
    assert "harder" in found.largest.sentence


def test_a_drop_of_all_classes_is_common_and_one_of_a_single_class_is_not(rng):
    reference = drawn(rng, 4000, [1, 1, 1, 1], [0.9] * 4)
    alike = break_down(reference, drawn(rng, 4000, [1, 1, 1, 1], [0.7] * 4, 10_000))
    assert alike.largest.name == "common_drop"
    assert not alike.drops.flagged.any()
    lone = break_down(reference, drawn(rng, 4000, [1, 1, 1, 1], [0.9, 0.9, 0.9, 0.3], 10_000))
    assert list(np.flatnonzero(lone.drops.flagged & (lone.drops.raw > lone.drops.common))) == [3]
    parts = sum(term.by_class for term in lone.terms)
    assert parts.argmax() == 3


def test_other_answers_to_the_same_inputs_are_y_given_x(rng):
    reference = drawn(rng, 4000, [1, 1, 1, 1], [0.9] * 4)
    target = drawn(rng, 4000, [1, 1, 1, 1], [0.7] * 4, 10_000)
    found = break_down(reference, target, seen=Seen((np.full(4000, 0.5), np.full(4000, 0.5))))
    assert found.largest.name == "y_given_x"
    assert abs(by_name(found)["x_shift"].value) < 0.01


def test_hard_inputs_that_both_sets_have_are_x_shift(rng):
    hard = [rng.random(6000) < share for share in (0.2, 0.8)]
    label = rng.integers(0, K, (2, 6000))
    right = [rng.random(6000) < np.where(one, 0.5, 0.95) for one in hard]
    sides = [
        predictions(label[i], np.where(right[i], label[i], (label[i] + 1) % K), np.arange(6000) + 6000 * i)
        for i in range(2)
    ]
    found = break_down(*sides, seen=Seen(tuple(np.where(one, 0.8, 0.2) for one in hard)))
    assert found.largest.name == "x_shift"
    assert found.largest.value == pytest.approx(0.6 * 0.45, abs=0.03)


def test_a_class_mix_seen_by_the_domain_scores_is_no_x_shift(rng):
    # Rows that look like class 1 are more frequent in the target because class 1 is; half of class 0's rows look so.
    reference_label, target_label = rng.integers(0, 2, 20_000), (rng.random(20_000) < 0.85).astype(int)
    sides, looks = [], []
    for index, label in enumerate((reference_label, target_label)):
        look = np.where((label == 0) & (rng.random(20_000) < 0.3), 1, label)
        sides.append(predictions(label, look, np.arange(20_000) + 20_000 * index, names=NAMES[:2]))
        looks.append(look)
    p, q = 0.5, 0.85
    density = {0: ((1 - p) * 0.7, (1 - q) * 0.7), 1: ((1 - p) * 0.3 + p, (1 - q) * 0.3 + q)}
    score = {look: b / (a + b) for look, (a, b) in density.items()}
    odds = {look: b / a for look, (a, b) in density.items()}
    domain = tuple(np.where(look == 1, score[1], score[0]) for look in looks)
    mixed = tuple(np.where(look == 1, odds[1], odds[0]) for look in looks)
    freed = by_name(break_down(*sides, seen=Seen(domain, mixed), replicates=20))
    assert abs(freed["x_shift"].value) < 0.004
    assert abs(freed["y_given_x"].value) < 0.01


def test_without_overlap_all_within_classes_is_novel_and_not_told_apart(rng):
    reference = drawn(rng, 1000, [1, 1, 1, 1], [0.9] * 4)
    target = drawn(rng, 1000, [1, 1, 1, 1], [0.5] * 4, 10_000)
    found = break_down(reference, target, seen=Seen((np.full(1000, 1e-6), np.full(1000, 1 - 1e-6))))
    assert found.largest.name == "novel_x"
    assert by_name(found)["y_given_x"].value == 0
    assert "cannot be separated" in by_name(found)["y_given_x"].sentence
    assert "hardly any inputs" in found.notes[-1]


def test_a_set_and_itself_have_no_gap(rng):
    one = drawn(rng, 300, [1, 1, 1, 1], [0.8] * 4)
    order = rng.permutation(300)
    found = break_down(one, one.rows(order))
    assert found.same
    assert not found.significant
    assert found.gap == 0
    assert found.low == found.high == 0


def test_it_is_known_whether_the_interval_compares_the_same_images(rng):
    one = drawn(rng, 300, [1, 1, 1, 1], [0.8] * 4)
    again = predictions(one.label, np.where(np.arange(300) < 9, 0, one.predicted), one.sample_id)
    strangers = predictions(one.label, again.predicted, one.sample_id + 1000)
    assert [break_down(one, other).paired for other in (again, strangers)] == [True, False]
    assert not break_down(*(side.rows(np.arange(15)) for side in (one, again))).paired


def test_images_of_which_none_is_answered_otherwise_may_still_lose_something(rng):
    one = drawn(rng, 100, [1, 1, 1, 1], [0.8] * 4)
    wrong = np.flatnonzero(one.predicted != one.label)[0]
    third = min({0, 1, 2, 3} - {one.label[wrong], one.predicted[wrong]})
    again = predictions(one.label, np.where(np.arange(100) == wrong, third, one.predicted), one.sample_id)
    found = break_down(one, again)
    assert (found.gap, found.paired, found.same) == (0, True, False)
    assert found.low < -0.02 < 0.02 < found.high


def test_two_halves_of_one_set_have_no_significant_gap_as_often_as_they_should(rng):
    pairs = [[drawn(rng, 400, [1, 1, 1, 1], [0.8] * 4, first) for first in (0, 1000)] for _ in range(60)]
    wrong = np.mean([break_down(*pair, replicates=20).significant for pair in pairs])
    assert wrong <= 0.15


def test_intervals_of_the_terms_do_not_depend_on_the_order_of_rows(rng):
    sides = [drawn(rng, 500, [1, 2, 1, 1], [0.8, 0.6, 0.9, 0.7], first) for first in (0, 1000)]
    turned = [one.rows(rng.permutation(500)) for one in sides]
    for one, other in zip(break_down(*sides).terms, break_down(*turned).terms, strict=True):
        assert (one.low, one.high) == (other.low, other.high)


def test_one_row_on_each_side_is_enough():
    found = break_down(predictions([0], [0]), predictions([0], [1]))
    assert found.gap == 1
    assert np.isfinite([found.low, found.high]).all()


def test_sets_without_labels_or_with_other_classes_are_refused_by_name():
    with pytest.raises(InputError, match="set/test has no labelled row"):
        break_down(predictions([0], [0]), predictions([-1], [0]))
    with pytest.raises(InputError, match="class 1 is 'class 1' in set/test and 'dog' in other/test"):
        break_down(
            predictions([0], [0]),
            predictions([0], [0], dataset="other", names=("class 0", "dog", "class 2", "class 3")),
        )
    with pytest.raises(InputError, match="has 4 classes and other/test has 2"):
        kitagawa(predictions([0], [0]), predictions([0], [0], dataset="other", names=("a", "b")))


# Better labels


def better(place, side, sets):
    """A file of valid labels for the images of one side, read."""
    pq.write_table(pa.table({"sample_id": side.sample_id, "labels": sets}), place)
    return read_valid_labels(str(place), NAMES)


def test_valid_labels_explain_what_vanishes_with_them(rng, tmp_path):
    label = rng.integers(0, K, (2, 1000))
    predicted = label.copy()
    predicted[1, :300] = (label[1, :300] + 1) % K
    sides = [predictions(label[i], predicted[i], np.arange(1000) + 1000 * i) for i in range(2)]
    valid = [[int(a), int(b)] for a, b in zip(label[1], predicted[1], strict=True)]
    given = [[int(a)] for a in label[0]]
    labels = [
        better(tmp_path / f"{i}.parquet", side, sets)
        for i, (side, sets) in enumerate(zip(sides, (given, valid), strict=True))
    ]
    for alone in ((None, labels[1]), (labels[0], None), (labels[0], labels[0])):
        with pytest.raises(InputError, match=r"1,000 of 1,000 images of .* and of 0 of 1,000"):
            break_down(*sides, labels=alone)
    found = break_down(*sides, labels=tuple(labels))
    check_sums(found, *sides)
    assert by_name(found)["label_noise"].value == pytest.approx(0.3)
    assert found.largest.name == "label_noise"
    assert "better labels for 1,000 images" in found.notes[1]
    assert by_name(found)["common_drop"].value == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("form", ["list", "object", "table", "csv"])
def test_label_files_of_every_form_say_the_same(tmp_path, form):
    images = ["a.jpg", "b.jpg", "c.jpg"]
    valid = [[0, 2], [1], []]
    place = tmp_path / f"labels.{'csv' if form == 'csv' else 'parquet' if form == 'table' else 'json'}"
    if form == "csv":
        place.write_text("image,labels\na.jpg,class 0\na.jpg,2\nb.jpg,1\nc.jpg,\n")
    elif form == "table":
        pq.write_table(pa.table({"image": images, "labels": valid}), place)
    else:
        place.write_text(json.dumps(valid if form == "list" else dict(zip(images, valid, strict=True))))
    answers = predictions([0, 1, 0], [2, 0, 0], ids_of_names(images))
    found = rescored(answers, read_valid_labels(str(place), NAMES))
    assert list(found.right) == [True, False, False]
    assert list(found.kept) == [True, True, False]


def test_label_files_that_do_not_fit_are_refused(tmp_path):
    place = tmp_path / "labels.json"
    place.write_text("[[0], [9]]")
    with pytest.raises(InputError, match="has a class 9 that is not among the 4"):
        read_valid_labels(str(place), NAMES)
    place.write_text("[[0], [1]]")
    with pytest.raises(InputError, match="lists 2 images without their names, the set has 3"):
        rescored(predictions([0, 0, 0], [0, 0, 0]), read_valid_labels(str(place), NAMES))
    with pytest.raises(InputError, match="no file of labels"):
        read_valid_labels(str(tmp_path / "nothing.csv"), NAMES)


# Confusion pairs


@settings(max_examples=30, deadline=None)
@given(rows_of_a_set, rows_of_a_set, st.integers(1, 5))
def test_pairs_sum_to_the_gap(one, other, top):
    sides = [predictions(*np.array(rows).T) for rows in (one, other)]
    found = confusion_pairs(*sides, top=top)
    gap = sides[0].accuracy() - sides[1].accuracy()
    assert found.gap == pytest.approx(gap, abs=1e-12)
    assert found.points.sum() + found.rest == pytest.approx(gap, abs=1e-12)
    assert (found.label != found.predicted).all()


def test_the_p_value_of_a_pair_is_fishers_with_mid_p(rng):
    reference = drawn(rng, 400, [1, 1, 1, 1], [0.8] * 4)
    target = drawn(rng, 300, [1, 1, 1, 1], [0.5] * 4, 1000)
    found = confusion_pairs(reference, target, top=None)
    rows = [side.counts()[1] for side in (reference, target)]
    for index in range(len(found.points)):
        x, y = found.reference_count[index], found.target_count[index]
        table = [[y, rows[1][found.label[index]] - y], [x, rows[0][found.label[index]] - x]]
        one_sided = [fisher_exact(table, side).pvalue for side in ("less", "greater")]
        here = one_sided[0] + one_sided[1] - 1
        assert found.p[index] == pytest.approx(min(1, 2 * (min(one_sided) - here / 2)), abs=1e-9)


def test_the_p_value_of_a_pair_holds_far_out_and_at_any_size(rng):
    n, m = rng.integers(1, [[10], [3000], [10**6]], (2, 3, 40)).reshape(2, -1)
    x, y = (rng.binomial(side, rng.random(n.size) ** 3) for side in (n, m))
    law = hypergeom(n + m, x + y, m)
    tails = [tail + law.pmf(y) / 2 for tail in (law.cdf(y - 1), law.sf(y))]
    np.testing.assert_allclose(fisher(x, y, n, m), np.minimum(2 * np.minimum(*tails), 1), rtol=1e-6, atol=1e-250)
    assert len(fisher(*np.empty((4, 0), int))) == 0


def test_the_pair_that_was_built_in_is_the_one_that_is_real(rng):
    reference = drawn(rng, 4000, [1, 1, 1, 1], [0.9] * 4)
    target = drawn(rng, 4000, [1, 1, 1, 1], [0.9] * 4, 10_000)
    top = target.top.copy()
    top[(target.label == 2) & (rng.random(4000) < 0.3)] = 1
    found = confusion_pairs(reference, predictions(target.label, top[:, 0], target.sample_id))
    first = np.flatnonzero(found.flagged)[0]
    assert (found.label[0], found.predicted[0]) == (2, 1)
    assert first == 0
    assert found.low[0] > 0
    assert not found.same_mix
    assert found.table(NAMES)["predicted"][0].as_py() == "class 1"


def test_newcombes_interval_is_the_published_one():
    # Newcombe (1998), table II, method 10: 56/70 - 48/80.
    low, high = newcombe((np.array(56), np.array(48)), (np.array(70), np.array(80)))
    assert (round(float(low), 4), round(float(high), 4)) == (0.0524, 0.3339)


def test_what_a_few_rows_of_a_class_overstate_is_sampling_noise():
    def answers(rows, right, first):
        label = np.repeat(np.arange(K), rows)
        sure = np.concatenate([np.arange(count) < hits for count, hits in zip(rows, right, strict=True)])
        return predictions(label, np.where(sure, label, (label + 1) % K), np.arange(len(label)) + first)

    # Three classes of a thousand rows lose a tenth; a class of eight rows loses a half.
    reference = answers([1000, 1000, 1000, 8], [900, 900, 900, 8], 0)
    target = answers([1000, 1000, 1000, 8], [800, 800, 800, 4], 5000)
    found = by_name(break_down(reference, target, replicates=50))
    noise, drop = found["sampling_noise"].by_class, found["class_drop"].by_class
    # Its drop beyond the common tenth is 0.4 of 8 in 3008 rows: shared by noise and class, most of it noise.
    assert noise[3] + drop[3] == pytest.approx((0.5 - found["common_drop"].value) * 8 / 3008, rel=0.05)
    assert noise[3] > 0.5 * (noise[3] + drop[3]) > 0
    assert found["sampling_noise"].value == pytest.approx(noise.sum())

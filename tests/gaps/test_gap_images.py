"""Attributes in `gap`: exact sums, planted slices found and no others, a reason for each image."""

import numpy as np
import pyarrow as pa
import pytest

from gapscope.attributes.columns import Column, columns_of
from gapscope.gaps.bins import bins_of
from gapscope.gaps.image_terms import LEAST_IMAGES, Rows, image_terms
from gapscope.gaps.images import unusual_images
from gapscope.gaps.slices import find_slices


def rows(rng, n, accuracy, classes=5, start=0):
    right = rng.random(n) < accuracy
    return Rows(right, rng.integers(0, classes, n), np.arange(start, start + n))


def noise(rng, n, m, numbers=6, values=3):
    """Columns of noise: numbers, and values."""
    columns = [Column(f"number {i}", rng.normal(size=n), rng.normal(size=m)) for i in range(numbers)]
    letters = ("A", "B", "C", "D")
    return columns + [
        Column(f"value {i}", rng.integers(0, 4, n), rng.integers(0, 4, m), letters) for i in range(values)
    ]


def test_the_three_terms_of_every_column_sum_to_the_gap(rng):
    one, other = rows(rng, 400, 0.9), rows(rng, 300, 0.7, start=1000)
    columns = noise(rng, 400, 300)
    columns.append(Column("apart", rng.normal(0, 1, 400), rng.normal(6, 1, 300)))
    columns.append(Column("holes", np.where(rng.random(400) < 0.5, np.nan, 1.0 + rng.random(400)), rng.random(300)))
    found = image_terms(columns, one, other, replicates=50, seed=0)
    gap = one.right.mean() - other.right.mean()
    assert len(found) == len(columns)
    for terms in found:
        assert terms.more + terms.harder + terms.apart == pytest.approx(gap, abs=1e-12)
        assert terms.harder_low <= terms.harder <= terms.harder_high


def test_images_of_which_one_set_has_none_are_not_said_to_cost_anything(rng):
    one, other = rows(rng, 400, 0.9), rows(rng, 300, 0.5, start=1000)
    width = Column("width", 10 + rng.random(400), 50 + rng.random(300))
    (terms,) = image_terms([width], one, other, replicates=50, seed=0)
    assert (terms.more, terms.harder) == (0, 0)
    assert terms.alone == 1
    assert terms.more_p == terms.uneven_p == 1


def test_more_of_the_hard_images_is_told_from_images_that_got_harder(rng):
    one, other = rng.normal(0, 1, 4000), rng.normal(1, 1, 4000)
    first, second = (Rows(rng.random(4000) < 0.95 - 0.4 * (x > 0.8), np.zeros(4000, int), np.arange(4000) + 10**4 * k)
                     for k, x in enumerate((one, other)))  # fmt: skip
    found = {terms.name: terms for terms in image_terms([Column("noise", one, other), *noise(rng, 4000, 4000)],
                                                        first, second, replicates=100, seed=0)}  # fmt: skip
    gap = first.right.mean() - second.right.mean()
    assert found["noise"].more == pytest.approx(gap, abs=0.04)
    assert found["noise"].more_p < 1e-6
    assert found["noise"].matters_p < 1e-6
    assert found["noise"].more_low < found["noise"].more < found["noise"].more_high
    others = [terms for terms in found.values() if terms.name != "noise"]
    assert max(abs(terms.more) for terms in others) < 0.01
    assert min(terms.matters_p for terms in others) > 0.05


def test_a_bin_that_lost_more_is_named_and_equal_bins_are_not(rng):
    x, z = rng.random(3000), rng.random(3000)
    first = rows(rng, 3000, 0.9)
    second = Rows(rng.random(3000) < np.where(z > 0.75, 0.5, 0.88), rng.integers(0, 5, 3000), np.arange(5000, 8000))
    terms, other = image_terms([Column("noise", x, z), Column("age", z, x)], first, second, replicates=50, seed=0)
    terms, other = sorted((terms, other), key=lambda one: one.uneven_p)
    assert terms.name == "noise"
    assert "above" in terms.worst or "to" in terms.worst
    assert terms.worst_drop == pytest.approx(0.4, abs=0.08)
    assert other.uneven_p > 0.001


def test_under_no_difference_terms_say_nothing_in_95_of_100_trials(rng):
    said = 0
    for _ in range(30):
        one, other = rows(rng, 300, 0.85), rows(rng, 300, 0.75, start=1000)
        found = image_terms(noise(rng, 300, 300), one, other, replicates=60, seed=1)
        said += any((terms.more_p < 0.05 and terms.matters_p < 0.05) or terms.uneven_p < 0.05 for terms in found)
    assert said <= 4


def planted(rng, n, conditions, drop, start):
    """Columns of noise, and rows of which those that meet the conditions are wrong more often."""
    columns = noise(rng, n, n)
    hit = np.ones(n, bool)
    for index, low in conditions:
        column = columns[index]
        hit &= column.target == low if column.values else column.target > low
    one = rows(rng, n, 0.9)
    other = Rows(rng.random(n) < np.where(hit, 0.85 - drop, 0.85), rng.integers(0, 5, n), np.arange(start, start + n))
    return columns, one, other, hit


@pytest.mark.parametrize("conditions", [[(0, 0.7)], [(6, 1)], [(0, 0.0), (6, 1)], [(0, 0.0), (6, 1), (1, 0.0)]])
def test_a_planted_slice_is_found_and_is_minimal(rng, conditions):
    columns, one, other, hit = planted(rng, 6000, conditions, 0.5, 10**5)
    found = find_slices(columns, one, other, seed=0)
    best = found.slices[0]
    assert len(best.conditions) == len(conditions)
    assert {name.split(" above")[0].split(" up to")[0][:8] for name in best.conditions} <= {
        "number 0",
        "number 1",
        "value 0 ",
    }
    overlap = (found.members[0] & hit).sum() / (found.members[0] | hit).sum()
    assert overlap > 0.6
    assert best.low < 0.55 < best.high + 0.1
    assert best.others == pytest.approx(0.05, abs=0.06)
    assert best.images == found.members[0].sum()
    assert len(found.slices) == 1
    assert best.p < 0.01


def test_under_nulls_no_slice_is_found_in_95_of_100_trials(rng):
    # Accuracy depends on the attribute in both sets alike, and all images lost the same: nothing to find.
    false = 0
    for trial in range(30):
        n = 800
        columns = noise(rng, n, n)
        accuracy = [0.9 - 0.15 * (side > 0.5) for side in columns[0].sides]
        one, other = (
            Rows(rng.random(n) < own - 0.1 * k, rng.integers(0, 5, n), np.arange(n) + k * 10**5)
            for k, own in enumerate(accuracy)
        )
        false += bool(find_slices(columns, one, other, seed=trial).slices)
    assert false <= 4


def test_a_slice_that_the_reference_lacks_is_found_and_said_to_be_new(rng):
    n = 2000
    site, other_site = np.zeros(n, int), rng.integers(0, 2, n)
    columns = [Column("site", site, other_site, ("A", "B")), *noise(rng, n, n)]
    one = rows(rng, n, 0.9)
    other = Rows(rng.random(n) < 0.88 - 0.3 * other_site, rng.integers(0, 5, n), np.arange(10**5, 10**5 + n))
    best = find_slices(columns, one, other, seed=0).slices[0]
    assert best.conditions == ("site B",)
    assert best.alone


def test_few_images_no_columns_and_all_right_give_nothing(rng):
    one, other = rows(rng, 12, 0.9), rows(rng, 12, 0.5, start=100)
    columns = noise(rng, 12, 12)
    assert find_slices(columns, one, other, seed=0).slices == ()
    assert find_slices([], one, other, seed=0).tested == 0
    assert image_terms([], one, other, replicates=20, seed=0) == []
    assert len(image_terms(columns, one, other, replicates=20, seed=0)) == len(columns)
    perfect = Rows(np.ones(300, bool), np.zeros(300, int), np.arange(300))
    columns = noise(rng, 300, 300)
    assert find_slices(columns, perfect, perfect, seed=0).slices == ()
    assert all(
        max(abs(terms.harder), abs(terms.more)) < 1e-12
        for terms in image_terms(columns, perfect, perfect, replicates=20, seed=0)
    )


def test_bins_share_out_every_row_and_have_words(rng):
    for column in noise(rng, 100, 50):
        bins = bins_of(column)
        for side, codes in zip(column.sides, (bins.reference, bins.target), strict=True):
            assert len(codes) == len(side)
            assert codes.max() < len(bins.names)
        assert len(set(bins.names)) == len(bins.names)
    (column,) = columns_of(*(pa.table({"sample_id": range(40), "size": list(map(float, range(40)))}) for _ in "ab"))
    assert bins_of(column).names[1] == "size 0 to 9.75"
    assert LEAST_IMAGES <= 10


def test_unusual_images_are_as_many_as_in_the_reference_and_are_said_to_be(rng):
    columns = [Column(name, rng.normal(100, 10, 2000), rng.normal(100, 10, 2000)) for name in ("luminance", "noise")]
    columns[0].target[0] = 3
    unusual, said = unusual_images(columns, 2000)
    assert unusual.mean() == pytest.approx(0.05, abs=0.02)
    assert said[0].startswith("darker than all of the reference")
    assert all((text is not None) == flag for text, flag in zip(said, unusual, strict=True))
    assert not unusual_images([], 3)[0].any()


def test_an_unusual_image_is_said_to_be_so_by_one_attribute_of_a_kind(rng):
    light = rng.normal(100, 10, 2000)
    names = ("luminance", "luminance-high", "width")
    columns = [Column(name, light + rng.normal(0, 1, 2000), light.copy()) for name in names]
    for column in columns:
        column.target[0] = 1
    (text,) = unusual_images(columns, 2000)[1][:1]
    assert text.count(" than ") == 2
    assert ("in the highlights" in text) != text.startswith("darker than")


def test_values_that_the_target_alone_has_take_nothing_from_those_that_both_have(rng):
    one, other = rows(rng, 400, 0.9), rows(rng, 400, 0.9, start=1000)
    site = Column("site", np.zeros(400, int), rng.integers(0, 2, 400), ("A", "B"))
    (terms,) = image_terms([site], one, other, replicates=30, seed=0)
    assert terms.more == 0
    assert terms.alone == pytest.approx(0.5, abs=0.1)

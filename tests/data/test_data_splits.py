"""Splits by rule are exhaustive, stratified, stable and keep identical files together."""

import hashlib
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapscope.data.catalogue import open_dataset
from gapscope.data.splits import TRAIN_VAL_TEST, filled, identical_groups, split_indices

SETS = st.lists(st.integers(0, 4), min_size=1, max_size=120)
FRACTIONS = st.sampled_from([TRAIN_VAL_TEST, {"train": 0.5, "test": 0.5}, {"a": 0.0, "b": 0.3, "c": 0.7}, {"all": 1.0}])


def names_of(labels):
    return [f"{label}/{number}.jpg" for number, label in enumerate(labels)]


def side_of(names, labels, fractions, seed, groups=None):
    parts = split_indices(names, np.array(labels), fractions, seed, groups)
    return {names[row]: split for split, rows in parts.items() for row in rows}


@given(SETS, FRACTIONS, st.integers(0, 5))
def test_every_image_is_in_exactly_one_split(labels, fractions, seed):
    parts = split_indices(names_of(labels), np.array(labels), fractions, seed)
    assert list(parts) == list(fractions)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(labels)))


@given(SETS, FRACTIONS, st.integers(0, 5))
def test_each_class_is_divided_exactly_to_rounding(labels, fractions, seed):
    parts = split_indices(names_of(labels), np.array(labels), fractions, seed)
    for label, count in Counter(labels).items():
        sizes = {split: int((np.array(labels)[rows] == label).sum()) for split, rows in parts.items()}
        wanted = [split for split, fraction in fractions.items() if fraction > 0]
        if count >= len(wanted):
            assert all(sizes[split] >= 1 for split in wanted)
        if all(count * fractions[split] >= 1 for split in wanted):
            assert all(abs(sizes[split] - count * fractions[split]) < 1 for split in fractions)


@given(SETS, st.randoms(use_true_random=False), st.integers(0, 5))
def test_the_order_of_the_listing_does_not_matter(labels, random, seed):
    names = names_of(labels)
    order = list(range(len(names)))
    random.shuffle(order)
    shuffled = side_of([names[i] for i in order], [labels[i] for i in order], TRAIN_VAL_TEST, seed)
    assert shuffled == side_of(names, labels, TRAIN_VAL_TEST, seed)


@given(SETS, st.integers(0, 4))
def test_another_image_moves_at_most_one_image_per_cut(labels, added):
    before = side_of(names_of(labels), labels, TRAIN_VAL_TEST, 0)
    after = side_of([*names_of(labels), "new.jpg"], [*labels, added], TRAIN_VAL_TEST, 0)
    moved = [name for name in before if before[name] != after[name]]
    assert len(moved) <= 2 * (len(TRAIN_VAL_TEST) - 1)
    assert {name.split("/")[0] for name in moved} <= {str(added)}


@given(SETS, st.data())
def test_equal_groups_stay_on_one_side(labels, data):
    groups = data.draw(st.lists(st.integers(0, 20), min_size=len(labels), max_size=len(labels)))
    side = side_of(names_of(labels), labels, TRAIN_VAL_TEST, 0, groups)
    sides = defaultdict(set)
    for name, group in zip(names_of(labels), groups, strict=True):
        sides[group].add(side[name])
    assert all(len(found) == 1 for found in sides.values())


@given(st.lists(st.integers(0, 2), min_size=1, max_size=9), st.integers(0, 5), st.data())
def test_no_split_is_empty_where_images_suffice(labels, seed, data):
    groups = np.array(data.draw(st.lists(st.integers(0, 8), min_size=len(labels), max_size=len(labels))))
    rows = split_indices(names_of(labels), np.array(labels), TRAIN_VAL_TEST, seed, groups.tolist())
    found = filled(rows, TRAIN_VAL_TEST, groups, np.array(labels))
    assert sorted(np.concatenate(list(found.values())).tolist()) == list(range(len(labels)))
    assert all(len({split for split in found if group in groups[found[split]]}) == 1 for group in groups)
    assert sum(len(part) > 0 for part in found.values()) == min(3, len(set(groups.tolist())))


def test_classes_of_one_image_are_spread_by_the_fractions():
    labels = list(range(2000))
    parts = split_indices(names_of(labels), np.array(labels), TRAIN_VAL_TEST, 0)
    # Standard deviation of a count of 2000 with probability 0.8 is 18.
    assert abs(len(parts["train"]) - 1600) < 4 * 18


def test_seeds_give_different_splits():
    labels = [0] * 200
    assert side_of(names_of(labels), labels, TRAIN_VAL_TEST, 0) != side_of(names_of(labels), labels, TRAIN_VAL_TEST, 1)


def test_fractions_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match="add up to 1"):
        split_indices(["a"], np.array([0]), {"train": 0.5}, 0)


class Bytes:
    """A source of given bytes that counts how often it is read."""

    def __init__(self, contents):
        self.contents, self.reads = contents, 0

    def sizes(self):
        return np.array([len(content) for content in self.contents])

    def read(self, index):
        self.reads += 1
        return self.contents[index]


def test_only_files_of_equal_size_are_read():
    source = Bytes([b"aa", b"bb", b"ccc", b"aa", b"dddd"])
    groups = identical_groups(source)
    assert source.reads == 3
    assert groups[0] == groups[3]
    assert groups.tolist() == [0, 1, 2, 0, 4]


def test_identical_photographs_of_the_real_set_stay_in_one_split(test_data):
    dataset = open_dataset("cats-vs-dogs", test_data)
    sides, copies = defaultdict(set), Counter()
    for split in dataset.splits:
        source = dataset.source(split)
        for index in range(len(source.listing)):
            digest = hashlib.sha256(source.read(index)).digest()
            sides[digest].add(split)
            copies[digest] += 1
    assert max(copies.values()) > 1
    assert all(len(found) == 1 for found in sides.values())
    assert sum(copies.values()) == sum(1 for path in test_data.glob("cats-vs-dogs/PetImages/*/*"))

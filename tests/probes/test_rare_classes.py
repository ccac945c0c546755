"""A class with few or no rows: it is classified where it can be, and named where nothing could be chosen for it."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from gapscope.estimators import LogisticClassifier, SoftmaxClassifier
from gapscope.probes import PROBES
from gapscope.probes.options import ProbeOptions
from gapscope.probes.train import train
from gapscope.store import ArrayStore
from gapscope.stream import connect


def one_in_ten_thousand(rng):
    x, y = rng.standard_normal((10_001, 8)).astype(np.float32), np.array(["common"] * 10_000 + ["rare"])
    x[-1] += 6
    test = rng.standard_normal((210, 8)).astype(np.float32)
    test[200:] += 6
    return x, y, test, np.array(["common"] * 200 + ["rare"] * 10)


@pytest.mark.parametrize("estimator", [LogisticClassifier(), LogisticClassifier(C=1), SoftmaxClassifier()])
def test_a_separable_class_of_one_row_in_ten_thousand_is_classified_as_scikit_learn_does(estimator, rng):
    x, y, test, labels = one_in_ten_thousand(rng)
    assert LogisticRegression(max_iter=1000).fit(x, y).score(test, labels) == 1
    assert estimator.fit(x, y).score(test, labels) == 1
    assert estimator.model_.details["not_held_out"] == [1]


@pytest.mark.parametrize("name", sorted(set(PROBES) - {"sgd"}))
def test_every_member_names_the_classes_that_no_held_out_row_could_speak_for(name, rng):
    y = np.array([0, 1] * 150 + [2] + [0, 1] * 30)
    x = (rng.standard_normal((361, 5)) + 3 * np.eye(4, 5)[y]).astype(np.float32)
    store = ArrayStore(x, y, ["a", "b", "c", "d"])
    options = ProbeOptions(trees=4 if name in ("forest", "sample-forest", "boosting") else None)
    with connect(threads=2) as workers:
        details = train(name, store.view(0, 301), store.view(301), options, workers).details
    assert details["not_held_out"] == [2]
    assert details["class_rows"][3] == 0


def test_classes_that_are_all_held_out_are_no_matter(rng):
    y = np.arange(300) % 3
    x = (rng.standard_normal((300, 5)) + 3 * np.eye(3, 5)[y]).astype(np.float32)
    details = LogisticClassifier().fit(x, y).model_.details
    assert "not_held_out" not in details

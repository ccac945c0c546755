"""What a distance lets expect of an accuracy, on made-up features that causes move."""

from types import SimpleNamespace

import numpy as np
import pytest

from gapscope.causes.candidates import causes
from gapscope.causes.forecast import expected_accuracy
from gapscope.causes.samples import Sample
from gapscope.causes.search import Search

N, DIM = 80, 6


class Moved:
    """Every cause moves all rows along one axis, the further the higher its severity."""

    seed = 0

    def __init__(self, sample):
        self.sample = sample
        self.plain = sample.x

    def of(self, candidates, rows, what=""):
        return [moved(self.plain[rows], 0.5 * one.steps[0].severity) for one in candidates]


def moved(x, step):
    return x + step * np.eye(DIM)[0]


def sample(rng, name, *, labelled=True):
    x = rng.normal(size=(N, DIM))
    label = (x[:, 0] > 0).astype(int) if labelled else np.full(N, -1)
    return Sample(name, np.arange(N), label, [f"{name}-{i}" for i in range(N)], x)


MODEL = SimpleNamespace(predict=lambda x: (x[:, 0] > 0).astype(int))


@pytest.mark.parametrize("step", [0.6, 1.0])
def test_the_accuracy_is_expected_without_labels_of_the_target(rng, step):
    reference, target = sample(rng, "a"), sample(rng, "b", labelled=False)
    truth = float(((target.x[:, 0] + step > 0) == (target.x[:, 0] > 0)).mean())
    shifted = Sample(target.set, target.sample_id, target.label, target.names, moved(target.x, step))
    found = expected_accuracy(Search.of(Moved(reference), shifted, None), causes(), MODEL, 1.0)
    assert found.value == pytest.approx(truth, abs=0.1)
    assert found.low <= truth <= found.high
    assert found.sets == 2 * len(causes())


def test_a_set_further_away_than_all_that_was_made_and_one_without_labels_have_no_forecast(rng):
    far = Sample("b", np.arange(N), np.full(N, -1), [f"b-{i}" for i in range(N)], moved(rng.normal(size=(N, DIM)), 9))
    assert expected_accuracy(Search.of(Moved(sample(rng, "a")), far, None), causes(), MODEL, 1.0) is None
    near = sample(rng, "b", labelled=False)
    bare = sample(rng, "a", labelled=False)
    assert expected_accuracy(Search.of(Moved(bare), near, None), causes(), MODEL, 1.0) is None

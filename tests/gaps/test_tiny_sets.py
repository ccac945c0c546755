"""Sets of a few rows: no term has an interval that it cannot keep, and no cause is named."""

import numpy as np
import pytest

from gapscope.gaps.breakdown import break_down
from gapscope.gaps.keys import strangers
from gapscope.gaps.mix import Counts, mix_of
from gapscope.predictions import Predictions

RUNS = 60


def sample(rng, rows, share, accuracy):
    label = rng.choice(len(share), rows, p=share)
    predicted = np.where(rng.random(rows) < accuracy[label], label, (label + 1) % len(share))
    names = tuple(f"class {index}" for index in range(len(share)))
    columns = (np.arange(rows), label.astype(np.int32), predicted[:, None].astype(np.int32))
    return Predictions("model", "set", "test", names, *columns)


def accounts(rng, rows):
    """Breakdowns of two sets of two classes in other proportions, with the class mix that their populations have."""
    for _ in range(RUNS):
        accuracy, (p, q) = rng.uniform(0.4, 0.98, 2), rng.dirichlet(np.ones(2), 2)
        sides = [sample(rng, rows, share, accuracy) for share in (p, q)]
        found = break_down(*sides, keys=strangers(*(one.sample_id for one in sides)), replicates=100)
        yield found, float(mix_of(Counts(p * accuracy, p), Counts(q * accuracy, q)).mix.sum())


@pytest.mark.parametrize("rows", [2, 8, 30])
def test_class_mixes_of_tiny_sets_lie_in_their_intervals_or_have_none(rng, rows):
    seen = [(found.term("class_mix"), truth) for found, truth in accounts(rng, rows)]
    missed = [not term.low <= truth <= term.high for term, truth in seen if np.isfinite(term.low)]
    assert sum(missed) <= 0.15 * RUNS


@pytest.mark.parametrize("rows", [2, 8])
def test_of_a_few_rows_no_cause_is_named(rng, rows):
    assert all(found.lead is None for found, _ in accounts(rng, rows))

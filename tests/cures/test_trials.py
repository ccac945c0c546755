"""What a remedy is fitted to is not judged, also where both sets show the same images."""

import numpy as np

from gapscope.causes.samples import Sample
from gapscope.cures.trials import _usable

N = 40


def sample(name, names, label=None):
    return Sample(name, np.arange(N), np.zeros(N, int) if label is None else label, names, np.zeros((N, 2), np.float32))


def test_images_by_which_the_other_set_is_judged_are_not_fitted_to(rng):
    one = sample("a/all", [f"{place}.png" for place in range(N)])
    other = sample("a+night:3/all", [f"{place}.png" for place in rng.permutation(N)])
    for first, second in ((one, other), (other, one)):
        judged = set(second.names[second.halves[1]])
        kept = [name for name, used in zip(first.names[first.halves[0]], _usable(first, second), strict=True) if used]
        assert kept
        assert not judged & set(kept)
        assert judged | set(kept) >= set(first.names[first.halves[0]])


def test_of_other_images_every_one_with_a_label_is_fitted_to(rng):
    label = rng.integers(-1, 3, N)
    one, other = (
        sample("a/all", [f"a{place}" for place in range(N)], label),
        sample("b/all", [f"b{place}" for place in range(N)]),
    )
    assert np.array_equal(_usable(one, other), label[one.halves[0]] >= 0)

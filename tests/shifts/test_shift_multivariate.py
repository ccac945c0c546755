"""Random features, MMD, Fréchet distance and neighbourhoods, against closed forms and dense computations."""

from functools import reduce
from itertools import permutations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import rbf_kernel

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.shifts.battery import Battery, ShiftOptions
from gapscope.shifts.frechet import frechet, infinity_sizes, permuted, squared_frechet
from gapscope.shifts.mmd import combined, median_distance, spectrum
from gapscope.shifts.prdc import expected_coverage
from gapscope.store import ArrayStore
from gapscope.stream import connect
from gapscope.summaries import Moments
from gapscope.summaries.random_features import RandomFeatures, features_of

MINE = ["mmd", "frechet", "prdc"]


def view_of(x, y=None, classes=1):
    labels = np.zeros(len(x), np.int32) if y is None else y
    return ArrayStore(x.astype(np.float32), labels, [f"class {i}" for i in range(classes)]).view()


def battery_of(*views, names=MINE, **options):
    with connect(threads=2) as workers:
        return Battery.read(views, names, ShiftOptions(**{"replicates": 40, **options}), workers)


def verdicts_of(one, other, names=MINE, **options):
    found = battery_of(one, other, names=names, **options).compare(0, 1)
    return {verdict.statistic: verdict for findings in found.values() for verdict in findings.verdicts}


def chunk_of(x, first=0):
    return Chunk(np.arange(first, first + len(x)), x, np.zeros(len(x), np.int32))


def embedded(x, frequencies):
    """Mean embedding at the single bandwidth of `frequencies`."""
    origin, width = np.zeros(x.shape[1]), 2 * frequencies.shape[1]
    total = np.zeros(width)
    for start in range(0, len(x), 2000):
        (features,) = features_of(x[start : start + 2000], origin, frequencies, 1)
        total += features.sum(axis=0, dtype=np.float64)
    return total / (len(x) * np.sqrt(frequencies.shape[1]))


# Random features


def test_random_features_do_not_depend_on_the_partitioning(rng):
    x = (rng.standard_normal((1500, 24)) * 3 + 5).astype(np.float32)
    frequencies, origin = rng.standard_normal((24, 32)) / 8, np.full(24, 5.0)
    whole = RandomFeatures.of(chunk_of(x), origin, frequencies, 3)
    cuts = np.sort(rng.choice(np.arange(1, 1500), 96, replace=False))
    parts = [RandomFeatures.of(chunk_of(part), origin, frequencies, 3) for part in np.split(x, cuts)]
    for order in (parts, parts[::-1]):
        merged = reduce(RandomFeatures.merge, order)
        assert merged.n == 1500
        np.testing.assert_allclose(merged.total, whole.total, rtol=1e-10, atol=1e-10 * np.abs(whole.total).max())
        np.testing.assert_allclose(merged.product, whole.product, rtol=1e-10, atol=1e-10 * np.abs(whole.product).max())


def test_each_octave_approximates_the_gaussian_kernel_of_half_the_bandwidth(rng):
    x = rng.standard_normal((40, 5))
    octaves = features_of(x, np.zeros(5), rng.standard_normal((5, 20_000)) / 4, 3)
    for features, bandwidth in zip(octaves, (4, 2, 1), strict=True):
        phi = features.astype(np.float64) / np.sqrt(20_000)
        np.testing.assert_allclose(phi @ phi.T, rbf_kernel(x, gamma=0.5 / bandwidth**2), atol=0.03)
        np.testing.assert_allclose((phi * phi).sum(axis=1), 1, atol=1e-5)


def test_a_row_that_is_not_finite_is_named(rng):
    x = rng.standard_normal((5, 3)).astype(np.float32)
    x[3, 1] = np.nan
    with pytest.raises(InputError, match="sample 13 has a feature that is not finite"):
        RandomFeatures.of(chunk_of(x, 10), np.zeros(3), np.ones((3, 2)), 1)


def test_the_spectrum_is_that_of_all_tuples_of_different_rows(rng):
    x, w = rng.standard_normal((7, 3)).astype(np.float32), rng.standard_normal((3, 6))
    trace, squares = spectrum(RandomFeatures.of(chunk_of(x), np.zeros(3), w, 1), 0)
    (features,) = features_of(x, np.zeros(3), w, 1)
    kernel = features.astype(np.float64) @ features.T.astype(np.float64) / 6
    quads = [
        (kernel[i, j] - kernel[i, k] - kernel[j, h] + kernel[k, h]) ** 2 for i, j, k, h in permutations(range(7), 4)
    ]
    halves = [kernel[i, i] - kernel[i, j] for i, j in permutations(range(7), 2)]
    assert trace == pytest.approx(np.mean(halves), rel=1e-5)
    assert squares == pytest.approx(np.mean(quads) / 4, rel=1e-4)


# MMD


def test_mmd_has_the_closed_form_of_two_normal_laws(rng):
    assert 2 / np.sqrt(3) * (1 - np.exp(-1 / 6)) == pytest.approx(0.177267635, abs=5e-10)
    x, y = rng.standard_normal((20_000, 1)), rng.standard_normal((20_000, 1)) + 1
    between = embedded(x, w := rng.standard_normal((1, 4096))) - embedded(y, w)
    assert between @ between == pytest.approx(0.177267635, rel=0.05)


def test_mmd_has_the_closed_form_in_sixteen_dimensions(rng):
    assert 2 * (16 / 18) ** 8 * (1 - np.exp(-1 / 36)) == pytest.approx(0.0213545, abs=5e-8)
    w = rng.standard_normal((16, 4096)) / 4
    x, y = rng.standard_normal((20_000, 16)), rng.standard_normal((20_000, 16))
    y[:, 0] += 1
    between = embedded(x, w) - embedded(y, w)
    assert between @ between == pytest.approx(0.0213545, rel=0.05)


def test_unbiased_mmd_is_near_the_dense_one(rng):
    x, y = rng.standard_normal((300, 8)), rng.standard_normal((250, 8)) + 0.5
    views = view_of(x), view_of(y)
    found = verdicts_of(*views, names=["mmd"])["mmd"]
    bandwidth = median_distance(battery_of(*views, names=["mmd"]).sample)
    kernel = [rbf_kernel(a, b, gamma=0.5 / bandwidth**2) for a, b in ((x, x), (y, y), (x, y))]
    dense = sum((k.sum() - len(k)) / (len(k) * (len(k) - 1)) for k in kernel[:2]) - 2 * kernel[2].mean()
    assert found.value == pytest.approx(dense, rel=0.2)
    assert found.low < dense < found.high
    assert found.p < 0.01


def test_the_mean_cauchy_score_keeps_one_p_value_and_never_goes_below_the_least():
    assert combined(np.array([0.03, 0.03, 0.03])) == pytest.approx(0.03)
    assert combined(np.array([1.0, 1.0, 1.0])) == 1.0
    assert combined(np.array([1e-9, 1.0, 1.0])) == pytest.approx(3e-9, rel=0.01)


# Fréchet


def test_frechet_has_the_closed_form_of_two_small_covariances():
    zero = np.zeros(2)
    terms = squared_frechet(zero, np.array([[2.0, 1], [1, 2]]), zero, np.diag([1.0, 3]))
    assert terms.total == pytest.approx(0.516685226, abs=5e-10)
    assert terms.mean == 0
    assert terms.trace == pytest.approx(0, abs=1e-12)  # both have variances 1 and 3: all of it is rotation


def test_frechet_of_a_thousand_features_is_that_of_its_closed_form():
    eye = np.eye(1024)
    terms = squared_frechet(np.zeros(1024), eye, np.full(1024, 0.1), 1.21 * eye)
    assert terms.total == pytest.approx(20.48, abs=1e-9)
    assert terms.mean == pytest.approx(10.24)
    assert terms.rotation == pytest.approx(0, abs=1e-9)


def test_frechet_is_that_of_a_general_matrix_root(rng):
    x, y = rng.standard_normal((200, 6)) @ rng.standard_normal((6, 6)), rng.standard_normal((150, 6)) + 1
    a, b = np.cov(x.T), np.cov(y.T)
    delta = x.mean(0) - y.mean(0)
    dense = delta @ delta + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    assert frechet(Moments.of(x), Moments.of(y)).total == pytest.approx(dense, rel=1e-9)
    assert frechet(Moments.of(y), Moments.of(x)).total == pytest.approx(dense, rel=1e-9)


def expected_by_chance(covariance, n, m):
    """Squared distance to expect of two samples of one Gaussian, to second order in the error of its covariance."""
    values = np.linalg.eigvalsh(covariance)
    ratio = np.outer(values, values) / (values[:, None] + values)
    return (1 / n + 1 / m) * (values.sum() + (ratio.sum() + np.trace(ratio)) / 2)


def test_two_halves_of_one_gaussian_are_no_shift(rng):
    x = rng.standard_normal((4000, 256))
    found = verdicts_of(view_of(x[:2000]), view_of(x[2000:]), names=["frechet"], replicates=20)
    assert found["frechet"].value == pytest.approx(16.6, abs=0.5)
    assert found["frechet"].null == pytest.approx(16.6, abs=0.5)
    assert found["frechet"].p > 0.05
    assert found["frechet_corrected"].value == pytest.approx(0, abs=0.5)
    assert "no difference beyond" in found["frechet"].sentence


def test_permuted_distances_have_the_mean_of_the_closed_form(rng):
    x = rng.standard_normal((3000, 12)) * np.linspace(0.1, 2, 12)
    observed, null = permuted(x.astype(np.float32), 1200, Moments.of(x), 200, rng)
    assert null.mean() == pytest.approx(expected_by_chance(np.cov(x.T), 1200, 1800), rel=0.05)
    assert observed == pytest.approx(frechet(Moments.of(x[:1200]), Moments.of(x[1200:])).total, rel=0.1)


def test_the_corrected_distance_and_the_intercept_agree_with_the_truth(rng):
    x, y = rng.standard_normal((4000, 8)), rng.standard_normal((3000, 8)) * 1.3 + 0.2
    truth = 8 * (0.2**2 + 0.3**2)
    found = verdicts_of(view_of(x), view_of(y), names=["frechet"])
    corrected = found["frechet_corrected"]
    assert corrected.low < truth < corrected.high
    assert corrected.value == pytest.approx(truth, rel=0.1)
    assert found["frechet_infinity"].value == pytest.approx(truth, rel=0.15)
    assert "600, 750, 1,000, 1,500, 3,000" in found["frechet_infinity"].sentence
    parts = [found[f"frechet_{name}"].value for name in ("mean", "trace", "rotation")]
    assert sum(parts) == pytest.approx(found["frechet"].value)


def test_fewer_rows_than_features_give_a_distance_with_neither_interval_nor_intercept(rng):
    found = verdicts_of(
        view_of(rng.standard_normal((12, 30))), view_of(rng.standard_normal((9, 30))), names=["frechet"]
    )
    assert found["frechet_corrected"].low is None
    assert "not more rows than features" in found["frechet_corrected"].sentence
    assert "frechet_infinity" not in found
    assert infinity_sizes(50_000, 10_000, 1024) == [2000, 2500, 3333, 5000, 10_000]


# Precision, recall, density, coverage


def dense_prdc(x, y, k):
    """Naeem's definition on whole distance matrices."""
    radius, other = (np.sort(cdist(a, a), axis=1)[:, k] for a in (x, y))
    across = cdist(x, y)
    inside = across < radius[:, None]
    return {
        "precision": inside.any(axis=0).mean(),
        "recall": (across < other).any(axis=1).mean(),
        "density": inside.sum(axis=0).mean() / k,
        "coverage": (across.min(axis=1) < radius).mean(),
    }


@pytest.mark.parametrize(("n", "m", "shift"), [(300, 200, 0.0), (1100, 1500, 0.4), (60, 400, 3.0)])
def test_prdc_is_that_of_whole_distance_matrices(rng, n, m, shift):
    x, y = rng.standard_normal((n, 6)).astype(np.float32), (rng.standard_normal((m, 6)) + shift).astype(np.float32)
    found = verdicts_of(view_of(x), view_of(y), names=["prdc"])
    for name, value in dense_prdc(x.astype(float), y.astype(float), 5).items():
        assert found[name].value == pytest.approx(value, abs=1e-12)
        assert found[name].low <= value <= found[name].high


def test_coverage_by_chance_has_its_closed_form():
    assert expected_coverage(1000, 1000, 5) == pytest.approx(0.968984, abs=5e-7)
    assert expected_coverage(1000, 1000, 3) == pytest.approx(0.875375, abs=5e-7)


def test_prdc_of_one_population_is_near_what_chance_gives(rng):
    found = verdicts_of(
        view_of(rng.standard_normal((1000, 8))), view_of(rng.standard_normal((1000, 8))), names=["prdc"]
    )
    assert found["coverage"].value == pytest.approx(0.968984, abs=0.015)
    assert found["density"].value == pytest.approx(1, abs=0.06)
    assert found["coverage"].effect == pytest.approx(found["coverage"].value - 0.968984, abs=1e-6)


def test_equal_rows_are_nearer_to_each_other_than_rounding(rng):
    x = rng.standard_normal((80, 5)) + 1000
    found = verdicts_of(view_of(x), view_of(x), names=["prdc"])
    assert found["density"].value == 1
    assert found["prdc"].value == 0
    assert found["coverage"].value == found["recall"].value == found["precision"].value == 1


def test_prdc_says_which_rows_it_took_and_what_holds_of_each_class(rng):
    y = np.repeat([0, 1, -1], 50).astype(np.int32)
    x = rng.standard_normal((150, 4)) + 20 * (y == 1)[:, None]
    one, other = view_of(x, y, 3), view_of(x[y == 0], y[y == 0], 3)
    found = battery_of(one, other, names=["prdc"], neighbour_rows=100).compare(0, 1)["prdc"]
    assert "from the first 100 and 50 rows of 150 and 50" in found.verdicts[0].sentence
    np.testing.assert_array_equal(found.class_columns["coverage"], [1, 0, np.nan])


# What holds of all three


def test_all_are_nothing_between_a_set_and_itself(rng):
    view = view_of(rng.standard_normal((200, 6)))
    found = verdicts_of(view, view)
    assert found["mmd"].value == found["mmd"].effect == 0
    assert found["frechet"].value == pytest.approx(0, abs=1e-9)
    assert found["mmd"].p == found["frechet"].p == 1


def test_mmd_and_frechet_are_symmetric_and_grow_as_the_sets_part(rng):
    x, y = rng.standard_normal((300, 6)), rng.standard_normal((200, 6))
    values = []
    for shift in (0.3, 0.6, 1.2):
        there = verdicts_of(view_of(x), view_of(y + shift))
        back = verdicts_of(view_of(y + shift), view_of(x))
        for name in ("mmd", "frechet"):
            assert there[name].value == pytest.approx(back[name].value, rel=1e-6)
        values.append([there[name].effect for name in ("mmd", "frechet")] + [-there["coverage"].value])
    assert (np.diff(values, axis=0) > 0).all()


@pytest.mark.parametrize("rows", [(2, 2), (3, 2), (2, 40)])
def test_few_rows_give_a_value_or_say_why_not(rng, rows):
    found = verdicts_of(*(view_of(rng.standard_normal((n, 4))) for n in rows))
    assert all(np.isfinite(verdict.value) or "need" in verdict.sentence for verdict in found.values())
    assert {"mmd", "frechet", "coverage"} <= set(found)


@pytest.mark.parametrize("constant", [0.0, 1e6])
def test_constant_features_are_no_shift(constant):
    found = verdicts_of(view_of(np.full((30, 3), constant)), view_of(np.full((20, 3), constant)))
    assert found["mmd"].value == 0
    assert found["mmd"].p == found["frechet"].p == 1


def test_threads_and_a_cluster_find_the_same(rng, cluster):
    views = view_of(rng.standard_normal((900, 6))), view_of(rng.standard_normal((700, 6)))
    found = []
    for scheduler in (None, cluster):
        with connect(scheduler) as workers:
            battery = Battery.read(views, MINE, ShiftOptions(replicates=20), workers)
            found.append([v for f in battery.compare(0, 1).values() for v in f.verdicts])
    for one, other in zip(*found, strict=True):
        assert (one.statistic, one.low, one.p) == (other.statistic, other.low, other.p) or one.value == pytest.approx(
            other.value, rel=1e-10
        )

"""The softmax probe reaches the converged optimum in two epochs, with NumPy or torch, and stops at the first NaN."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from gapscope.core.chunk import Chunk
from gapscope.core.errors import DivergedError, InputError
from gapscope.probes import heads_torch
from gapscope.probes.heads import Parameters, Reads, slope
from gapscope.probes.metric import Metric
from gapscope.probes.options import ProbeOptions
from gapscope.probes.schedule import batch_of
from gapscope.probes.softmax import NEARER, fit
from gapscope.probes.train import train
from gapscope.probes.training import best_temperature
from gapscope.stream import connect
from gapscope.summaries import Moments

N, D, K, HELD = 6000, 20, 4, 600


@pytest.fixture(scope="module")
def rows():
    """Classes that are not Gaussian, on correlated features of unequal scale, so that the closed form is not the
    answer.
    """
    rng = np.random.default_rng(5)
    y = rng.integers(0, K, N).astype(np.int32)
    z = np.random.default_rng(6).normal(size=(K, D))[y] * 0.4 + rng.normal(size=(N, D))
    z[:, : D // 2] = np.exp(0.8 * z[:, : D // 2])
    mixing = np.random.default_rng(7).normal(size=(D, D)) * np.geomspace(10, 0.1, D)[:, None]
    return (z @ mixing + 5).astype(np.float32), y


@pytest.fixture(autouse=True)
def no_set_is_small(monkeypatch, request):
    """The descent is tested here, on sets so small that the probe would find their optimum outright, or nearly."""
    if "small" not in request.node.name:
        monkeypatch.setattr("gapscope.probes.softmax.SMALL", 0)
    if "middle" not in request.node.name:
        monkeypatch.setattr("gapscope.probes.softmax.MIDDLE", 0)


def fitted(store, **options):
    with connect(threads=2) as workers:
        return fit(store.view(0, N - HELD), store.view(N - HELD), ProbeOptions(**options), workers)


def fitted_apart(store, **options):
    """Held-out rows that are handed over as a chunk are never trained on."""
    with connect(threads=2) as workers:
        return fit(store.view(0, N - HELD), store.view(N - HELD).read(), ProbeOptions(**options), workers)


def log_loss(scores, y):
    return -log_softmax(scores, axis=1)[np.arange(len(y)), y].mean()


def test_two_epochs_come_close_to_the_converged_optimum(make_store, rows):
    x, y = rows
    l2 = 1e-5
    probe = fitted_apart(make_store(x, y), l2=l2)
    train, deviation = x[: N - HELD], x[: N - HELD].std(axis=0)
    reference = LogisticRegression(C=1 / (l2 * len(train)), max_iter=5000, tol=1e-8)
    reference.fit((train - train.mean(axis=0)) / deviation, y[: N - HELD])
    expected = reference.decision_function((x - train.mean(axis=0)) / deviation)
    held = slice(N - HELD, None)
    closed_form = min(row["log_loss"] for row in probe.details["start"])
    assert probe.details["chosen"] == "descent"
    assert log_loss(probe.scores(x[held]), y[held]) < log_loss(expected[held], y[held]) + 0.01 < closed_form
    assert probe.details["passes"] == 3


def test_torch_gives_the_same_model_within_rounding(make_store, rows):
    store = make_store(*rows)
    one, other = fitted(store), fitted(store, device="torch:cpu")
    np.testing.assert_allclose(other.rule.weight, one.rule.weight, atol=1e-4 * np.abs(one.rule.weight).max())
    assert other.details["l2"] == one.details["l2"]


@pytest.mark.gpu
def test_a_gpu_gives_the_same_model_within_rounding(make_store, rows):
    store = make_store(*rows)
    one, other = fitted(store), fitted(store, device="cuda")
    np.testing.assert_allclose(other.rule.weight, one.rule.weight, atol=1e-3 * np.abs(one.rule.weight).max())


def test_the_first_loss_that_is_not_finite_stops_the_training_and_names_the_step(make_store, rows):
    with np.errstate(all="ignore"), pytest.raises(DivergedError, match=r"epoch 1, step \d+ of \d+ \(l2"):
        fitted(make_store(*rows), learning_rate=1e30, batch_rows=64)


def test_more_epochs_are_counted_as_passes(make_store, rows):
    assert fitted(make_store(*rows), epochs=1).details["passes"] == 2
    assert fitted(make_store(*rows), epochs=0).details["passes"] == 1


def test_a_batch_that_cannot_be_shared_out_is_refused(make_store, rows):
    with pytest.raises(InputError, match="multiple of 4"):
        fitted(make_store(*rows), batch_rows=66)


def test_a_device_that_is_not_there_is_refused_in_a_sentence(make_store, rows):
    with pytest.raises(InputError, match="torch cannot use the device"):
        fitted(make_store(*rows), device="nonsense")


@pytest.mark.parametrize(("rows", "batch"), [(500, 64), (45_000, 1024), (1_281_167, 8192), (10**9, 8192)])
def test_batches_grow_with_the_data(rows, batch):
    assert batch_of(rows, ProbeOptions()) == batch


def test_the_gradient_of_two_heads_is_that_of_finite_differences(rng):
    x, y = rng.normal(size=(50, 3)).astype(np.float32), rng.integers(-1, 4, 50).astype(np.int32)
    weight, bias = rng.normal(size=(3, 8)), rng.normal(size=8)

    def losses(weight, bias):
        known = y >= 0
        scores = (x[known].astype(np.float64) @ weight + bias).reshape(-1, 2, 4)
        return -log_softmax(scores, axis=2)[np.arange(known.sum()), :, y[known]].sum(axis=0)

    parameters = Parameters(weight.astype(np.float32), bias.astype(np.float32), 2)
    found = slope(parameters, Chunk(np.arange(50), x, y), Reads(partial(np.asarray, dtype=np.int64)))
    np.testing.assert_allclose(found.loss, losses(weight, bias), rtol=1e-5)
    assert found.rows == (y >= 0).sum()
    for row, column in [(0, 0), (2, 3), (1, 5), (2, 7)]:
        step = np.zeros_like(weight)
        step[row, column] = 1e-5
        difference = (losses(weight + step, bias) - losses(weight - step, bias)).sum() / 2e-5
        assert found.weight[row, column] == pytest.approx(difference, rel=1e-3, abs=1e-3)


def test_a_row_of_weight_two_adds_twice_its_gradient_with_numpy_and_with_torch(rng):
    x, y = rng.normal(size=(50, 3)).astype(np.float32), rng.integers(-1, 4, 50).astype(np.int32)
    weight, bias = rng.normal(size=(3, 8)).astype(np.float32), rng.normal(size=8).astype(np.float32)
    by_class = rng.random((2, 4)).astype(np.float32)
    times, reads = rng.integers(1, 4, 50), Reads(partial(np.asarray, dtype=np.int64))
    for row_weights in (None, by_class):
        parameters = Parameters(weight, bias, 2, row_weights)
        repeated = Chunk(np.arange(times.sum()), np.repeat(x, times, axis=0), np.repeat(y, times))
        wanted = slope(parameters, repeated, reads)
        chunk = Chunk(np.arange(50), x, y, times.astype(np.float64))
        tensors = parameters._replace(weight=torch.from_numpy(weight), bias=torch.from_numpy(bias))
        for found in (slope(parameters, chunk, reads), heads_torch.slope(tensors, chunk, reads, "cpu")):
            for one, other in zip(found[1:], wanted[1:], strict=True):
                np.testing.assert_allclose(np.asarray(one), other, rtol=1e-4, atol=1e-4)


def test_the_preconditioner_inverts_curvature_plus_penalty(rng):
    x = rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6)) + 3
    metric = Metric.of(Moments.of(x), 5)
    covariance = np.cov(x.T, ddof=0)
    expected = np.linalg.inv(covariance / 5 + 0.02 * np.diag(np.diag(covariance)))
    np.testing.assert_allclose(metric.preconditioner(0.02), expected, rtol=1e-8, atol=1e-10)
    assert metric.dimension(0.02) == pytest.approx(np.trace(covariance / 5 @ expected))


def test_the_temperature_is_the_minimiser_of_the_log_loss(rng):
    y = rng.integers(0, 5, 400)
    scores = rng.normal(size=(400, 5)) * 7
    scores[np.arange(400), y] += 5
    best = minimize_scalar(lambda t: log_loss(t * scores, y), bounds=(1e-3, 10), method="bounded").x
    assert best_temperature(scores, y) == pytest.approx(best, rel=1e-3)


def test_the_numpy_path_never_loads_torch():
    code = "import sys; from gapscope.probes import heads, lda, softmax; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_held_out_rows_join_the_others_once_nothing_is_left_to_choose(make_store, rows):
    store = make_store(*rows)
    joined, apart = fitted(store), fitted_apart(store)
    assert (joined.details["rows"], apart.details["rows"]) == (N, N - HELD)
    assert not np.array_equal(joined.rule.weight, apart.rule.weight)


def test_few_rows_are_used_more_than_once_while_they_are_in_memory(make_store, rows):
    details = fitted(make_store(*rows)).details
    assert (details["repeats"], details["passes"]) == (4, 3)


def test_a_grid_is_trained_from_one_read_and_every_setting_is_in_the_table(make_store, rows):
    details = fitted(make_store(*rows), grid=True).details
    assert len(details["settings"]) == 16
    assert {row["view"] for row in details["settings"]} == {"whitened", "standardised", "raw", "normalised"}
    best = min(details["settings"], key=lambda row: row["log_loss"])
    assert (details["view"], details["l2"]) == (best["view"], best["l2"])
    assert details["passes"] == 3


def test_successive_halving_drops_the_poor_and_gives_their_rows_to_the_rest(make_store, rows):
    settings = fitted(make_store(*rows), grid=True, halving=True).details["settings"]
    assert len(settings) == 48
    rungs = [sum(row["rung"] >= rung for row in settings) for rung in sorted({row["rung"] for row in settings})]
    assert rungs[0] == 48
    assert rungs == sorted(rungs, reverse=True)
    assert len(set(rungs)) >= 3
    by_rung = {row["rung"]: row["rows"] for row in settings}
    assert [by_rung[rung] for rung in sorted(by_rung)] == sorted(by_rung.values())


def test_a_head_of_a_grid_ends_where_it_would_have_ended_alone(make_store, rows):
    store = make_store(*rows)
    alone = fitted_apart(store, l2=0.01, view="standardised")
    x, y = rows
    grid = fitted_apart(store, l2=0.01, grid=True)
    together = next(row for row in grid.details["settings"] if row["view"] == "standardised")
    held = slice(N - HELD, None)
    assert together["log_loss"] == pytest.approx(log_loss(alone.scores(x[held]), y[held]), rel=1e-4)


def test_a_head_on_rows_of_length_one_is_the_same_from_stored_rows_and_from_scaled_ones(make_store, rows):
    x, y = rows
    store = make_store(x, y)
    with connect(threads=2) as workers:
        scaled = train(
            "softmax", store.view(0, N - HELD), store.view(N - HELD).read(), ProbeOptions(view="normalised"), workers
        )
    assert scaled.normalised
    np.testing.assert_allclose(scaled.scores(x), scaled.scores(3 * x), rtol=1e-4, atol=1e-3)
    assert (scaled.predict(x) == y).mean() > 0.5


def test_certify_ends_at_the_optimum_and_tells_how_far_above_it_the_descent_was(make_store, rows):
    store = make_store(*rows)
    certified = fitted_apart(store, l2=1e-5, certify=True)
    certificate = certified.details["certificate"]
    assert certificate["relative_bound"] < 1e-6
    assert 0 <= certificate["descent_above_optimum"] < 0.02
    with connect(threads=2) as workers:
        kept, held = store.view(0, N - HELD), store.view(N - HELD).read()
        optimum = train("logistic", kept, held, ProbeOptions(l2=1e-5), workers)
    np.testing.assert_allclose(
        certified.rule.weight, optimum.rule.weight, atol=1e-4 * np.abs(optimum.rule.weight).max()
    )


@pytest.mark.parametrize("treatment", ["balanced", "effective-number", "balanced-sampling", "logit-adjustment"])
def test_a_treatment_of_unequal_classes_raises_the_recall_of_the_rare_one(make_store, rows, treatment):
    x, y = rows
    kept = (y != 2) | (np.arange(N) % 8 == 0)
    x, y = x[kept], y[kept]
    store = make_store(x, y)
    with connect(threads=2) as workers:
        views = store.view(0, len(y) - 400), store.view(len(y) - 400).read()
        plain, treated = (
            train("softmax", *views, ProbeOptions(class_weight=name), workers) for name in ("none", treatment)
        )
    recalls = [(model.predict(x[y == 2]) == 2).mean() for model in (plain, treated)]
    assert recalls[1] > recalls[0] + 0.1


def test_balanced_sampling_and_balanced_weights_agree_in_the_mean(make_store, rows):
    x, y = rows
    kept = (y != 2) | (np.arange(N) % 8 == 0)
    store = make_store(x[kept], y[kept])
    drawn, weighed = (fitted_with(store, name) for name in ("balanced-sampling", "balanced"))
    agreement = (drawn.predict(x) == weighed.predict(x)).mean()
    assert agreement > 0.9


def fitted_with(store, class_weight):
    with connect(threads=2) as workers:
        views = store.view(0, store.rows - 400), store.view(store.rows - 400)
        return train("softmax", *views, ProbeOptions(class_weight=class_weight), workers)


def test_a_small_set_is_brought_to_its_optimum_outright(make_store, rows):
    x, y = rows
    store = make_store(x[:1500], y[:1500])
    with connect(threads=2) as workers:
        views = store.view(0, 1300), store.view(1300)
        probe, optimum = (train(name, *views, ProbeOptions(), workers) for name in ("softmax", "logistic"))
    assert probe.details["chosen"] == "optimum"
    np.testing.assert_array_equal(probe.rule.weight, optimum.rule.weight)
    assert probe.details["certificate"]["relative_bound"] < 1e-5


def test_a_middle_set_goes_on_behind_the_descent_until_the_optimum_is_near(make_store, rows):
    store = make_store(*rows)
    with connect(threads=2) as workers:
        optimum = train("logistic", store.view(), store.view(N), ProbeOptions(l2=1e-5), workers)
    probe = fitted(store, l2=1e-5)
    lost = probe.details["certificate"]["loss"] / optimum.details["certificate"]["loss"] - 1
    assert probe.details["chosen"] == "descent"
    assert 0 <= lost < 1e-3
    assert 3 < probe.details["passes"] <= 3 + NEARER.evaluations


def test_of_a_small_set_the_closed_form_is_kept_where_it_is_surely_better(make_store):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(60, 30)) * 1.3
    y = (np.arange(1200) % 60).astype(np.int32)
    x = (centres[y] + rng.normal(size=(1200, 30))).astype(np.float32)
    store = make_store(x, y)
    with connect(threads=2) as workers:
        views = store.view(0, 900), store.view(900)
        probe, optimum = (train(name, *views, ProbeOptions(), workers) for name in ("softmax", "logistic"))
    assert probe.details["chosen"] == "closed form"
    assert probe.details["rows"] == 900
    held = slice(900, None)
    assert log_loss(probe.scores(x[held]), y[held]) < log_loss(optimum.scores(x[held]), y[held])

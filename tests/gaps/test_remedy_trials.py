"""The trials regains what a remedy can undo, says "nothing" for what none can, and its bound bounds."""

import pickle
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binomtest, false_discovery_control

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT
from gapscope.gaps.trials import PairedCounts, RemedyTrial, try_remedies
from gapscope.gaps.upper_bound import Without, oracles
from gapscope.inference.multiplicity import adjusted
from gapscope.probes.model import Classifier
from gapscope.probes.rules.linear import Linear
from gapscope.remedies import REMEDIES
from gapscope.store import ArrayStore, Piece
from gapscope.stream import connect

DIM, CLASSES = 8, 5
NAMES = [f"class {index}" for index in range(CLASSES)]


@pytest.fixture
def workers():
    with connect(threads=2) as connected:
        yield connected


@pytest.fixture
def blobs(rng):
    """Rows of five Gaussian classes, of which their Bayes rule gets about 85 % right."""
    centres = rng.standard_normal((CLASSES, DIM)) * 1.1

    def draw(n, shares=None):
        y = rng.choice(CLASSES, n, p=shares)
        return (centres[y] + rng.standard_normal((n, DIM))).astype(np.float32), y

    draw.centres = centres
    return draw


@pytest.fixture
def model(blobs):
    bias = -0.5 * (blobs.centres**2).sum(axis=1)
    return Classifier(
        "lda", Linear(blobs.centres.astype(np.float32), bias.astype(np.float32)), class_names=tuple(NAMES)
    )


def view(x, y, name="toy/test"):
    return ArrayStore(np.asarray(x, np.float32), np.asarray(y), NAMES, name).view()


def trials(model, reference, target, workers, **options):
    return {
        trial.name: trial for trial in try_remedies(model, view(*reference), view(*target), workers=workers, **options)
    }


def nothing(trial):
    return "regains nothing" in trial.sentence


def test_the_remedy_made_for_a_shift_of_the_mean_regains_what_it_cost(model, blobs, workers, rng):
    x, y = blobs(2000)
    found = trials(model, blobs(2000), (x + rng.normal(0, 1.5, DIM), y), workers)
    assert found["mean"].lost > 0.1
    assert found["mean"].regained > 0.85 * found["mean"].lost
    assert found["mean"].adjusted_p < 1e-6
    assert "re-centring the features regains" in found["mean"].sentence
    assert found["mean"].low > 0.05


def test_coral_regains_what_a_stretch_along_oblique_axes_cost(model, blobs, workers, rng):
    axes = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0]
    x, y = blobs(3000)
    stretched = (x - x.mean(axis=0)) @ (axes * np.geomspace(0.2, 5, DIM) @ axes.T) + x.mean(axis=0)
    found = trials(model, blobs(3000), (stretched, y), workers, oracle="")
    assert found["coral"].lost > 0.05
    assert found["coral"].regained > 0.85 * found["coral"].lost
    assert found["scale"].regained < 0.8 * found["coral"].regained
    assert found["mean"].regained < 0.5 * found["coral"].regained


def test_quantiles_regain_what_a_monotone_distortion_cost(model, blobs, workers):
    x, y = blobs(3000)
    found = trials(model, blobs(3000), (np.exp(1.2 * x), y), workers, oracle="")
    assert found["quantiles"].lost > 0.1
    assert found["quantiles"].regained > 0.85 * found["quantiles"].lost
    assert found["quantiles"].regained > found["scale"].regained + 0.05


def test_no_repair_of_features_regains_what_wrong_labels_cost(model, blobs, workers):
    x, y = blobs(2000)
    found = trials(model, blobs(2000), (x, np.where(y == 3, 1, y)), workers)
    assert found["mean"].lost > 0.1
    assert all(nothing(found[name]) for name in ("mean", "scale", "coral", "quantiles"))
    assert found["oracle"].regained > 0.05
    assert found["oracle"].uses_labels
    assert not found["mean"].uses_labels
    assert found["oracle"].sentence.startswith("what target labels allow, and no remedy: the best of 3 heads")


def test_prior_helps_where_classes_were_resampled(model, blobs, workers):
    found = trials(model, blobs(2000), blobs(2000, [0.84, 0.04, 0.04, 0.04, 0.04]), workers, oracle="")
    assert found["prior"].regained > 0
    assert found["prior"].adjusted_p < 0.05


@pytest.mark.parametrize("seed", range(6))
def test_prior_never_harms_beyond_noise_where_classes_were_resampled(model, blobs, workers, seed):
    shares = np.random.default_rng(seed).dirichlet(np.ones(CLASSES))
    found = trials(model, blobs(1500), blobs(800, shares), workers, oracle="", names=("prior",))
    assert found["prior"].regained >= 0 or found["prior"].p > 0.01


def test_identical_sets_regain_nothing(model, blobs, workers):
    one = blobs(800)
    found = trials(model, one, one, workers)
    for name in REMEDIES:
        assert found[name].regained == 0
        assert found[name].p == 1
        assert found[name].low <= 0 <= found[name].high  # other samples of the same population would fit it otherwise
        assert nothing(found[name])
    assert nothing(found["oracle"])


def test_two_samples_of_one_population_regain_nothing_beyond_noise(model, blobs, workers):
    found = trials(model, blobs(3000), blobs(2000), workers)
    assert all(nothing(trial) for trial in found.values())


def test_the_bound_is_not_below_the_best_repair_beyond_noise(model, blobs, workers, rng):
    x, y = blobs(1000)
    found = trials(model, blobs(1000), (x + rng.normal(0, 1.5, DIM), y), workers)
    best = max(found[name].regained for name in REMEDIES)
    assert found["oracle"].regained > best - 0.02


def test_the_numbers_of_a_rung_are_those_of_a_plain_count(model, blobs, workers, rng):
    reference, (x, y) = blobs(900), blobs(700)
    x = (x + rng.normal(0, 1, DIM)).astype(np.float32)
    found = trials(model, reference, (x, y), workers, oracle="")
    remedy = REMEDIES["scale"].fit(model, view(*reference), view(x, y), workers)
    before, after = model.predict(x) == y, remedy.scores(model, x).argmax(axis=1) == y
    trial = found["scale"]
    assert trial.accuracy_before == before.mean()
    assert trial.accuracy_after == after.mean()
    assert trial.regained == pytest.approx(after.mean() - before.mean(), abs=1e-12)
    only = int((after & ~before).sum()), int((before & ~after).sum())
    assert trial.p == pytest.approx(binomtest(only[0], sum(only)).pvalue)
    assert trial.lost == pytest.approx((model.predict(reference[0]) == reference[1]).mean() - before.mean())
    ps = adjusted(np.array([found[name].p for name in REMEDIES]), "holm")
    np.testing.assert_allclose([found[name].adjusted_p for name in REMEDIES], ps)
    assert ps.max() >= false_discovery_control([found[name].p for name in REMEDIES]).max()


def test_rows_without_a_label_help_to_fit_and_are_not_judged(model, blobs, workers):
    x, y = blobs(1200)
    hidden = np.where(np.arange(1200) % 3 == 0, y, -1)
    found = trials(model, blobs(1000), (x + 1, hidden), workers, oracle="")
    assert found["mean"].n == 400
    everything = REMEDIES["mean"].fit(model, view(*blobs(1000)), view(x + 1, y), workers).note
    assert "1,200 target rows" in found["mean"].note
    assert "1,200 target rows" in everything


def test_classes_in_another_order_are_translated(model, blobs, workers):
    x, y = blobs(600)
    reference, order = blobs(600), np.array([3, 1, 4, 0, 2])
    plain = trials(model, reference, (x, y), workers)
    turned = trials(model, reference, (x, np.argsort(order)[y]), workers, target_classes=order)
    assert turned == plain


def test_without_labels_nothing_is_judged(model, blobs, workers):
    x, _ = blobs(50)
    with pytest.raises(InputError, match="no row of toy/test has a label"):
        trials(model, blobs(50), (x, np.full(50, -1)), workers)
    found = trials(model, (x, np.full(50, -1)), blobs(60), workers, oracle="")
    assert np.isnan(found["mean"].lost)


class Heard:
    """Progress that remembers what it was told."""

    def __init__(self):
        self.said, self.task = [], SILENT.task

    def say(self, message):
        self.said.append(message)


def test_too_few_labels_for_a_bound_are_said_and_not_hidden(model, blobs, workers):
    heard = Heard()
    found = trials(model, blobs(100), blobs(30), workers, progress=heard)
    assert "oracle" not in found
    assert heard.said == ["30 labelled target rows are too few for an upper bound; it is left out"]


@pytest.mark.parametrize("start", [0, 40])
def test_synthetic_rows_among_the_target_leave_no_fold_unseen_so_that_the_bound_is_left_out(
    model, blobs, workers, start
):
    heard = Heard()
    x, y = blobs(100)
    target = ArrayStore(x, y, NAMES, "toy+synthetic/train", unseen=60).view(start)
    found = try_remedies(model, view(*blobs(100)), target, workers=workers, progress=heard, names=["mean"])
    assert [trial.name for trial in found] == (["mean"] if start < 40 else ["mean", "oracle"])
    assert [line.startswith("toy+synthetic/train has synthetic rows") for line in heard.said] == [True] * (start < 40)


def test_a_cluster_finds_the_same_rungs(model, blobs, workers, cluster):
    reference, target = blobs(700), blobs(600)
    options = {"names": ("mean", "quantiles"), "folds": 2}
    here = trials(model, reference, target, workers, **options)
    with connect(cluster) as remote:
        there = trials(model, reference, target, remote, **options)
    assert there == here


def test_answers_are_the_same_in_any_chunks_and_any_order(rng):
    ids, before, after = rng.permutation(400), rng.random(400) < 0.6, rng.random((400, 3)) < 0.7
    whole = PairedCounts.of(ids, before, after, 3, 50)
    cuts = [0, *np.sort(rng.integers(0, 401, 40)), 400]
    parts = [PairedCounts.of(ids[a:b], before[a:b], after[a:b], 3, 50) for a, b in pairwise(cuts)]
    for merged in (reduce(PairedCounts.merge, parts), reduce(PairedCounts.merge, parts[::-1])):
        for mine, theirs in zip(merged, whole, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_the_interval_holds_the_true_difference_as_often_as_it_says(rng):
    held = 0
    for trial in range(200):
        corrected, spoilt = (rng.random(500) < share for share in (0.08, 0.05))
        before = ~corrected & (spoilt | (rng.random(500) < 0.7))
        after = corrected | (before & ~spoilt)
        low, high = PairedCounts.of(np.arange(500), before, after[:, None], trial, 200).interval(0)
        truth = 0.08 - 0.05 * (1 - 0.08)
        held += low <= truth <= high
    assert 0.89 <= held / 200 <= 0.985


def test_rows_outside_a_gap_are_read_in_order(blobs):
    x, y = blobs(50)
    source = ArrayStore(x, y, NAMES).view(5, 45)
    rest = Without(source, 10, 18, np.append(np.arange(CLASSES), -1), NAMES)
    expected = np.r_[5:15, 23:45]
    assert rest.rows == len(expected)
    assert rest.dim == DIM
    for start, stop in ((0, 32), (0, 10), (3, 12), (10, 32), (9, 10), (31, 32), (4, 4)):
        chunk = rest.read(Piece(start, stop))
        assert isinstance(chunk, Chunk)
        np.testing.assert_array_equal(chunk.x, x[expected[start:stop]])
        np.testing.assert_array_equal(chunk.y, y[expected[start:stop]])
        np.testing.assert_array_equal(chunk.sample_id, expected[start:stop])


def test_a_rung_is_a_plain_value():
    trial = RemedyTrial("mean", 0.7, 0.8, 0.1, 0.05, 0.15, 0.01, "good", lost=0.2)
    assert pickle.loads(pickle.dumps(trial)) == trial


def test_of_a_large_target_some_folds_are_judged_by_heads_that_have_not_seen_them(
    model, blobs, workers, rng, monkeypatch
):
    x, y = blobs(1000)
    target = (x + rng.normal(0, 1.5, DIM), y)
    monkeypatch.setattr("gapscope.gaps.trials.JUDGED_ROWS", 300)
    found = trials(model, blobs(1000), target, workers, names=["mean"])
    bound = found["oracle"]
    assert found["mean"].n == 1000
    assert bound.n == 400
    assert bound.note.endswith("cross-fitted over 5 folds and judged on 400 labelled target rows")
    assert bound.accuracy_before == (model.predict(target[0][:400].astype(np.float32)) == y[:400]).mean()
    parts = oracles(model, view(*target), np.arange(CLASSES), [], workers, judged=2)
    assert [(part.rows.start, part.rows.stop) for part in parts] == [(0, 200), (200, 400)]
    monkeypatch.undo()
    every = trials(model, blobs(1000), target, workers, names=["mean"])["oracle"]
    assert abs(every.regained - bound.regained) < 0.06

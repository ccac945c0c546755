"""New embeddings of small classes: between rows, around means, out of noise; each row a function of its number."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from conftest import write_store
from imblearn.over_sampling import SMOTE
from sklearn.covariance import oas
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import NearestNeighbors

from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.core.errors import ConfigMismatchError, InputError
from gapscope.core.location import Location
from gapscope.generators.balance import targets
from gapscope.generators.feature_diffusion import FeatureDiffusionRecipe, Feed, Frame
from gapscope.generators.feature_gaussian import GaussianRecipe
from gapscope.generators.feature_smote import SmoteRecipe
from gapscope.generators.feature_store import order_of, write_features
from gapscope.generators.features import FEATURE_GENERATORS
from gapscope.store import ArrayStore
from gapscope.stream import connect
from gapscope.summaries import LabelledMoments

D, COUNTS = 6, (90, 30, 12)
SMALL = FeatureDiffusionRecipe(steps=30, batch_size=32, width=16, layers=1, axes=4, block=8, ddim_steps=10)
RECIPES = {"smote": SmoteRecipe(), "gaussian": GaussianRecipe(), "feature-diffusion": SMALL}


@pytest.fixture
def workers():
    with connect(threads=1) as connected:
        yield connected


@pytest.fixture(params=sorted(FEATURE_GENERATORS))
def name(request):
    return request.param


def sample(seed=0, counts=COUNTS, dim=D):
    """Gaussian classes with one covariance, of unequal scale, in random order."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts)).astype(np.int32)
    x = rng.normal(size=(len(counts), dim))[y] * 4 + rng.normal(size=(len(y), dim)) @ rng.normal(size=(dim, dim))
    return x.astype(np.float32), y


def view_of(x, y, classes=3):
    return ArrayStore(x, y, [f"class {index}" for index in range(classes)]).view()


@pytest.fixture
def learn(name, workers):
    def learn(view, wanted=(1, 2), **options):
        return FEATURE_GENERATORS[name].train(view, wanted, workers, options.pop("recipe", RECIPES[name]), **options)

    return learn


def test_rows_are_finite_float32_of_the_right_length(learn):
    made = learn(view_of(*sample())).sample(2, range(5, 12), 0)
    assert made.shape == (7, D)
    assert made.dtype == np.float32
    assert np.isfinite(made).all()


def test_a_row_depends_on_seed_class_and_number_alone(learn):
    generator = learn(view_of(*sample()))
    whole = generator.sample(1, range(20), 3)
    np.testing.assert_array_equal(generator.sample(1, range(7, 9), 3), whole[7:9])
    np.testing.assert_array_equal(generator.sample(1, range(19, 20), 3), whole[19:])
    assert len(np.unique(whole, axis=0)) == 20
    assert not np.allclose(generator.sample(1, range(20), 4), whole)


def test_what_is_learnt_does_not_depend_on_how_the_store_is_divided(learn, tmp_path):
    x, y = sample()
    one, other = (write_store(tmp_path / f"{rows}", x, y, part_rows=rows).view() for rows in (11, 132))
    np.testing.assert_allclose(
        learn(one).sample(2, range(6), 0), learn(other).sample(2, range(6), 0), rtol=1e-5, atol=1e-5
    )


def test_a_class_without_rows_or_beyond_the_last_is_refused(learn):
    x, y = sample()
    with pytest.raises(InputError, match="class 3 has 0 training rows but"):
        learn(view_of(x, y, classes=4), wanted=[3])
    with pytest.raises(InputError, match="there is no class 9"):
        learn(view_of(x, y), wanted=[9])
    with pytest.raises(InputError, match="numbered from 0 on"):
        learn(view_of(x, y)).sample(1, range(-1, 2), 0)


def test_features_that_are_not_finite_are_refused(learn):
    x, y = sample()
    x[3, 2] = np.nan
    with pytest.raises(InputError, match="not finite"):
        learn(view_of(x, y))


def test_rows_without_a_label_teach_nothing(learn):
    x, y = sample()
    more = np.concatenate([x, np.full((5, D), 1e6, np.float32)])
    unlabelled = np.concatenate([y, np.full(5, -1, np.int32)])
    np.testing.assert_allclose(
        learn(view_of(more, unlabelled)).sample(2, range(4), 0), learn(view_of(x, y)).sample(2, range(4), 0), rtol=1e-4
    )


def test_the_single_row_of_a_class_is_enough_for_gaussians_and_diffusion_but_not_for_smote(workers):
    x, y = sample(counts=(40, 30, 1))
    for name in ("gaussian", "feature-diffusion"):
        generator = FEATURE_GENERATORS[name].train(view_of(x, y), [2], workers, RECIPES[name])
        assert np.isfinite(generator.sample(2, range(3), 0)).all()
    with pytest.raises(InputError, match="class 2 has 1 training rows but smote needs 2 or more; gaussian works"):
        FEATURE_GENERATORS["smote"].train(view_of(x, y), [2], workers)


def test_smote_rows_lie_between_a_row_and_one_of_its_nearest_as_those_of_imbalanced_learn_do(workers):
    x, y = sample()
    made = FEATURE_GENERATORS["smote"].train(view_of(x, y), [2], workers, SmoteRecipe(3)).sample(2, range(60), 0)
    theirs, labels = SMOTE(k_neighbors=3, sampling_strategy={2: 72}, random_state=0).fit_resample(x, y)
    assert segments(made, x[y == 2], 3).max() < 1e-4
    assert segments(theirs[len(x) :][labels[len(x) :] == 2], x[y == 2], 3).max() < 1e-4


def segments(made, x, k):
    """Distance of each row from the nearest segment between a row of `x` and one of its k nearest."""
    near = NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x, return_distance=False)[:, 1:]
    start = np.repeat(x, k, axis=0).astype(float)
    along = x[near.ravel()] - start
    t = np.clip(((made[:, None] - start) * along).sum(axis=2) / (along**2).sum(axis=1), 0, 1)
    return np.linalg.norm(start + t[..., None] * along - made[:, None], axis=2).min(axis=1)


def test_smote_has_the_distribution_of_imbalanced_learn(workers):
    x, y = sample()
    count = 4000
    made = FEATURE_GENERATORS["smote"].train(view_of(x, y), [2], workers).sample(2, range(count), 0)
    theirs = SMOTE(sampling_strategy={2: 12 + count}, random_state=1).fit_resample(x, y)[0][len(x) :]
    error = np.sqrt(2 / count) * theirs.std(axis=0)
    assert (np.abs(made.mean(axis=0) - theirs.mean(axis=0)) < 4 * error).all()
    np.testing.assert_allclose(made.std(axis=0), theirs.std(axis=0), rtol=0.06)


def test_smote_refuses_a_class_whose_rows_it_did_not_keep(workers):
    generator = FEATURE_GENERATORS["smote"].train(view_of(*sample()), [2], workers)
    with pytest.raises(InputError, match="class 0 were not stored"):
        generator.sample(0, range(2), 0)


def test_gaussian_rows_have_the_mean_of_their_class_and_the_covariance_that_all_share(workers):
    x, y = sample()
    made = (
        FEATURE_GENERATORS["gaussian"]
        .train(view_of(x, y), [2], workers, GaussianRecipe(0.0))
        .sample(2, range(20_000), 0)
    )
    reference = LinearDiscriminantAnalysis(solver="lsqr", priors=np.array(COUNTS) / sum(COUNTS)).fit(x, y)
    pooled = reference.covariance_ * len(x) / (len(x) - len(COUNTS))
    np.testing.assert_allclose(made.mean(axis=0), x[y == 2].mean(axis=0), atol=4 * np.sqrt(pooled.max() / 20_000))
    np.testing.assert_allclose(np.cov(made.T), pooled, atol=0.05 * np.diag(pooled).max())


def test_the_shrinkage_of_few_rows_is_that_of_scikit_learn(workers):
    x, y = sample(counts=(8, 7, 6), dim=12)
    found = FEATURE_GENERATORS["gaussian"].train(view_of(x, y), [2], workers).details["shrinkage"]
    centred = x - np.stack([x[y == label].mean(axis=0) for label in range(3)])[y]
    assert found == pytest.approx(oas(centred.astype(float), assume_centered=True)[1], rel=1e-4)


def test_an_impossible_recipe_is_refused(workers):
    view = view_of(*sample())
    for name, recipe in (
        ("smote", SmoteRecipe(0)),
        ("gaussian", GaussianRecipe(1.5)),
        ("feature-diffusion", FeatureDiffusionRecipe(lr=0)),
        ("feature-diffusion", FeatureDiffusionRecipe(ddim_steps=7)),
    ):
        with pytest.raises(InputError, match="; give"):
            FEATURE_GENERATORS[name].train(view, [1], workers, recipe)


def test_diffusion_learns_where_the_classes_lie_and_how_they_spread(workers):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 600).astype(np.int32)
    ring = rng.uniform(0, 2 * np.pi, 600)
    x = np.where(y == 0, 3.0, 1.0)[:, None] * np.stack([np.cos(ring), np.sin(ring)], axis=1)
    settings = {"steps": 1000, "batch_size": 128, "lr": 3e-3, "ema": 0.98, "ddim_steps": 20}
    recipe = FeatureDiffusionRecipe(width=64, layers=2, axes=2, **settings)
    generator = FEATURE_GENERATORS["feature-diffusion"].train(
        view_of(x.astype(np.float32), y, 2), [0, 1], workers, recipe
    )
    for label, radius in ((0, 3.0), (1, 1.0)):
        lengths = np.linalg.norm(generator.sample(label, range(200), 0), axis=1)
        assert np.median(lengths) == pytest.approx(radius, rel=0.15)
        assert np.quantile(np.abs(lengths - radius), 0.8) < 0.5
    losses = generator.details["losses"]["loss"]
    assert losses[-1] < 0.85 * losses[0]


class Killed(Exception):
    pass


class Killing:
    """A progress that ends the process, as it were, after some steps."""

    def __init__(self, after):
        self.left = after

    def say(self, message):
        pass

    def task(self, description, total, unit):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def advance(self, count=1):
        self.left -= 1
        if self.left == 0:
            raise Killed


def test_a_killed_training_goes_on_and_ends_in_the_same_rows(workers, tmp_path):
    view = view_of(*sample())
    learn = partial(FEATURE_GENERATORS["feature-diffusion"].train, view, [1], workers, SMALL)
    checkpoint = FolderCheckpoint(Location.of(tmp_path), seconds=0)
    with pytest.raises(Killed):
        learn(checkpoint, KillingTraining(17))
    np.testing.assert_array_equal(learn(checkpoint).sample(1, range(9), 0), learn().sample(1, range(9), 0))


class KillingTraining(Killing):
    """Kills the training, not the pass of moments before it."""

    def task(self, description, total, unit):
        return self if description == "train the generator" else Killing(0)


def test_every_row_is_seen_once_in_a_pass_whatever_the_chunks():
    x, y = sample()
    x[:, 0] = np.arange(len(x))
    frame = Frame(np.zeros(D), np.eye(D), 1.0)
    for chunk_rows in (44, 1000):
        recipe = FeatureDiffusionRecipe(batch_size=22, chunk_rows=chunk_rows)
        feed = Feed(view_of(x, y), frame, recipe)
        seen = np.concatenate([feed.batch(step)[0][:, 0] for step in range(1, 7)])
        assert sorted(seen) == list(range(132))
        again = np.concatenate([feed.batch(step)[0][:, 0] for step in range(7, 13)])
        assert sorted(again) == list(range(132))
        assert (seen != again).any()


def test_coordinates_and_the_rest_together_are_the_row():
    x, y = sample()
    moments = LabelledMoments.of(view_of(x, y).read(), len(COUNTS))
    frame = Frame.of(moments, 3)
    np.testing.assert_allclose(frame.with_outside(frame.inside(x), x), x, atol=1e-4)
    other = x[::-1]
    mixed = frame.with_outside(frame.inside(x), other)
    np.testing.assert_allclose(frame.inside(mixed), frame.inside(x), atol=1e-4)
    outside = np.eye(D) - frame.axes @ frame.axes.T
    np.testing.assert_allclose((mixed - other) @ outside, 0, atol=1e-4)


def test_training_leaves_torch_random_numbers_alone(workers):
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    FEATURE_GENERATORS["feature-diffusion"].train(view_of(*sample()), [1], workers, SMALL).sample(1, range(2), 0)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("rule", ["to-max", "to-median", 30, "30"])
def test_filling_up_leaves_no_class_below_the_level_and_adds_nothing_above_it(rule, rng):
    counts = rng.integers(1, 60, 20)
    level = {"to-max": counts.max(), "to-median": int(np.median(counts))}.get(rule, 30)
    np.testing.assert_array_equal(counts + targets(counts, rule), np.maximum(counts, level))


def test_a_ratio_makes_that_many_times_the_rows_of_each_class():
    np.testing.assert_array_equal(targets([1, 2, 3, 45], "0.5x"), [1, 1, 2, 23])
    np.testing.assert_array_equal(targets([1, 2, 3], "2x"), [2, 4, 6])


@pytest.mark.parametrize("rule", ["to-max", "40", "3x"])
def test_a_class_without_rows_gets_none(rule):
    assert targets([0, 10, 40], rule)[0] == 0


@pytest.mark.parametrize("rule", ["", "x", "to-min", "-5", "0", "0x", "nanx", "infx", "1.5"])
def test_a_rule_that_makes_no_sense_is_refused_with_those_that_do(rule):
    with pytest.raises(InputError, match="give to-max, to-median, a number"):
        targets([3, 4], rule)


def test_counts_must_hold_a_class_with_rows():
    for counts in ([], [0, 0], [-1, 3]):
        with pytest.raises(InputError, match="counts of classes"):
            targets(counts, "to-max")


def test_a_store_of_synthetic_rows_reads_like_any_other_and_says_where_each_row_is_from(tmp_path, workers):
    x, y = sample()
    real = write_store(tmp_path / "real", x, y, part_rows=40)
    generator = FEATURE_GENERATORS["gaussian"].train(real.view(), [1, 2], workers)
    folder = Location.of(tmp_path / "made")
    made = write_features(folder, generator, {1: 60, 2: 78}, 5, real.provenance, "test")
    chunk = made.view().read()
    assert made.name == "toy+synthetic/train"
    assert made.provenance.source.startswith("synthetic: gaussian, seed 5")
    np.testing.assert_array_equal(np.bincount(chunk.y, minlength=3), [0, 60, 78])
    assert len(np.unique(chunk.sample_id)) == 138
    assert chunk.sample_id.min() > 2**40
    for path, label, row in zip(made.paths(made.view().pieces(138)[0]), chunk.y, chunk.x, strict=True):
        _, maker, seed, folder, index = path.split("/")
        assert (maker, seed, folder) == ("gaussian", "seed-5", f"class-{label}")
        np.testing.assert_array_equal(generator.sample(label, range(int(index), int(index) + 1), 5)[0], row)


def test_a_store_continues_where_it_was_killed_and_refuses_other_rows(tmp_path, workers):
    x, y = sample()
    real = write_store(tmp_path / "real", x, y, part_rows=40)
    generator = FEATURE_GENERATORS["gaussian"].train(real.view(), [2], workers)
    folder = Location.of(tmp_path / "made")
    write_features(folder, generator, {2: 100}, 5, real.provenance, "test")
    before = (folder / "part-00001.parquet").read_bytes()
    (folder / "part-00001.parquet").delete()
    asked = []
    counting = replace(generator, draw=recording(generator, asked))
    write_features(folder, counting, {2: 100}, 5, real.provenance, "test")
    assert asked == [range(40, 80)]
    assert (folder / "part-00001.parquet").read_bytes() == before
    with pytest.raises(ConfigMismatchError, match="there were 100 images, now 101"):
        write_features(folder, generator, {2: 101}, 5, real.provenance, "test")
    with pytest.raises(InputError, match="no class needs"):
        write_features(folder, generator, {2: 0}, 5, real.provenance, "test")


def recording(generator, asked):
    def draw(label, indices, seed):
        asked.append(indices)
        return generator.draw(label, indices, seed)

    return draw


def test_classes_stand_in_random_order_and_their_numbers_count_up():
    order = order_of({0: 50, 3: 70}, 0)
    assert (np.diff(order.label) != 0).sum() > 30
    for label, count in ((0, 50), (3, 70)):
        np.testing.assert_array_equal(order.index[order.label == label], np.arange(count))

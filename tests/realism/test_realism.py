"""Synthetic sets are measured, copies found and bad rows dropped; what is real is mostly kept."""

import numpy as np
import pytest
from conftest import write_store
from PIL import Image
from safetensors.torch import load_file
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import polynomial_kernel

from gapscope.core.errors import InputError
from gapscope.draw.canvas import VERMILION
from gapscope.draw.contact import GAP, NAME_WIDTH, ClassSheet, Shown, _square, contact_sheet
from gapscope.realism import SYNTHETIC_SCHEMA, FilterOptions, Origin, Sets, assess, filter_rows, find_copies
from gapscope.realism.agreement import FOLDS, Agreement, agreement, folds
from gapscope.realism.filter import class_thresholds
from gapscope.realism.frechet import frechet_verdict, squared_distance
from gapscope.realism.kid import cubic, kid
from gapscope.realism.neighbours import nearest
from gapscope.realism.prdc import fitted_neighbours, prdc
from gapscope.realism.sets import some_rows
from gapscope.shifts.frechet import frechet
from gapscope.shifts.prdc import expected_coverage
from gapscope.store import ArrayStore
from gapscope.stream import connect
from gapscope.summaries import Moments

CLASSES = 4


@pytest.fixture
def workers():
    with connect(threads=1) as connected:
        yield connected


def view_of(x, y=None, first_id=0, classes=CLASSES):
    y = np.zeros(len(x)) if y is None else y
    ids = np.arange(first_id, first_id + len(x))
    names = [f"class {index}" for index in range(classes)]
    return ArrayStore(np.asarray(x, np.float32), np.asarray(y, np.int32), names, "toy", ids).view()


def sample(rng, n, dim=12, apart=2.0):
    """Rows of overlapping Gaussian classes; centres are the same in every call."""
    y = rng.integers(0, CLASSES, n)
    centres = np.random.default_rng(7).normal(size=(CLASSES, dim)) * apart
    return (centres[y] + rng.normal(size=(n, dim))).astype(np.float32), y


def origin_of(count):
    return Origin("toy", 3, np.arange(count))


# KID


def test_the_kernel_is_scikit_learns(rng):
    x = rng.normal(size=(9, 5))
    np.testing.assert_allclose(cubic(x), polynomial_kernel(x, degree=3, coef0=1))


def test_kid_is_the_mean_over_all_pairs_of_different_rows(rng):
    x, y = rng.normal(size=(7, 3)), rng.normal(0.5, 1, size=(6, 3))

    def kernel(one, other):
        return (one @ other / 3 + 1) ** 3

    within = [np.mean([kernel(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j]) for s in (x, y)]
    across = np.mean([kernel(one, other) for one in x for other in y])
    assert kid(x, y).value == pytest.approx(sum(within) - 2 * across)


def test_kid_of_fresh_rows_is_zero_on_average_and_its_interval_holds_zero(rng):
    found = [kid(rng.normal(size=(24, 6)), rng.normal(size=(16, 6))) for _ in range(150)]
    values = np.array([one.value for one in found])
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(len(values))
    assert np.mean([one.low <= 0 <= one.high for one in found]) >= 0.95


def test_the_spread_of_half_subsets_is_the_standard_error_of_kid(rng):
    found = [kid(rng.normal(size=(60, 4)), rng.normal(1, 1, size=(60, 4))) for _ in range(80)]
    errors = np.mean([(one.high - one.low) / (2 * 1.96) for one in found])
    assert errors == pytest.approx(np.std([one.value for one in found]), rel=0.25)


def test_kid_needs_four_rows(rng):
    found = kid(rng.normal(size=(3, 2)), rng.normal(size=(9, 2)))
    assert np.isnan(found.value)
    assert "needs 4 rows in each set, there are 3 real and 9 synthetic" in found.sentence


def test_kid_of_many_rows_takes_some_of_them(rng, monkeypatch):
    monkeypatch.setattr("gapscope.realism.kid.MOST_ROWS", 40)
    found = kid(rng.normal(size=(90, 3)), rng.normal(2, 1, size=(30, 3)))
    assert found.n == 70
    assert found.low > 0


# Fréchet distance


def test_the_squared_distance_is_that_of_the_matrix_roots(rng):
    x, y = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)), rng.normal(1, 2, size=(40, 4))
    one, other = np.cov(x.T), np.cov(y.T)
    root = np.real(sqrtm(one @ other))
    expected = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum() + np.trace(one + other - 2 * root)
    assert squared_distance(x, y) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "m"), [(5, 7), (5, 40), (40, 6)])
def test_the_squared_distance_needs_no_more_rows_than_features(rng, n, m):
    x, y = rng.normal(size=(n, 20)), rng.normal(1, 1, size=(m, 20))
    assert squared_distance(x, y) == pytest.approx(frechet(Moments.of(x), Moments.of(y)).total, rel=1e-6)
    assert squared_distance(x, x) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("n", "m", "dim"), [(40, 20, 60), (40, 15, 60), (200, 300, 8)])
def test_a_perfect_generator_gets_the_null_and_a_worse_one_more(rng, n, m, dim):
    excess, usual = [], []
    for _ in range(12):
        found = frechet_verdict(rng.normal(size=(n, dim)), rng.normal(size=(m, dim)), halvings=10)
        excess.append(found.value - found.null)
        usual.append(found.null)
    assert abs(np.mean(excess)) < 4 * np.std(excess) / np.sqrt(12)
    assert abs(np.mean(excess)) < 0.1 * np.mean(usual)
    moved = frechet_verdict(rng.normal(size=(n, dim)), rng.normal(1, 1, size=(m, dim)))
    assert moved.low > moved.null
    assert moved.effect == pytest.approx(1, rel=0.3)


def test_frechet_says_when_there_are_too_few_rows(rng):
    found = frechet_verdict(rng.normal(size=(3, 2)), rng.normal(size=(9, 2)))
    assert np.isnan(found.value)
    assert "there are 3 and 9" in found.sentence


# Precision, recall, density, coverage


def test_neighbours_are_the_fewest_for_which_a_perfect_generator_is_expected_to_cover_nearly_all():
    for n, m in ((1000, 1000), (40, 40), (30, 90), (200, 50)):
        k = fitted_neighbours(n, m)
        assert expected_coverage(n, m, k) >= 0.95 > expected_coverage(n, m, k - 1)
    assert fitted_neighbours(20, 2) == 1


def test_precision_recall_density_and_coverage_are_those_of_brute_force(rng, workers):
    x, y = rng.normal(size=(30, 3)), rng.normal(0.7, 0.8, size=(25, 3))
    k = fitted_neighbours(30, 25)
    radii = [np.sort(cdist(s, s), axis=1)[:, k] for s in (x, y)]
    across = cdist(x, y)
    expected = {
        "precision": (across < radii[0][:, None]).any(axis=0).mean(),
        "recall": (across < radii[1]).any(axis=1).mean(),
        "density": (across < radii[0][:, None]).sum(axis=0).mean() / k,
        "coverage": (across.min(axis=1) < radii[0]).mean(),
    }
    found = prdc(view_of(x).read(), view_of(y).read(), workers)
    assert {one.statistic: one.value for one in found} == pytest.approx(expected)
    assert all("target" not in one.sentence and "reference" not in one.sentence for one in found)


# Neighbours


@pytest.mark.parametrize("chunk_rows", [1, 7, 300])
@pytest.mark.parametrize("within", [False, True])
def test_neighbours_are_those_of_brute_force_in_any_chunks(rng, workers, chunk_rows, within):
    x, y = sample(rng, 40)
    z, w = sample(rng, 23)
    found = nearest(view_of(z, w), view_of(x, y, 100), 3, workers, within_class=within, chunk_rows=chunk_rows)
    apart = cdist(z.astype(float), x.astype(float))
    apart[(w[:, None] != y) & within] = np.inf
    order = np.argsort(apart, axis=1)[:, :3]
    np.testing.assert_array_equal(found.sample_id, order + 100)
    np.testing.assert_allclose(found.distance, np.take_along_axis(apart, order, axis=1), rtol=1e-6)


@pytest.mark.parametrize("chunk_rows", [1, 7, 300])
def test_a_row_is_not_its_own_neighbour_but_its_duplicate_is(rng, workers, chunk_rows):
    x, y = sample(rng, 20)
    x[11], y[11] = x[3], y[3]
    view = view_of(x, y)
    found = nearest(view, view, 1, workers, leave_out_itself=True, chunk_rows=chunk_rows)
    assert (found.sample_id[3, 0], found.sample_id[11, 0]) == (11, 3)
    assert (found.distance[:, 0] == 0).sum() == 2


def test_where_there_are_fewer_rows_than_neighbours_the_rest_are_infinitely_far(workers):
    view = view_of([[0.0], [1.0], [5.0]], [0, 0, 1])
    found = nearest(view, view, 2, workers, within_class=True, leave_out_itself=True)
    np.testing.assert_array_equal(found.sample_id, [[1, -1], [0, -1], [-1, -1]])
    np.testing.assert_array_equal(found.distance, [[1, np.inf], [1, np.inf], [np.inf, np.inf]])


# Class agreement


def test_no_head_judges_a_row_that_it_was_trained_on(rng, workers):
    x, y = rng.normal(size=(200, 300)), rng.integers(0, CLASSES, 200)
    found = agreement(view_of(x, y).read(), view_of(x[:0], y[:0]), workers)
    assert found.real_right.mean() == pytest.approx(1 / CLASSES, abs=0.12)


def test_folds_hold_equally_many_rows_of_each_class(rng):
    y = rng.integers(0, CLASSES, 203)
    counts = np.array([np.bincount(y[folds(y, 0) == fold], minlength=CLASSES) for fold in range(FOLDS)])
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert np.ptp(counts.sum(axis=1)) <= 1


def test_right_labels_are_confirmed_and_wrong_ones_are_not(rng, workers):
    x, y = sample(rng, 200, apart=3)
    z, w = sample(rng, 90, apart=3)
    real = view_of(x, y).read()
    right, wrong = (agreement(real, view_of(z, labels), workers) for labels in (w, (w + 1) % CLASSES))
    assert right.verdict().value > 0.97
    assert right.verdict().null > 0.97
    assert wrong.verdict().value < 0.03
    assert right.verdict(2, "two").n == (w == 2).sum()


def test_a_classifier_needs_two_classes(rng, workers):
    x, _ = sample(rng, 20)
    with pytest.raises(InputError, match="needs two or more in each of two classes, and only"):
        agreement(view_of(x).read(), view_of(x), workers)


# Copies


def test_fresh_rows_are_taken_for_copies_about_as_often_as_asked(rng, workers):
    rates = []
    for _ in range(5):
        sets = Sets(view_of(*sample(rng, 400)), view_of(*sample(rng, 1000)), view_of(*sample(rng, 200)))
        found = find_copies(sets, workers, rate=0.02)
        rates.append((found.of_train.mean(), found.of_test.mean()))
        assert np.nanmedian(found.train_over_test) < 1
    of_train, of_test = np.mean(rates, axis=0)
    assert 0.01 < of_train < 0.03
    assert of_test < 0.03


def test_exact_and_slightly_changed_copies_are_caught_and_named(rng, workers):
    x, y = sample(rng, 300)
    changed = x[:40] + 0.05 * rng.normal(size=(40, 12))
    train = view_of(x, y, 1000)
    for rows in (x[:40], changed):
        found = find_copies(Sets(train, view_of(rows, y[:40])), workers)
        assert found.of_train.all()
        np.testing.assert_array_equal(found.train.sample_id, np.arange(1000, 1040))
        assert not found.of_test.any()
        assert np.isnan(found.train_over_test).all()


def test_copies_are_caught_though_the_training_rows_hold_many_duplicates_themselves(rng, workers):
    x, y = sample(rng, 300)
    x[:60], y[:60] = x[60:120], y[60:120]
    rows = np.concatenate([x[:40], x[200:240] + 0.05 * rng.normal(size=(40, 12))])
    found = find_copies(Sets(view_of(x, y), view_of(rows, np.concatenate([y[:40], y[200:240]]))), workers)
    assert found.of_train.all()


def test_copies_of_test_rows_are_caught(rng, workers):
    x, y = sample(rng, 300)
    z, w = sample(rng, 100)
    found = find_copies(Sets(view_of(x, y), view_of(z[:20], w[:20]), view_of(z, w, 500)), workers)
    assert found.of_test.all()
    assert not found.of_train.any()
    np.testing.assert_array_equal(found.test.sample_id, np.arange(500, 520))
    assert (found.train_over_test == np.inf).all()


def test_a_row_made_of_training_rows_is_no_copy_of_the_test_rows_that_are_near_it(rng, workers):
    x, y = sample(rng, 300)
    made, beside = (x[:40] + spread * rng.normal(size=(40, 12)) for spread in (0.01, 0.05))
    found = find_copies(Sets(view_of(x, y), view_of(made, y[:40]), view_of(beside, y[:40])), workers)
    assert found.of_train.all()
    assert not found.of_test.any()


def test_rows_that_copy_both_sets_have_no_ratio(rng, workers):
    x, y = sample(rng, 60)
    found = find_copies(Sets(view_of(x, y), view_of(x[:9], y[:9]), view_of(x, y)), workers)
    assert np.isnan(found.verdicts()[-1].value)


def test_rows_without_a_label_are_refused(rng, workers):
    x, y = sample(rng, 30)
    with pytest.raises(InputError, match="30 synthetic rows have no label"):
        find_copies(Sets(view_of(x, y), view_of(x, y - 9)), workers)


def test_sets_that_do_not_belong_together_are_refused(rng, workers):
    x, y = sample(rng, 30)
    view = view_of(x, y)
    with pytest.raises(InputError, match="synthetic features have length 5, those of training 12"):
        Sets(view, view_of(x[:, :5], y)).check()
    with pytest.raises(InputError, match="the test set names 3 classes and the training set 4"):
        Sets(view, view, view_of(x, y * 0, classes=3)).check()
    with pytest.raises(InputError, match="need 3 training rows or more, toy has 2"):
        Sets(view_of(x[:2]), view).check()


# The filter


def test_every_row_gets_the_first_reason_that_holds_and_the_table_says_all(rng, workers):
    x, y = sample(rng, 400, apart=3)
    t, u = sample(rng, 80, apart=3)
    z, w = sample(rng, 200, apart=3)
    planted = np.concatenate([z, x[:5], t[:5], z[:20], 8 * rng.normal(size=(5, 12))])
    labels = np.concatenate([w, y[:5], u[:5], (w[:20] + 1) % CLASSES, np.zeros(5)])
    sets = Sets(view_of(x, y), view_of(planted, labels, 900), view_of(t, u, 500))
    found = filter_rows(sets, origin_of(235), workers)
    reasons = np.array(found.table["reason"].to_pylist())
    assert found.table.schema == SYNTHETIC_SCHEMA
    assert (reasons[200:205] == "copy_of_training").all()
    assert (reasons[205:210] == "copy_of_test").all()
    assert np.isin(reasons[210:230], ["off_class", "off_manifold", "copy_of_training"]).all()
    assert (reasons[230:] != "").all()
    assert found.kept[:200].mean() > 0.85
    np.testing.assert_array_equal(found.kept, reasons == "")
    assert sum(found.counts().values()) == 235
    row = found.table.slice(201, 1).to_pylist()[0]
    assert (row["sample_id"], row["class"], row["generator"], row["seed"], row["index"]) == (1101, y[1], "toy", 3, 201)
    assert (row["nearest_training"], row["training_distance"], row["kept"]) == (1, 0.0, False)


def test_copies_stay_where_they_are_wanted_but_those_of_test_rows_do_not(rng, workers):
    x, y = sample(rng, 200)
    t, u = sample(rng, 60)
    sets = Sets(view_of(x, y), view_of(np.concatenate([x[:9], t[:9]]), np.concatenate([y[:9], u[:9]])), view_of(t, u))
    options = FilterOptions(keep_copies=True, off_class=0, off_manifold=0)
    found = filter_rows(sets, origin_of(18), workers, options)
    assert found.kept[:9].all()
    assert not found.kept[9:].any()


def test_rows_of_a_store_are_judged_as_those_of_arrays(rng, workers, tmp_path):
    x, y = sample(rng, 120)
    z, w = sample(rng, 40)
    names = [f"class {index}" for index in range(CLASSES)]
    stores = [
        write_store(tmp_path / name, *rows, part_rows=17, class_names=names).view()
        for name, rows in (("train", (x, y)), ("synthetic", (z, w)))
    ]
    one = filter_rows(Sets(*stores), origin_of(40), workers).table
    other = filter_rows(Sets(view_of(x, y), view_of(z, w)), origin_of(40), workers).table
    assert one.drop_columns("generator").equals(other.drop_columns("generator"))
    assert one["nearest_test"].null_count == 40


def test_a_class_with_a_single_training_row_is_judged_by_the_threshold_of_all():
    y = np.repeat([0, 1, 2], [40, 40, 1])
    probable = np.concatenate([np.full(40, 0.9), np.linspace(0.4, 0.5, 40), [0.0]])
    nothing = np.zeros(0)
    agreed = Agreement(y, probable, probable > 0.5, nothing, nothing, nothing)
    found = class_thresholds(agreed, 3, 0.05)
    everywhere = np.quantile(probable, 0.05, method="lower")
    np.testing.assert_array_equal(found, [0.9, np.sort(probable[40:80])[1], everywhere])


def test_a_class_that_the_classifier_does_not_know_lets_in_no_row_below_chance():
    y = np.repeat([0, 1], 40)
    probable = np.concatenate([np.full(40, 0.9), np.full(40, 1e-9)])
    nothing = np.zeros(0)
    agreed = Agreement(y, probable, probable > 0.5, nothing, nothing, nothing)
    np.testing.assert_array_equal(class_thresholds(agreed, 2, 0.05), [0.9, 0.5])
    np.testing.assert_array_equal(class_thresholds(agreed, 2, 0.0), [0.0, 0.0])


def test_a_single_row_of_a_class_does_not_stop_the_filter(rng, workers):
    x, y = sample(rng, 90)
    y[y == 3] = 2
    y[0] = 3
    found = filter_rows(Sets(view_of(x, y), view_of(x[:3] + 1, [3, 3, 1])), origin_of(3), workers)
    assert found.table.num_rows == 3


def test_options_without_meaning_are_refused(rng, workers):
    x, y = sample(rng, 60)
    sets = Sets(view_of(x, y), view_of(x, y))
    for options, sentence in (
        (FilterOptions(off_class=1.0), "off_class is a share of real rows"),
        (FilterOptions(neighbours=0), "neighbours must be 1 or more"),
    ):
        with pytest.raises(InputError, match=sentence):
            filter_rows(sets, origin_of(60), workers, options)
    with pytest.raises(InputError, match="there are 60 synthetic rows and 5 numbers"):
        filter_rows(sets, origin_of(5), workers)


# All together


def test_everything_is_said_overall_and_of_every_class_that_has_synthetic_rows(rng, workers):
    x, y = sample(rng, 160)
    z, w = sample(rng, 80)
    z, w = z[w != 1], w[w != 1]
    sets = Sets(view_of(x, y), view_of(z, w), view_of(*sample(rng, 50)))
    judged = filter_rows(sets, origin_of(len(w)), workers)
    found = assess(sets, judged.copies, judged.agreement, workers)
    statistics = [
        *("kid", "frechet", "precision", "recall", "density", "coverage", "class_agreement"),
        *("copies_of_training", "copies_of_test", "train_over_test_distance"),
    ]
    for name in (None, "class 0", "class 2", "class 3"):
        assert [one.statistic for one in found if one.class_name == name] == statistics
    assert {one.class_name for one in found} == {None, "class 0", "class 2", "class 3"}


def test_some_rows_are_drawn_from_the_whole_view(rng):
    x, y = sample(rng, 9000, dim=2)
    chunk = some_rows(view_of(x, y), 400, 0, "training")
    assert len(np.unique(chunk.sample_id)) == 400
    assert chunk.sample_id.max() > 8192
    np.testing.assert_array_equal(chunk.x, x[chunk.sample_id])
    x[5] = np.nan
    with pytest.raises(InputError, match="not finite"):
        some_rows(view_of(x, y), 10_000, 0, "training")


# Contact sheets


def shown(rng, reason="", shape=(20, 20, 3)):
    return Shown(rng.integers(0, 256, shape, np.uint8), np.zeros((30, 30, 3), np.uint8), 1.25, reason)


def test_a_dropped_image_is_framed_and_a_kept_one_is_not(rng):
    side = 40
    row = [shown(rng), shown(rng, "off_class")]
    sheet = np.asarray(contact_sheet([ClassSheet("cat", [row[0].image], row)], side=side))
    colour = np.array([int(VERMILION[i : i + 2], 16) for i in (1, 3, 5)])
    framed = (sheet == colour).all(axis=2).sum(axis=0)
    first, second = (NAME_WIDTH + place * (side + GAP) for place in (0, 1))
    assert framed[second] >= side
    assert framed[first : first + side].max() == 0


@pytest.mark.parametrize("shape", [(1, 1), (28, 28, 1), (300, 20, 3), (20, 300, 3)])
def test_images_of_any_shape_are_shown_whole(shape):
    white = np.full(shape, 255, np.uint8)
    square = np.asarray(_square(white, 30))
    assert square.shape == (30, 30, 3)
    tall, wide = ((square == 255).all(axis=2).any(axis=axis).sum() for axis in (1, 0))
    assert max(tall, wide) == 30
    assert min(tall, wide) == max(1, round(30 * min(shape[:2]) / max(shape[:2])))


def test_a_sheet_is_as_wide_as_its_words_and_as_tall_as_its_classes(rng):
    name = "a class whose name is far longer than any of its images is wide"
    sheets = [ClassSheet(name, [], [shown(rng, "copy_of_training")]), ClassSheet("empty", [], [])]
    one, two = contact_sheet(sheets[:1], side=20), contact_sheet(sheets, side=20)
    assert one.width == two.width > NAME_WIDTH + 20
    assert two.height - GAP == 2 * (one.height - GAP)
    assert (np.asarray(two)[:, -1] == 255).all()


# Real images


SIDE, REAL_CLASSES = 112, 10


def opened(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def features(test_data):
    """A function from images to MobileNetV2 features."""
    timm, torch = pytest.importorskip("timm"), pytest.importorskip("torch")
    model = timm.create_model("mobilenetv2_100", pretrained=False, pad_type="same")
    model.load_state_dict(load_file(test_data / "weights" / "mobilenetv2_100.imagenet.safetensors"))
    model.reset_classifier(0)
    model.eval()

    def features(images):
        with torch.inference_mode():
            x = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
            return np.concatenate([model(part).numpy() for part in x.split(32)])

    return features


def test_planted_copies_noise_and_foreign_classes_are_dropped_and_real_images_kept(features, test_data, workers):
    rng = np.random.default_rng(0)
    folders = sorted((test_data / "objects37").iterdir())[:REAL_CLASSES]
    files = [(path, label) for label, folder in enumerate(folders) for path in sorted(folder.iterdir())]
    images, y = [opened(path) for path, _ in files], np.array([label for _, label in files])
    x, order = features(images), rng.permutation(len(files))
    test, fresh, train = order[:40], order[40:90], order[90:]
    source = [images[row] for row in train[:12]]
    noisy = [np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8) for image in source]
    noise = list(rng.integers(0, 256, (12, SIDE, SIDE, 3), np.uint8))
    foreign = (y[fresh] + rng.integers(1, REAL_CLASSES, 50)) % REAL_CLASSES
    planted = {
        "fresh": (x[fresh], y[fresh]),
        "copies": (x[train[:12]], y[train[:12]]),
        "noisy": (features(noisy), y[train[:12]]),
        "test": (x[test[:12]], y[test[:12]]),
        "noise": (features(noise), rng.integers(0, REAL_CLASSES, 12)),
        "foreign": (x[fresh], foreign),
    }
    rows, labels = (np.concatenate(parts) for parts in zip(*planted.values(), strict=True))
    kind = np.repeat(list(planted), [len(part[1]) for part in planted.values()])
    real = [view_of(x[rows], y[rows], classes=REAL_CLASSES) for rows in (train, test)]
    sets = Sets(real[0], view_of(rows, labels, classes=REAL_CLASSES), real[1])
    found = filter_rows(sets, origin_of(len(labels)), workers)
    reason = np.array(found.table["reason"].to_pylist())
    assert (reason[kind == "copies"] == "copy_of_training").all()
    # Some photographs of the set are near-duplicates of others, so that a copy of one may be a copy of two.
    assert found.copies.of_test[kind == "test"].all()
    assert np.isin(reason[kind == "test"], ["copy_of_test", "copy_of_training"]).all()
    assert (reason[kind == "noisy"] == "copy_of_training").mean() > 0.7
    assert (reason[kind == "noise"] != "").all()
    assert (reason[kind == "foreign"] != "").mean() > 0.9
    assert (reason[kind == "fresh"] == "").mean() > 0.8

"""Maps: two coordinates for every row, the same by chunks as at once, and measured as scikit-learn measures them."""

import pickle

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

from gapscope.core.errors import InputError
from gapscope.maps import MAPS
from gapscope.maps.made import make_map
from gapscope.maps.member import Border, MapOptions
from gapscope.maps.nearest import nearest
from gapscope.maps.neighbours import Neighbours
from gapscope.maps.projection import in_two, principal
from gapscope.maps.quality import (
    difference,
    displacement,
    first_rows,
    last_rows,
    median_of,
    neighbours_for,
    recall,
    trust,
)
from gapscope.maps.sample import quotas, rank_in_class, take
from gapscope.maps.space import Space
from gapscope.store import ArrayStore
from gapscope.stream import connect
from gapscope.summaries import Moments

SIZES, DIM, CLASSES, SAMPLE = (500, 130), 12, ["a", "b", "c"], 200


def blobs(rng, rows, shift=0.0):
    y = rng.integers(0, len(CLASSES), rows)
    return (6 * np.eye(len(CLASSES), DIM)[y] + rng.standard_normal((rows, DIM)) + shift).astype(np.float32), y


def view_of(x, y, class_names=CLASSES, name="toy/test"):
    return ArrayStore(x, np.asarray(y, np.int32), list(class_names), name).view()


@pytest.fixture
def workers():
    with connect(threads=2) as found:
        yield found


@pytest.fixture
def views(rng):
    return [view_of(*blobs(rng, rows, shift), name=f"toy-{rows}") for rows, shift in zip(SIZES, (0, 0.3), strict=True)]


@pytest.fixture
def space(views, workers):
    return Space.read(views, workers)


@pytest.fixture(params=list(MAPS))
def made(request, space, workers):
    return make_map(request.param, space, MapOptions(classes=(0, 2)), SAMPLE, workers)


def features(view):
    return view.read().x


def everything(space, made, step):
    """Places of all rows, `step` at a time."""
    parts = []
    for number, view in enumerate(space.views):
        x = features(view)
        parts += [made.points(number, first, x[first : first + step]) for first in range(0, len(x), step)]
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]


def test_every_row_has_a_finite_place_that_does_not_depend_on_chunks_or_on_the_process(space, made):
    xy, fitted = everything(space, made, 1000)
    assert xy.shape == (sum(SIZES), 2)
    assert np.isfinite(xy).all()
    by_chunks, fitted_by_chunks = everything(space, made, 37)
    np.testing.assert_allclose(by_chunks, xy, rtol=1e-3, atol=1e-3 * xy.std())
    np.testing.assert_array_equal(fitted_by_chunks, fitted)
    np.testing.assert_array_equal(everything(space, pickle.loads(pickle.dumps(made)), 1000)[0], xy)


def test_rows_that_were_laid_out_keep_their_places_and_the_others_fall_among_their_class(space, made):
    xy, fitted = everything(space, made, 100)
    y = np.concatenate([view.read().y for view in space.views])
    if made.sample is not None:
        assert fitted.sum() == made.sample.rows == SAMPLE
        np.testing.assert_array_equal(xy[: SIZES[0]][fitted[: SIZES[0]]], made.laid.fitted[made.sample.view == 0])
    if made.laid.fitted is not None:
        centres = np.array([xy[fitted & (y == c)].mean(axis=0) for c in range(len(CLASSES))])
        closest = np.linalg.norm(xy[~fitted, None] - centres, axis=2).argmin(axis=1)
        assert (closest == y[~fitted]).mean() > 0.97


def test_a_seed_gives_the_same_layout_again(space, workers):
    for name in ("umap", "tsne"):
        one, other = (make_map(name, space, MapOptions(seed=3), SAMPLE, workers).laid.fitted for _ in range(2))
        np.testing.assert_array_equal(one, other)
        assert not np.allclose(one, make_map(name, space, MapOptions(seed=4), SAMPLE, workers).laid.fitted)


def test_the_library_places_rows_by_chunks_as_at_once_and_near_where_neighbours_do(space, workers):
    made = make_map("tsne", space, MapOptions(placement="library"), SAMPLE, workers)
    new = features(space.views[0])[-60:]
    by_chunks = np.concatenate([made.laid.place(new[at : at + 20]) for at in range(0, 60, 20)])
    np.testing.assert_allclose(by_chunks, made.laid.place(new), atol=0.02 * made.laid.fitted.std())
    apart = difference(space, made, last_rows(space, made), 50)
    assert apart.n == 50
    assert apart.value < 0.3


@pytest.mark.slow
def test_umap_places_the_same_chunk_the_same_each_time_and_near_where_neighbours_do(space, workers):
    made = make_map("umap", space, MapOptions(placement="library"), SAMPLE, workers)
    new = features(space.views[0])[-60:]
    np.testing.assert_array_equal(made.laid.place(new), made.laid.place(new))
    assert difference(space, made, last_rows(space, made), 50).value < 0.3


def test_pca_equals_that_of_scikit_learn_over_the_union_of_the_sets(space, workers):
    x = np.concatenate([features(view) for view in space.views])
    xy, _ = everything(space, make_map("pca", space, MapOptions(), SAMPLE, workers), 100)
    known = PCA(2).fit_transform(x.astype(np.float64))
    np.testing.assert_allclose(xy * np.sign((xy * known).sum(axis=0)), known, atol=1e-4)


def test_lda_equals_that_of_scikit_learn_where_rows_are_enough_to_need_no_shrinkage(rng, workers):
    x, y = blobs(rng, 4000)
    x[:, 0] += 5 * (y == 1)  # unequal distances, so that the two directions have an order
    x *= np.geomspace(0.1, 10, DIM).astype(np.float32)
    made = make_map("lda", Space.read([view_of(x, y)], workers), MapOptions(), SAMPLE, workers)
    known = LinearDiscriminantAnalysis().fit(x.astype(np.float64), y).transform(x)
    for mine, theirs in zip(made.laid.place(x).T, known.T, strict=True):
        assert abs(np.corrcoef(mine, theirs)[0, 1]) > 0.999


def test_lda_of_two_classes_shows_what_varies_most_beside_their_difference(rng, workers):
    x = rng.standard_normal((400, 5)).astype(np.float32)
    y = rng.integers(0, 2, 400)
    x[:, 0] += 8 * y
    x[:, 3] *= 20
    made = make_map("lda", Space.read([view_of(x, y)], workers), MapOptions(), 10, workers)
    xy = made.points(0, 0, x).xy
    assert abs(np.corrcoef(xy[:, 0], y)[0, 1]) > 0.9
    assert abs(np.corrcoef(xy[:, 1], x[:, 3])[0, 1]) > 0.99


def test_head_has_its_nought_on_the_border_and_each_class_on_its_own_side(space, workers):
    made = make_map("head", space, MapOptions(classes=(0, 2)), SAMPLE, workers)
    means = space.moments.labelled.classes.mean.astype(np.float32)
    xy = made.laid.place(np.stack([means[0], means[2], (means[0] + means[2]) / 2]))
    assert xy[0, 0] > 0.5
    assert xy[1, 0] < -0.5
    assert xy[2, 0] == pytest.approx(0, abs=1e-4)


def test_head_shows_the_difference_of_the_scores_of_the_model_that_it_is_given(space, workers, rng):
    weight = rng.standard_normal(DIM)
    made = make_map("head", space, MapOptions(classes=(0, 1), border=Border(weight, 0.7)), SAMPLE, workers)
    x = features(space.views[0])
    ratio = made.laid.place(x)[:, 0] / (x @ weight + 0.7)
    assert ratio.min() > 0
    np.testing.assert_allclose(ratio, np.median(ratio), rtol=0.05)


def test_the_nearest_rows_are_those_of_scikit_learn(rng):
    x, among = rng.standard_normal((70, 6)), rng.standard_normal((300, 6))
    distance, index = nearest(x, among, 9)
    known, there = NearestNeighbors(n_neighbors=9).fit(among).kneighbors(x)
    np.testing.assert_array_equal(index, there)
    np.testing.assert_allclose(np.sqrt(distance), known, atol=1e-7)
    _, without = nearest(among, among, 4, np.arange(300))
    np.testing.assert_array_equal(without, NearestNeighbors(n_neighbors=4).fit(among).kneighbors()[1])


def test_a_row_between_two_clusters_is_placed_in_one_of_them(rng):
    x = np.concatenate([rng.normal(-1, 0.3, (40, 3)), rng.normal(1, 0.3, (40, 3))]).astype(np.float32)
    projection = principal(Moments.of(x), 3)
    xy = np.repeat([[-50.0, 0.0], [50.0, 0.0]], 40, axis=0) + rng.standard_normal((80, 2))
    between = rng.normal(0, 0.2, (50, 3)).astype(np.float32)
    found = Neighbours.of(projection, projection(x), xy)(between)
    assert (np.abs(np.abs(found[:, 0]) - 50) < 4).all()


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_rows_are_placed_among_fewer_fitted_ones_than_pull(rng, rows):
    x = rng.standard_normal((6, 4)).astype(np.float32)
    projection = principal(Moments.of(x), 4)
    xy = rng.standard_normal((rows, 2)).astype(np.float32)
    found = Neighbours.of(projection, projection(x[:rows]), xy)(x)
    assert np.isfinite(found).all()
    assert (found >= xy.min(axis=0) - 1e-6).all()
    assert (found <= xy.max(axis=0) + 1e-6).all()


def test_trustworthiness_equals_that_of_scikit_learn(rng):
    x, xy = rng.standard_normal((300, 7)), rng.standard_normal((300, 2))
    for places in (xy, x[:, :2]):
        found = trust(x, places, 15)
        assert found.value == pytest.approx(trustworthiness(x, places, n_neighbors=15), abs=1e-12)
        assert found.low < found.value < found.high
    assert trust(x, x, 15).value == 1


def test_neighbour_recall_is_the_share_of_neighbours_in_common(rng):
    x, xy = rng.standard_normal((200, 5)), rng.standard_normal((200, 2))
    sides = [NearestNeighbors(n_neighbors=10).fit(one).kneighbors()[1] for one in (x, xy)]
    known = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(*sides, strict=True)])
    assert recall(x, xy, 10).value == pytest.approx(known)
    assert recall(x, x, 10).value == 1


def test_the_interval_of_a_median_holds_that_of_the_population_about_19_times_of_20(rng):
    held = [found.low <= 0 <= found.high for found in (median_of(rng.standard_normal(100)) for _ in range(400))]
    assert 0.91 < np.mean(held) < 0.99


def test_laid_out_rows_that_are_placed_again_lie_near_themselves(space, workers):
    made = make_map("tsne", space, MapOptions(), 300, workers)
    moved = displacement(space, made, 0)
    assert moved.n == 30
    assert moved.low <= moved.value <= moved.high < 0.5
    assert first_rows(space, made).fitted.all()
    assert not last_rows(space, made).fitted.all()
    assert displacement(space, make_map("pca", space, MapOptions(), 10, workers), 0) is None


def test_a_sample_is_the_first_rows_of_each_class_in_shares_of_its_size(space, workers):
    sample = take(space, SAMPLE, workers)
    assert sample.rows == SAMPLE
    wanted = quotas(space.counts, SAMPLE)
    assert wanted.sum(axis=1).tolist() == [100, 100]
    for number, view in enumerate(space.views):
        y = view.read().y
        first = np.flatnonzero(rank_in_class(y, 4) < wanted[number][y])
        np.testing.assert_array_equal(sample.row[sample.view == number], first)
        np.testing.assert_array_equal(sample.y[sample.view == number], y[first])
    np.testing.assert_allclose(sample.z[sample.view == 0], space.principal(features(space.views[0])[sample.row[:100]]))


def test_a_class_that_stands_far_back_in_the_store_is_sampled_too(rng, workers):
    y = np.where(np.arange(9000) < 8900, np.arange(9000) % 2, 2)
    space = Space.read([view_of(rng.standard_normal((9000, 3)).astype(np.float32), y)], workers)
    sample = take(space, 900, workers)
    assert np.bincount(sample.y).tolist() == [445, 445, 10]
    np.testing.assert_array_equal(sample.row[-10:], np.arange(8900, 8910))


def test_unlabelled_rows_are_sampled_and_placed_as_a_class_of_their_own(rng, workers):
    x, _ = blobs(rng, 300)
    space = Space.read([view_of(x, np.full(300, -1), class_names=[])], workers)
    assert space.counts.tolist() == [[300]]
    made = make_map("tsne", space, MapOptions(), 100, workers)
    assert np.isfinite(everything(space, made, 70)[0]).all()
    with pytest.raises(InputError, match="lda needs rows of two classes"):
        make_map("lda", space, MapOptions(), 100, workers)


def test_rows_that_are_all_alike_are_one_point_of_a_linear_map_and_refused_by_the_others(workers):
    space = Space.read([view_of(np.full((30, 5), 0.3, np.float32), np.arange(30) % 3)], workers)
    assert not make_map("pca", space, MapOptions(), 20, workers).points(0, 0, features(space.views[0])).xy.any()
    assert np.isfinite(
        make_map("lda", space, MapOptions(), 20, workers).points(0, 0, features(space.views[0])).xy
    ).all()
    for name in ("umap", "tsne"):
        with pytest.raises(InputError, match="all 20 rows have the same features"):
            make_map(name, space, MapOptions(), 20, workers)
    with pytest.raises(InputError, match="do not differ in any feature"):
        make_map("head", space, MapOptions(classes=(0, 1)), 20, workers)


def test_three_rows_have_a_linear_map_and_too_few_for_the_others(rng, workers):
    space = Space.read([view_of(rng.standard_normal((3, 5)).astype(np.float32), [0, 1, 1])], workers)
    for name in ("pca", "lda", "head"):
        xy = make_map(name, space, MapOptions(classes=(0, 1)), 20, workers).points(0, 0, features(space.views[0])).xy
        assert np.isfinite(xy).all()
    for name in ("umap", "tsne"):
        with pytest.raises(InputError, match="needs 10 rows or more, there are 3"):
            make_map(name, space, MapOptions(), 20, workers)
    assert neighbours_for(3) == 1


def test_rows_in_pairs_of_equals_and_fewer_than_neighbours_are_laid_out(rng, workers):
    x = np.repeat(rng.standard_normal((6, 5)), 2, axis=0).astype(np.float32)
    space = Space.read([view_of(x, np.arange(12) % 3)], workers)
    for name in ("umap", "tsne"):
        assert np.isfinite(make_map(name, space, MapOptions(neighbours=40), 12, workers).laid.fitted).all()


def test_a_thousand_classes_and_one_feature_have_maps(rng, workers):
    y = np.arange(3000) % 1000
    x = (rng.standard_normal((1000, 8))[y] + 0.1 * rng.standard_normal((3000, 8))).astype(np.float32)
    space = Space.read([view_of(x, y, class_names=[str(c) for c in range(1000)])], workers)
    assert take(space, 100, workers).rows == 100
    assert np.isfinite(make_map("lda", space, MapOptions(), 100, workers).laid.place(x)).all()
    narrow = Space.read([view_of(x[:, :1], y, class_names=[str(c) for c in range(1000)])], workers)
    for name in ("pca", "lda", "head"):
        xy = make_map(name, narrow, MapOptions(classes=(0, 1)), 100, workers).laid.place(x[:, :1])
        assert xy[:, 0].std() > 0
        assert not xy[:, 1].any()


def test_what_cannot_be_mapped_is_refused_with_a_sentence(rng, workers):
    x, y = blobs(rng, 50)
    x[7, 3] = np.nan
    with pytest.raises(InputError, match="feature 3 of toy/test has NaN or infinite values"):
        Space.read([view_of(x, y)], workers)
    with pytest.raises(InputError, match="no rows"):
        Space.read([view_of(x[:0], y[:0])], workers)
    space = Space.read([view_of(*blobs(rng, 50), class_names=[*CLASSES, "empty"])], workers)
    with pytest.raises(InputError, match="no row is labelled 'empty'"):
        make_map("head", space, MapOptions(classes=(0, 3)), 20, workers)
    with pytest.raises(InputError, match="name them with --classes"):
        make_map("head", space, MapOptions(), 20, workers)


def test_a_projection_with_fewer_directions_than_two_is_filled_with_noughts(rng):
    x = np.outer(rng.standard_normal(40), np.ones(4)).astype(np.float32)
    projection = in_two(principal(Moments.of(x), 50))
    assert projection(x).shape == (40, 2)
    assert not projection(x)[:, 1].any()


def test_only_a_umap_without_a_seed_is_laid_out_on_all_threads(space, workers, monkeypatch):
    asked = []

    class Library:
        def __init__(self, **options):
            asked.append((options["n_jobs"], options["random_state"] is None))

        def fit(self, z):
            self.embedding_ = np.asarray(z[:, :2])
            return self

    monkeypatch.setattr("gapscope.maps.umap.Library", Library)
    ways = [MapOptions(threads=2, no_seed=one) for one in (False, True)]
    notes = [make_map("umap", space, one, SAMPLE, workers).laid.notes for one in ways]
    assert asked == [(1, False), (2, True)]
    assert "on one thread" in str(notes[0])
    assert "on all threads, and in another way each time" in str(notes[1])

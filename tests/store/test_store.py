"""The store gives back what it was given, continues what was begun, and is read by others without our code."""

import duckdb
import numpy as np
import polars
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from conftest import toy_part, toy_provenance, write_store
from hypothesis import given
from hypothesis import strategies as st

from gapscope.core.errors import ConfigMismatchError, SchemaError
from gapscope.core.location import Location
from gapscope.schemas.embeddings import StoreManifest
from gapscope.store import ArrayStore, Piece, StoreWriter, open_store, pieces_of
from gapscope.store.arrays import Changed, Weighted, in_memory
from gapscope.store.plan import spans_of


@pytest.fixture(params=["float16", "float32"])
def arrays(request, rng):
    x = rng.standard_normal((200, 7)).astype(request.param).astype(np.float32)
    return x, rng.integers(0, 3, 200), request.param


def test_rows_come_back_in_order_and_exact(arrays, make_store):
    x, y, dtype = arrays
    store = make_store(x, y, dtype=dtype)
    whole = store.view().read()
    assert (whole.x == x).all()
    assert (whole.y == y).all()
    assert (whole.sample_id == np.arange(200)).all()
    assert whole.x.dtype == np.float32
    assert whole.x.flags.c_contiguous
    assert store.paths(Piece(63, 66)) == ["image-63.png", "image-64.png", "image-65.png"]


@given(
    parts=st.lists(st.integers(0, 9), min_size=1, max_size=8),
    bounds=st.tuples(st.integers(0, 72), st.integers(0, 72)),
    rows=st.integers(1, 20),
)
def test_pieces_cover_every_row_once_and_in_order(parts, bounds, rows):
    total = sum(parts)
    start, stop = sorted(min(bound, total) for bound in bounds)
    offset = np.cumsum([0, *parts])
    reached = [
        offset[span.part] + row
        for piece in pieces_of(start, stop, rows)
        for span in spans_of(piece, parts)
        for row in range(span.start, span.stop)
    ]
    assert reached == list(range(start, stop))


@pytest.mark.parametrize("chunk_rows", [1, 7, 64, 300])
def test_chunks_do_not_depend_on_their_size(chunk_rows, rng, make_store):
    x = rng.standard_normal((200, 3)).astype(np.float32)
    store = make_store(x, np.zeros(200, int))
    view = store.view(10, 190)
    assert (np.concatenate([chunk.x for chunk in view.chunks(chunk_rows)]) == x[10:190]).all()


def test_the_dask_array_holds_the_same_rows(rng, make_store):
    x = rng.standard_normal((200, 3)).astype(np.float32)
    array = make_store(x, np.zeros(200, int)).to_dask_array(chunk_rows=48)
    assert array.shape == (200, 3)
    assert (array.compute(scheduler="threads") == x).all()


def test_a_part_that_spans_row_groups_is_read_from_any_row_to_any_row(rng, make_store):
    x = rng.standard_normal((9000, 2)).astype(np.float32)
    store = make_store(x, np.zeros(9000, int), part_rows=9000)
    for start, stop in [(0, 9000), (4095, 4097), (4096, 8192), (8999, 9000), (5, 5)]:
        assert (store.read(Piece(start, stop)).x == x[start:stop]).all()


def test_an_empty_store_reads_as_no_rows(make_store):
    store = make_store(np.zeros((0, 4), np.float32), np.zeros(0, int))
    assert store.rows == 0
    assert store.view().read().x.shape == (0, 4)
    assert store.to_dask_array().shape == (0, 4)


def test_duckdb_polars_pandas_and_arrow_read_the_parts_without_our_code(arrays, make_store):
    x, _, dtype = arrays
    folder = make_store(x, np.zeros(200, int), dtype=dtype).folder
    pattern = f"{folder}/part-*.parquet"
    found = duckdb.sql(f"select embedding from '{pattern}' order by sample_id").fetchall()
    assert np.array_equal(np.array(found)[:, 0], x)
    frame = polars.read_parquet(pattern).sort("sample_id")
    assert np.array_equal(np.stack(frame["embedding"].to_numpy()).astype(np.float32), x)
    paths = [f"{folder}/{name}" for name in folder.names() if name.startswith("part-")]
    table = pyarrow.dataset.dataset(paths).to_table().sort_by("sample_id")
    assert np.array_equal(np.stack(table["embedding"].to_numpy()).astype(np.float32), x)
    assert np.array_equal(np.stack(table.to_pandas()["embedding"]).astype(np.float32), x)


def test_every_part_carries_its_provenance(rng, make_store):
    store = make_store(rng.standard_normal((100, 2)).astype(np.float32), np.zeros(100, int), part_rows=40)
    for part in store.manifest.parts:
        metadata = pq.read_metadata((store.folder / part.name).path).metadata
        assert metadata[b"gapscope"].decode() == store.provenance.model_dump_json()
        assert metadata[b"gapscope.config_hash"].decode() == store.manifest.config_hash


def begun(folder, x, y, **fields):
    writer = StoreWriter(Location.of(folder), toy_provenance(x, y, **fields))
    writer.begin()
    return writer


def test_an_unfinished_store_is_continued_and_not_opened(tmp_path, rng):
    x, y = rng.standard_normal((100, 2)).astype(np.float32), np.zeros(100, int)
    writer = begun(tmp_path, x, y)
    writer.part(1, toy_part(x, y, "float32", 64, 128))
    with pytest.raises(SchemaError, match="not finished"):
        open_store(Location.of(tmp_path))
    again = begun(tmp_path, x, y)
    assert [again.finished_rows(part) for part in range(2)] == [None, 36]
    with pytest.raises(SchemaError, match="lacks part 0 of 2"):
        again.finish(2)
    again.part(0, toy_part(x, y, "float32", 0, 64))
    assert again.finish(2).rows == 100


def test_another_configuration_is_refused_with_the_difference(tmp_path, rng):
    x, y = rng.standard_normal((10, 2)).astype(np.float32), np.zeros(10, int)
    write_store(tmp_path, x, y)
    with pytest.raises(ConfigMismatchError, match=r"backbone was 'toy', now 'vit'; seed was 0, now 1"):
        begun(tmp_path, x, y, backbone="vit", seed=1)


def test_a_newer_code_version_continues_an_older_ones_work(tmp_path, rng):
    x, y = rng.standard_normal((10, 2)).astype(np.float32), np.zeros(10, int)
    write_store(tmp_path, x, y, code_version="1")
    assert begun(tmp_path, x, y, code_version="2").finished_rows(0) == 10


def test_a_damaged_part_is_made_again(tmp_path, rng):
    x, y = rng.standard_normal((10, 2)).astype(np.float32), np.zeros(10, int)
    write_store(tmp_path, x, y)
    part = tmp_path / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-40])
    assert begun(tmp_path, x, y).finished_rows(0) is None
    with pytest.raises(SchemaError, match=r"part-00000\.parquet is damaged: it has [\d,]+ bytes, [\d,]+ were written"):
        open_store(Location.of(tmp_path)).view().read()


def test_the_ledger_gathers_the_rejected_of_all_parts(tmp_path, rng):
    x, y = rng.standard_normal((100, 2)).astype(np.float32), np.zeros(100, int)
    writer = begun(tmp_path, x, y)
    for part, sample in ((0, 63), (1, 5)):
        bad = [{"sample_id": sample, "path": f"{sample}.jpg", "reason": "empty file"}]
        writer.part(part, toy_part(x, y, "float32", part * 64, part * 64 + 63), bad)
    assert writer.finish(2).rejected == 2
    store = open_store(Location.of(tmp_path))
    assert [row["sample_id"] for row in store.rejected()] == [5, 63]
    assert store.folder.names() == ["manifest.json", "part-00000.parquet", "part-00001.parquet", "rejected.parquet"]


def test_a_manifest_that_is_none_is_named(tmp_path):
    with pytest.raises(SchemaError, match="holds no embedding store"):
        open_store(Location.of(tmp_path))
    (tmp_path / "manifest.json").write_text('{"spec_version": 99}')
    with pytest.raises(SchemaError, match="no StoreManifest"):
        open_store(Location.of(tmp_path))


def test_manifests_survive_the_round_trip(rng, make_store):
    manifest = make_store(rng.standard_normal((10, 2)).astype(np.float32), np.zeros(10, int)).manifest
    assert StoreManifest.model_validate_json(manifest.model_dump_json()) == manifest


def test_a_store_in_an_object_store_works_like_one_in_a_folder(bucket, rng):
    x, y = rng.standard_normal((200, 5)).astype(np.float32), rng.integers(0, 3, 200)
    store = write_store(f"{bucket}/embeddings/toy", x, y)
    assert (store.view().read().x == x).all()
    assert {"manifest.json", "rejected.parquet", "part-00003.parquet"} <= set(store.folder.names())
    assert begun(store.folder, x, y).finished_rows(3) == 8
    with pytest.raises(ConfigMismatchError, match="seed was 0, now 7"):
        begun(store.folder, x, y, seed=7)


def test_a_part_of_another_configuration_is_not_finished(tmp_path, rng):
    x, y = rng.standard_normal((20, 3)), np.zeros(20, np.int32)
    other = StoreWriter(Location.of(tmp_path / "other"), toy_provenance(x, y, part_rows=10, seed=7))
    mine = StoreWriter(Location.of(tmp_path / "mine"), toy_provenance(x, y, part_rows=10))
    for writer in (other, mine):
        writer.begin()
        writer.part(0, toy_part(x, y, "float32", 0, 10))
    assert (mine.finished_rows(0), mine.finished_rows(1)) == (10, None)
    stranger = (tmp_path / "other" / "part-00000.parquet").read_bytes()
    (tmp_path / "mine" / "part-00001.parquet").write_bytes(stranger)
    assert mine.finished_rows(1) is None


@pytest.mark.parametrize("stop", [5, 17_000])
def test_rows_that_are_kept_in_memory_are_changed_a_chunk_at_a_time(stop):
    """A change to a thousand probabilities a row would take gigabytes of 50,000 rows at once."""
    x = np.arange(34_000, dtype=np.float32).reshape(-1, 2)
    weight, asked = np.linspace(1, 2, len(x)), []

    def doubled(some):
        asked.append(len(some))
        return np.concatenate([some, 2 * some[:, :1]], axis=1)

    store = ArrayStore(x, np.zeros(len(x), np.int32), ["a"], "toy", np.arange(len(x)) + 7)
    kept = in_memory(Changed(Weighted(store, np.ones(1), weight), doubled).view(5, stop)).read()
    assert max(asked, default=0) <= 8192
    np.testing.assert_array_equal(kept.x, np.column_stack([x, 2 * x[:, 0]])[5:stop])
    np.testing.assert_array_equal(kept.sample_id, np.arange(5, stop) + 7)
    np.testing.assert_array_equal(kept.weights, weight[5:stop])

"""A store is plain Parquet, which other programs read as their users would, to the same numbers."""

import warnings

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from gapscope.jobs.import_features import ImportFeaturesConfig, build


@pytest.fixture(scope="module", params=["float16", "float32"])
def store(request, tmp_path_factory):
    """The pattern of a store's parts, its rows as ``(x, label, path)`` in their original order, and its folder."""
    rng, place = np.random.default_rng(0), tmp_path_factory.mktemp("store")
    x, label = rng.standard_normal((300, 4)).astype(np.float32), rng.integers(0, 3, 300)
    path = np.array([f"{row}.png" for row in range(300)])
    build(
        ImportFeaturesConfig(
            x, labels=label, names=path, dataset="d", dtype=request.param, part_rows=100, workspace=str(place)
        )
    )
    folder = place / "embeddings" / "features" / "d" / "train"
    return str(folder / "part-*.parquet"), (x.astype(request.param), label, path), folder


def by_duckdb(pattern, _folder):
    rows = duckdb.sql(f"SELECT sample_id, embedding::FLOAT[4] AS x, label, path FROM '{pattern}'").fetchnumpy()
    return rows["sample_id"], np.stack(list(rows["x"])), rows["label"], rows["path"]


def by_polars(pattern, _folder):
    rows = pl.scan_parquet(pattern).select("sample_id", "embedding", "label", "path").collect()
    columns = [rows[name].to_numpy() for name in ("sample_id", "label", "path")]
    return columns[0], np.stack(rows["embedding"].to_list()), *columns[1:]


def by_pandas(_pattern, folder):
    rows = pd.concat(map(pd.read_parquet, sorted(folder.glob("part-*.parquet"))))
    return rows["sample_id"].to_numpy(), np.stack(rows["embedding"]), rows["label"].to_numpy(), rows["path"].to_numpy()


def by_arrow(_pattern, folder):
    rows = ds.dataset(sorted(map(str, folder.glob("part-*.parquet")))).to_table()
    x = rows["embedding"].combine_chunks().flatten().to_numpy().reshape(-1, 4)
    return rows["sample_id"].to_numpy(), x, rows["label"].to_numpy(), np.array(rows["path"].to_pylist())


def by_datasets(pattern, folder):
    datasets = pytest.importorskip("datasets")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        datasets.disable_progress_bars()
        rows = datasets.load_dataset("parquet", data_files=pattern, split="train", cache_dir=str(folder / ".cache"))
    rows = rows.with_format("numpy")[:]
    return rows["sample_id"], np.asarray(rows["embedding"]), rows["label"], rows["path"]


def by_lance(_pattern, folder):
    lance = pytest.importorskip("lance")
    source = ds.dataset(sorted(map(str, folder.glob("part-*.parquet"))))
    rows = lance.write_dataset(source.to_batches(), folder / ".lance", schema=source.schema).to_table()
    x = pa.compute.cast(rows["embedding"], pa.list_(pa.float32(), 4)).combine_chunks().flatten().to_numpy()
    return rows["sample_id"].to_numpy(), x.reshape(-1, 4), rows["label"].to_numpy(), np.array(rows["path"].to_pylist())


READERS = [by_duckdb, by_polars, by_pandas, by_arrow, by_datasets, by_lance]


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_a_store_is_read_by_others_as_their_users_would(read, store):
    pattern, (x, label, path), folder = store
    sample_id, found, labels, paths = read(pattern, folder)
    assert sorted(sample_id) == list(range(300))
    np.testing.assert_array_equal(np.asarray(found, x.dtype), x[sample_id])
    np.testing.assert_array_equal(labels, label[sample_id])
    assert list(paths) == path[sample_id].tolist()

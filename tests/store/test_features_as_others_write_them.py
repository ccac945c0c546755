"""Features, labels and names as the libraries of each format write them in their usual ways."""

import gzip
import json
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import scipy.io
import scipy.sparse
import torch
import zarr
from safetensors.numpy import save_file

from gapscope.core.errors import InputError
from gapscope.jobs.import_features import ImportFeaturesConfig, plan
from gapscope.store.imports.labels import LabelBook

RNG = np.random.default_rng(0)
X, CODES = RNG.standard_normal((40, 6)).astype(np.float32), np.arange(40) % 3
ANIMALS = np.array(["cat", "dog", "eel"])
LABELS, NAMES = ANIMALS[CODES], np.array([f"images/{row}.png" for row in range(40)])
FIXED = pa.FixedSizeListArray.from_arrays(pa.array(X.reshape(-1)), 6)
LISTS, ONE_HOT = pa.array(list(X), pa.list_(pa.float32())), np.eye(3)[CODES]
TABLE = pa.table({"embedding": FIXED, "label": LABELS})
WIDE = pd.DataFrame(X, columns=[f"f{number}" for number in range(6)]).assign(label=LABELS)


def source_of(files, **options):
    return plan(ImportFeaturesConfig(files, dataset="d", dtype="float32", workspace="w", **options)).source


def read(files, **options):
    """Features, labels and names of all rows, and why others are none."""
    source = source_of(files, **options)
    rows = [block.parse() for block in source.blocks((), "float32")]
    said = [[text for one in rows for text in (_texts(one, name))] for name in ("label", "path")]
    return np.concatenate([one.x for one in rows]), *said, [bad.reason for one in rows for bad in one.bad]


def _texts(rows, name):
    column = getattr(rows, name)
    return [] if column is None else column.to_pylist()


def npy(place, array, name="x"):
    np.save(place / f"{name}.npy", array)
    return str(place / f"{name}.npy")


def npz(place, **arrays):
    np.savez(place / "x.npz", **arrays)
    return str(place / "x.npz")


def named(place, names, labels, *without):
    """Features with names, and a table of labels with names beside."""
    pd.DataFrame({"path": names, "label": labels}).to_csv(place / "y.csv", index=False)
    options = {"files": npy(place, X), "names": npy(place, NAMES, "names"), "labels": str(place / "y.csv")}
    return {name: value for name, value in options.items() if name not in without}


def groups(to, arrays):
    shutil.rmtree(to, ignore_errors=True)
    zarr.save_group(to, **arrays)


def numbered(place, table):
    """Rows that are called by an id in some order, and a table of labels by the same ids in another."""
    ids = np.arange(40)[::-1].copy() if table else np.array([f"s{row}" for row in range(40)][::-1])
    features = TABLE.drop_columns("label").append_column("uid", pa.array(ids))
    labels = pd.DataFrame({"uid": ids[::-1], "label": LABELS[::-1]})
    labels.to_csv(place / "y.csv", index=False) if table else labels.to_parquet(place / "y.parquet")
    return features, str(place / ("y.csv" if table else "y.parquet"))


def by_name(place, names, labels):
    return text(place, "y.json", json.dumps(dict(zip(map(str, names), labels, strict=True))))


def hdf5(place, **arrays):
    with h5py.File(place / "x.h5", "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return str(place / "x.h5")


def parquet(place, table, name="x.parquet"):
    pq.write_table(table, place / name)
    return str(place / name)


def ipc(place, table, *, stream=False):
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(place / "x.arrow", table.schema) as file:
        file.write_table(table)
    return str(place / "x.arrow")


def text(place, name, content):
    (place / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(place / name)


def frame_of_polars(place, form, kind):
    frame = pl.DataFrame({"embedding": X, "label": pl.Series(LABELS.tolist(), dtype=kind)})
    getattr(frame, f"write_{form}")(place / "x.arrow")
    return str(place / "x.arrow")


def hive(place, names):
    table = TABLE.append_column("split", pa.array(np.where(np.arange(40) < 30, "train", "test")))
    schema = pa.schema([(name, pa.string()) for name in names])
    ds.write_dataset(table, place / "x", format="parquet", partitioning=ds.partitioning(schema, flavor="hive"))
    return str(place / "x")


def written(place, write):
    write(place)
    return str(place)


def shards(place, *written):
    """Shards of 12 rows in chunks of 4, of which some rows were `written`."""
    made = zarr.create_array(place / "x.zarr", shape=X.shape, dtype="f4", chunks=(4, 3), shards=(12, 6), overwrite=True)
    for rows in written:
        made[rows] = X[rows]
    return str(place / "x.zarr")


# What is written, further options, and the labels that its rows have: names, class indices, or none.
LABELLED = {
    "one-hot beside": (lambda at: npy(at, X), lambda at: {"labels": npy(at, ONE_HOT, "y")}, CODES),
    "a column beside": (lambda at: npy(at, X), lambda at: {"labels": npy(at, CODES[:, None], "y")}, CODES),
    "numbers of the other byte order": (
        lambda at: npy(at, X),
        lambda at: {"labels": npy(at, CODES.astype(">i8"), "y")},
        CODES,
    ),
    "numbers without a sign": (lambda at: npy(at, X), lambda at: {"labels": npy(at, CODES.astype("u1"), "y")}, CODES),
    "texts in a column": (lambda at: npy(at, X), lambda at: {"labels": npy(at, LABELS[:, None], "y")}, LABELS),
    "JSON beside": (
        lambda at: npy(at, X),
        lambda at: {"labels": text(at, "y.json", json.dumps(LABELS.tolist()))},
        LABELS,
    ),
    "JSON lines": (
        lambda at: npy(at, X),
        lambda at: {"labels": text(at, "y.jsonl", "".join(f'{{"label": "{one}", "n": 1}}\n' for one in LABELS))},
        LABELS,
    ),
    "lines, compressed": (
        lambda at: npy(at, X),
        lambda at: {"labels": text(at, "y.txt.gz", gzip.compress("\n".join(LABELS).encode()))},
        LABELS,
    ),
    "CSV, compressed": (
        lambda at: npy(at, X),
        lambda at: {"labels": text(at, "y.csv.gz", gzip.compress(("label,n\n" + ",1\n".join(LABELS) + ",1").encode()))},
        LABELS,
    ),
    "lines, and blank ones behind": (
        lambda at: npy(at, X),
        lambda at: {"labels": text(at, "y.txt", "\n".join(LABELS) + "\n\n\n")},
        LABELS,
    ),
    "lines, the last of which has no text": (
        lambda at: npy(at, X),
        lambda at: {"labels": text(at, "y.txt", "\n".join(LABELS[:-1]) + "\n\n")},
        [*LABELS[:-1], ""],
    ),
    "a table in another order": (
        lambda at: npy(at, X),
        lambda at: named(at, [*NAMES[::-1], "other.png"], [*LABELS[::-1], "cat"], "files"),
        LABELS,
    ),
    "names without folders": (
        lambda at: npy(at, X),
        lambda at: named(at, [Path(one).stem for one in NAMES[::-1]], LABELS[::-1], "files"),
        LABELS,
    ),
    "JSON by name": (
        lambda at: npy(at, X),
        lambda at: {"labels": by_name(at, NAMES[::-1], LABELS[::-1]), "names": npy(at, NAMES, "names")},
        LABELS,
    ),
    "numbers by name, beside names in a column": (
        lambda at: parquet(at, TABLE.drop_columns("label").append_column("path", pa.array(NAMES))),
        lambda at: {"labels": by_name(at, NAMES[::-1], CODES[::-1].tolist())},
        CODES,
    ),
    "a table by numbers that the rows have too": (
        lambda at: parquet(at, numbered(at, "csv")[0]),
        lambda at: {"labels": numbered(at, "csv")[1]},
        LABELS,
    ),
    "Parquet by texts that the rows have too": (
        lambda at: parquet(at, numbered(at, "")[0]),
        lambda at: {"labels": numbered(at, "")[1]},
        LABELS,
    ),
    "a table by numbers that are the names": (
        lambda at: npy(at, X),
        lambda at: {
            "names": parquet(at, numbered(at, "")[0].select(["uid"]), "n.parquet"),
            "labels": numbered(at, "")[1],
            "path_column": "uid",
        },
        LABELS,
    ),
    "frames of one order": (
        lambda at: WIDE.drop(columns="label")[::-1],
        {"labels": WIDE["label"][::-1]},
        LABELS[::-1],
    ),
    "a frame of some rows, labels counted anew": (
        lambda at: WIDE.drop(columns="label")[::2],
        {"labels": pd.Series(LABELS[::2])},
        LABELS[::2],
    ),
    "npz, with names of the classes": (lambda at: npz(at, features=X, labels=CODES, classes=ANIMALS), {}, CODES),
    "npz, one-hot": (lambda at: npz(at, features=X, labels=ONE_HOT), {}, CODES),
    "npz, a column": (lambda at: npz(at, features=X, labels=CODES[:, None]), {}, CODES),
    "npz, splits": (
        lambda at: npz(at, x_train=X, y_train=CODES, x_test=X[:9] + 1, y_test=CODES[:9] * 0),
        {},
        CODES,
    ),
    "npz, the other split": (
        lambda at: npz(at, x_train=np.vstack([X, X]), y_train=np.zeros(80), x_test=X, y_test=CODES),
        {"split": "test"},
        CODES,
    ),
    "npz, an array by name": (
        lambda at: npz(at, gallery=np.vstack([X, X]), queries=X, labels=CODES),
        {"feature_columns": ("queries",)},
        CODES,
    ),
    "HDF5, groups": (
        lambda at: hdf5(at, **{"train/x": X, "train/y": CODES, "test/x": X + 1, "test/y": CODES * 0}),
        {},
        CODES,
    ),
    "HDF5, groups of kinds": (
        lambda at: hdf5(
            at, **{"features/test": X, "labels/test": CODES, "features/val": X[:5], "labels/val": CODES[:5]}
        ),
        {"split": "test"},
        CODES,
    ),
    "HDF5, texts in a column": (lambda at: hdf5(at, x=X, label=LABELS.astype("S")[:, None]), {}, LABELS),
    "HDF5, one-hot": (lambda at: hdf5(at, x=X, label=ONE_HOT.astype("u1")), {}, CODES),
    "Zarr, groups": (
        lambda at: written(at / "x.zarr", lambda to: zarr.save_group(to, **{"train/x": X, "train/label": CODES})),
        {},
        CODES,
    ),
    "Parquet, one-hot": (lambda at: parquet(at, TABLE.set_column(1, "label", pa.array(list(ONE_HOT)))), {}, CODES),
    "Parquet, wide beside one-hot": (
        lambda at: parquet(at, pa.Table.from_pandas(WIDE).set_column(6, "label", pa.array(list(ONE_HOT)))),
        {},
        CODES,
    ),
    "Parquet, lists of one": (
        lambda at: parquet(at, TABLE.set_column(1, "label", pa.array([[int(one)] for one in CODES]))),
        {},
        CODES,
    ),
    "Parquet, bytes": (
        lambda at: parquet(at, TABLE.set_column(1, "label", pa.array([one.encode() for one in LABELS]))),
        {},
        LABELS,
    ),
    "Parquet, partitions": (lambda at: hive(at, ["label"]), {}, None),
    "Parquet, partitions of splits": (lambda at: hive(at, ["split"]), {"split": "test"}, LABELS[30:]),
    "Parquet, an index of names": (
        lambda at: written(at / "x.parquet", WIDE.set_index(pd.Index(NAMES, name="path")).to_parquet),
        {},
        LABELS,
    ),
    "IPC, run-end encoded": (
        lambda at: ipc(at, TABLE.set_column(1, "label", pc.run_end_encode(pa.array(LABELS)))),
        {},
        LABELS,
    ),
    "IPC, views of lists": (
        lambda at: ipc(at, TABLE.set_column(0, "embedding", pa.array(list(X), pa.list_view(pa.float32())))),
        {},
        LABELS,
    ),
    "Polars, categories": (lambda at: frame_of_polars(at, "ipc", pl.Categorical), {}, LABELS),
    "Polars, an enumeration": (lambda at: frame_of_polars(at, "parquet", pl.Enum(["cat", "dog", "eel"])), {}, LABELS),
    "Polars, a stream": (lambda at: frame_of_polars(at, "ipc_stream", pl.String), {}, LABELS),
    "CSV with semicolons": (
        lambda at: npy(at, X),
        lambda at: {"labels": text(at, "y.csv", "path;label\n" + "".join(map("{};{}\n".format, NAMES, LABELS)))},
        LABELS,
    ),
    "TSV of one column": (
        lambda at: npy(at, X),
        lambda at: {"labels": text(at, "y.tsv", "label\n" + "".join(f"{one}, tame\n" for one in LABELS))},
        [f"{one}, tame" for one in LABELS],
    ),
    "Zarr, shards": (lambda at: shards(at, slice(0, 40)), lambda at: {"labels": npy(at, CODES, "y")}, CODES),
    "lists": (lambda at: X.tolist(), {"labels": LABELS.tolist()}, LABELS),
    "tensors": (lambda at: torch.tensor(X, requires_grad=True), {"labels": torch.tensor(CODES)}, CODES),
    "a sparse matrix": (lambda at: scipy.sparse.coo_array(X), {"labels": LABELS}, LABELS),
    "objects": (lambda at: X, {"labels": LABELS.astype(object), "names": list(map(str, NAMES))}, LABELS),
    "missing texts": (
        lambda at: X,
        {"labels": pd.Series(LABELS, dtype="string").where(CODES > 0)},
        np.where(CODES > 0, LABELS, ""),
    ),
    "missing objects": (
        lambda at: X,
        {"labels": pd.Series(LABELS, dtype=object).where(CODES > 0, np.nan)},
        np.where(CODES > 0, LABELS, ""),
    ),
    "missing integers": (lambda at: X, {"labels": pd.array(CODES, dtype="Int64")}, CODES),
}


@pytest.mark.filterwarnings("ignore:.*does not have a Zarr V3 specification")
@pytest.mark.parametrize("kind", LABELLED)
def test_features_and_labels_are_those_that_were_written(kind, tmp_path):
    write, options, labels = LABELLED[kind]
    options = options(tmp_path) if callable(options) else options
    x, found, _, bad = read(write(tmp_path), **options)
    if labels is None:  # rows of partitions stand in another order
        order = np.lexsort(X.T), np.lexsort(x.T)
        x, found, wanted, labels = x[order[1]], np.array(found)[order[1]].tolist(), X[order[0]], LABELS[order[0]]
    else:
        wanted = {10: X[30:], 20: X[::2]}.get(len(labels), X)
        wanted = wanted[::-1] if kind == "frames of one order" else wanted
    np.testing.assert_array_equal(x, wanted)
    assert found == list(map(str, labels))
    assert bad == []


def class_labels(place, *orders):
    """Shards that number their classes in their own orders."""
    for number, order in enumerate(orders):
        features = {"label": {"names": order, "_type": "ClassLabel"}}
        about = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
        table = TABLE.set_column(1, "label", pa.array(CODES)).replace_schema_metadata(about)
        pq.write_table(table, place / f"x-{number}.parquet")
    return str(place / "x-*.parquet")


def clip_retrieval(place, *numbers):
    for folder in ("img_emb", "metadata"):
        (place / folder).mkdir()
    for number in (0, 1):
        np.save(place / "img_emb" / f"img_emb_{number}.npy", X)
    for number in numbers:
        parquet(place / "metadata", pa.table({"image_path": NAMES}), f"metadata_{number}.parquet")
    return str(place)


def stream(place, *, behind=b"", close=True):
    with pa.OSFile(str(place / "x.arrows"), "wb") as file:
        writer = pa.ipc.new_stream(file, TABLE.schema)
        writer.write_table(TABLE)
        if close:
            writer.close()
        file.write(behind)
    return str(place / "x.arrows")


def twins(place, name, *numbers, more=0, copies=(), links=()):
    """Shards of features ``x`` or labels ``y``, of which the first may have `more` rows and the last fewer."""
    for number in numbers:
        long = 40 + (more if number == numbers[0] else -more)
        npy(place, X + number if name in "xz" else np.resize(CODES, long), f"{name}-{number}")
    first = place / f"{name}-{numbers[0]}.npy"
    for copy in copies:
        shutil.copy(first, first.with_stem(first.stem + copy))
    for link in links:
        first.with_stem(first.stem + link).symlink_to(first)
    return str(place / f"{name}*.npy")


def zipped(place):
    shutil.make_archive(str(place / "x.zarr"), "zip", shards(place, slice(0, 40)))
    return str(place / "x.zarr.zip")


REFUSED = {
    "labels of other rows": (
        lambda at: named(at, np.char.replace(NAMES, "/3", "/x3"), LABELS),
        r"has no label for 'images/3.png', nor for 10 more of 40 rows, by their names",
    ),
    "a name with two labels": (lambda at: named(at, [*NAMES[1:], *NAMES], [*LABELS, *LABELS[1:]]), "names 'images/1.p"),
    "labels of other folders": (
        lambda at: named(at, [f"train/{Path(one).name}" for one in NAMES[::-1]], LABELS[::-1]),
        r"has no label for 'images/0.png', nor for 39 more of 40 rows",
    ),
    "two images that one label would be found for": (
        lambda at: {
            "files": npy(at, X[:2]),
            "names": npy(at, ["cats/1.png", "dogs/1.png"], "names"),
            "labels": by_name(at, ["1", "2"], ["cat", "dog"]),
        },
        r"'cats/1.png' and 'dogs/1.png' would both have the label of '1'",
    ),
    "labels by ids of which the rows have others": (
        lambda at: {
            "files": parquet(at, numbered(at, "csv")[0]),
            "labels": text(at, "y.csv", "uid,label\n" + "".join(f"{row + 1},cat\n" for row in range(40))),
        },
        r"y\.csv has no label for '0', nor for 0 more of 40 rows, by their names",
    ),
    "labels of rows of other sites": (
        lambda at: {
            "files": parquet(at, TABLE.drop_columns("label").append_column("site", pa.array(LABELS))),
            "labels": text(at, "y.csv", "site,label\n" + "".join(f"{one},cat\n" for one in LABELS[::-1])),
        },
        r"row 0 has 'cat' as 'site' in .*x\.parquet and 'cat|'eel|'dog",
    ),
    "a header above lines": (
        lambda at: {"files": npy(at, X), "labels": text(at, "y.txt", "\n".join(["label", *LABELS[1:]]))},
        r"y\.txt begins with 'label', as a header does; take it away, or call the file \.csv",
    ),
    "a header above names": (
        lambda at: {"files": npy(at, X), "names": text(at, "n.txt", "\n".join(["Path", *NAMES]))},
        r"n\.txt begins with 'Path', as a header does",
    ),
    "frames of two orders": (
        lambda at: {"files": WIDE.drop(columns="label")[::-1], "labels": WIDE["label"]},
        r"has the labels of the frame in another order; hand over labels\.loc\[features\.index\]",
    ),
    "labels of other shards": (
        lambda at: {"files": twins(at, "x", 0, 1), "labels": twins(at, "y", 0, 2)},
        r"has x-1\.npy where y-2\.npy stands beside; files that belong together have one number",
    ),
    "labels of shards of other lengths": (
        lambda at: {"files": twins(at, "x", 0, 1), "labels": twins(at, "y", 0, 1, more=1)},
        r"y-0\.npy has 41 rows and .*x-0\.npy 40; they must have as many",
    ),
    "labels that are made one by one": (
        lambda at: {"files": X, "labels": iter(LABELS)},
        r"the labels are made one by one, .* hand over list\(labels\)",
    ),
    "too many labels": (
        lambda at: {"files": npy(at, X), "labels": text(at, "y.txt", "\n".join([*LABELS, "cat"]))},
        "holds 41 labels and .* 40 rows",
    ),
    "labels by name, without names": (
        lambda at: {"files": npy(at, X), "labels": by_name(at, NAMES, LABELS)},
        "y.json names its labels, and the rows have no names",
    ),
    "an array of too few labels": (lambda at: npz(at, x=X, labels=CODES[1:]), r"'labels' of .* has 39 rows where the "),
    "too few in HDF5": (lambda at: hdf5(at, x=X, label=CODES[1:]), r"'label' of .* has 39 rows where the features"),
    "classes in two orders": (lambda at: class_labels(at, ["a", "b", "c"], ["c", "b", "a"]), "by the classes c, b, a"),
    "a number that is missing": (lambda at: clip_retrieval(at, 0, 2), r"img_emb_1.npy where metadata_2.parquet"),
    "a stream without an end": (lambda at: stream(at, close=False), "ends without the mark"),
    "a stream behind a stream": (lambda at: stream(at, behind=b"more"), "goes on for 4 bytes behind the end"),
    "a split that is not there": (
        lambda at: {"files": npz(at, x_train=X, x_test=X), "split": "val"},
        "holds the splits test, train; choose one with --split",
    ),
    "a header that is a label": (
        lambda at: {"files": npy(at, X), "labels": text(at, "y.csv", "\n".join(LABELS))},
        "39 labels below its header and",
    ),
    "YAML": (lambda at: {"files": npy(at, X), "labels": text(at, "y.yaml", "- cat")}, "is none of a list of lines"),
    "JSON of something else": (
        lambda at: {"files": npy(at, X), "labels": text(at, "y.json", "{}")},
        "holds no list of values or of objects",
    ),
    "texts as objects": (
        lambda at: {"files": npy(at, X), "labels": npy(at, LABELS.astype(object), "y")},
        r"np\.array\(LABELS, str\)",
    ),
    "a shard with a gap": (lambda at: shards(at, slice(0, 4), slice(8, 40)), r"x\.zarr has 18 of its 20 chunks"),
    "shards that are missing": (lambda at: shards(at, slice(0, 24)), r"x\.zarr has 12 of its 20 chunks"),
    "an array for each image of an archive": (
        lambda at: npz(at, **dict(zip(NAMES, X, strict=True))),
        r"holds an array for each image, such as 'images/0\.png'",
    ),
    "an array for each image of HDF5": (
        lambda at: hdf5(at, **dict(zip(NAMES, X, strict=True))),
        r"holds an array for each image, such as 'images/0\.png'",
    ),
    "vectors as bytes": (
        lambda at: parquet(at, pa.table({"id": CODES, "emb": [x.tobytes() for x in X], "label": LABELS})),
        r"column 'emb' of .* holds binary; features are",
    ),
    "vectors of any length in HDF5": (
        lambda at: hdf5(at, x=np.array([*X, X[0, :2]], h5py.vlen_dtype("f4"))[:40], label=CODES),
        r"column 'x' of .* holds an array of object of shape \(40,\); features are",
    ),
    "lists in cells of CSV": (
        lambda at: written(at / "x.csv", pd.DataFrame({"embedding": X.tolist(), "label": LABELS}).to_csv),
        r"vectors in one column are read from Parquet",
    ),
    "text in another encoding": (
        lambda at: {"files": npy(at, X), "labels": text(at, "y.txt", "\n".join(LABELS).encode("utf-16"))},
        r"y\.txt is not in UTF-8 .*; save it as UTF-8",
    ),
    "a Zarr store in an archive": (lambda at: zipped(at), r"is an archive of a Zarr store; unpack it"),
    "rows of other lengths": (lambda at: [[1.0], [1.0, 2.0]], "is no array of rows of equal length"),
    "lists of lists of objects": (lambda at: [[{}]], "holds Python objects"),
    "numbers without a type": (lambda at: written(at / "x.dat", X.tofile), "is no text, and begins with"),
    "safetensors": (
        lambda at: written(at / "x.safetensors", lambda to: save_file({"x": X}, to)),
        "file of safetensors",
    ),
    "MATLAB": (lambda at: written(at / "x.mat", lambda to: scipy.io.savemat(to, {"x": X})), "MATLAB file of version 5"),
    "a compressed array": (lambda at: text(at, "x.npy.gz", gzip.compress(b"...")), "is compressed as a whole"),
    "SQLite": (lambda at: text(at, "x.db", b"SQLite format 3\0" + bytes(99)), "is a SQLite database"),
    "DuckDB": (lambda at: text(at, "x.duckdb", bytes(8) + b"DUCK" + bytes(99)), "is a DuckDB database"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_be_read_as_something_else_is_refused(kind, tmp_path):
    write, sentence = REFUSED[kind]
    files = write(tmp_path)
    with pytest.raises(InputError, match=sentence):
        read(**files) if isinstance(files, dict) else read(files)


@pytest.mark.filterwarnings("ignore:.*does not have a Zarr V3 specification")
@pytest.mark.parametrize(
    "write", [npz, hdf5, lambda at, **arrays: written(at / "x.zarr", lambda to: groups(to, arrays))]
)
def test_classes_have_the_names_that_stand_beside_their_numbers(write, tmp_path):
    texts = ANIMALS.astype("S") if write is hdf5 else ANIMALS
    assert source_of(write(tmp_path, x=X, labels=CODES, classes=texts)).class_names == tuple(ANIMALS)
    assert source_of(write(tmp_path, x=X, labels=CODES, others=texts)).class_names == ()


@pytest.mark.parametrize(("numbers", "names"), [((0, 1, 2), tuple(ANIMALS[::-1])), ((1, 2, 5), ())])
def test_numbers_of_an_enumeration_have_its_names(numbers, names, tmp_path):
    kind = h5py.enum_dtype(dict(zip(ANIMALS[::-1].tolist(), numbers, strict=True)), "i4")
    place = hdf5(tmp_path, x=X, label=np.array(numbers, "i4")[CODES].astype(kind))
    assert source_of(place).class_names == names


def test_labels_that_found_their_rows_by_name_are_said_to(tmp_path):
    notes = source_of(**named(tmp_path, [*NAMES[::-1], "other.png"], [*LABELS[::-1], "cat"])).notes
    assert notes[-1].endswith("y.csv matched to the rows by name, 1 of them of no row")
    assert len(source_of(**named(tmp_path, NAMES, LABELS)).notes) == len(notes) - 1


@pytest.mark.parametrize("how", [{"copies": [" (1)"]}, {"links": ["other", "another"]}])
def test_a_file_that_is_there_twice_is_said(how, tmp_path):
    notes = " ".join(source_of(twins(tmp_path, "x", 0, 1, **how)).notes)
    more = ", and so are 1 more and others" if "links" in how else ""
    assert re.search(rf"x-0.*npy and .*x-0.*npy are alike in size and in all samples.*{more}; leave out", notes)
    assert "alike in size" not in " ".join(source_of(twins(tmp_path, "z", 0, 1)).notes)


@pytest.mark.parametrize(("numbers", "said"), [((0, 1, 2), ""), ((3, 5, 8), "number 4 is missing, and 2 more")])
def test_shards_that_are_missing_between_others_are_said(numbers, said, tmp_path):
    for number in numbers:
        parquet(tmp_path, TABLE.slice(number), f"part-{number:05d}.parquet")
    notes = " ".join(source_of(str(tmp_path)).notes)
    assert (said in notes) if said else ("missing" not in notes)


def test_vectors_that_are_not_one_hot_are_no_labels(tmp_path):
    hot = ONE_HOT.copy()
    hot[3], hot[5], hot[7] = 0.5, 0, 1
    *_, bad = read(npy(tmp_path, X), labels=npy(tmp_path, hot, "y"))
    assert bad == ["has no label: its vector is not a 1 among zeros"] * 3


def test_shards_without_a_row_say_nothing(tmp_path):
    for number, part in enumerate((TABLE.slice(0, 0), TABLE, TABLE.slice(0, 0))):
        parquet(
            tmp_path,
            part.set_column(0, "embedding", part["embedding"].cast(pa.list_(pa.float32()))),
            f"{number}.parquet",
        )
    x, found, *_ = read(str(tmp_path))
    np.testing.assert_array_equal(x, X)
    assert found == LABELS.tolist()


@pytest.mark.parametrize("wiped", [16, 64, 1000])
def test_texts_whose_heap_was_overwritten_do_not_hold_the_reader_for_ever(wiped, tmp_path):
    place = Path(hdf5(tmp_path, odd=np.zeros((3, 3), "S1"), x=X, label=LABELS.tolist(), path=NAMES.tolist()))
    assert read(str(place))[2] == NAMES.tolist()
    content = place.read_bytes()
    heap = content.index(b"GCOL") + 16
    place.write_bytes(content[:heap] + bytes(wiped) + content[heap + wiped :])
    with pytest.raises(InputError, match=r"the texts of '.*' of .*x\.h5 cannot be found in it"):
        read(str(place))


def test_a_value_that_is_masked_is_missing():
    masked = np.ma.masked_array(X, np.arange(240).reshape(40, 6) == 20)
    x, *_, bad = read(masked, on_bad_row="reject")
    np.testing.assert_array_equal(x, np.delete(X, 3, axis=0))
    assert bad == ["feature 2 is NaN"]


def test_what_cannot_be_a_label_is_named(tmp_path):
    files = parquet(tmp_path, TABLE.set_column(1, "label", pa.array([{"id": 1}] * 40)))
    assert any("the column 'label' holds struct<id: int64>, not a label" in note for note in source_of(files).notes)
    files = npz(tmp_path, features=X, labels=LABELS.astype(object))
    assert any("the column 'labels' holds an array of object" in note for note in source_of(files).notes)


def test_whole_numbers_beyond_double_precision_are_no_labels_but_a_reason(tmp_path):
    files = parquet(tmp_path, TABLE.set_column(1, "label", pa.array(CODES + 2**53)))
    assert read(files)[1][:2] == [str(2**53), str(2**53 + 1)]


def test_underscores_do_not_make_a_number_of_a_name():
    book = LabelBook()
    assert [book.number(text, "row") for text in ("1_0", "10_2", "a")] == [0, 1, 2]
    assert book.classes()[0] == ["10_2", "1_0", "a"]

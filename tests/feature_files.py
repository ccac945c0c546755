"""The same rows as files of every format that `import-features` reads, as the libraries of these formats write them."""

import json
import warnings
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import zarr


class Made(NamedTuple):
    """Rows: features ``x : (n, d)``, labels and paths ``(n,)``, as texts."""

    x: np.ndarray
    label: np.ndarray
    path: np.ndarray

    @property
    def table(self):
        """A table with a column of lists."""
        lists = pa.array(list(self.x), pa.list_(pa.from_numpy_dtype(self.x.dtype)))
        return pa.table({"embedding": lists, "label": self.label.tolist(), "path": self.path.tolist()})

    @property
    def frame(self):
        """A table with a column for each feature."""
        frame = pd.DataFrame(self.x, columns=[f"f{index}" for index in range(self.x.shape[1])])
        return frame.assign(label=self.label, path=self.path)


def rows_of(rng, rows=600, dim=6):
    """Random rows of three classes."""
    x = rng.standard_normal((rows, dim)).astype(np.float32)
    return Made(x, rng.choice(["cat", "dog", "eel"], rows), np.array([f"images/{row}.png" for row in range(rows)]))


def in_npy(made, place):
    np.save(place / "x.npy", made.x)
    np.save(place / "label.npy", made.label)
    np.save(place / "path.npy", made.path)
    return {"files": ["x.npy"], "labels": ["label.npy"], "names": ["path.npy"]}


def in_npy_by_column(made, place):
    np.save(place / "x.npy", np.asfortranarray(made.x))
    (place / "label.txt").write_text("".join(f"{label}\n" for label in made.label))
    pd.DataFrame({"path": made.path}).to_csv(place / "path.csv", index=False)
    return {"files": ["x.npy"], "labels": ["label.txt"], "names": ["path.csv"]}


def in_npy_shards(made, place):
    for number, start in enumerate(range(0, len(made.x), 170)):
        np.save(place / f"x-{number}.npy", made.x[start : start + 170].astype(">f8"))
    pq.write_table(made.table.select(["label", "path"]), place / "about.parquet")
    return {"files": ["x-*.npy"], "labels": ["about.parquet"], "names": ["about.parquet"]}


def in_npz(made, place):
    np.savez(place / "rows.npz", features=made.x, label=made.label, path=made.path, version=np.array(3))
    return {"files": ["rows.npz"]}


def in_npz_compressed(made, place):
    np.savez_compressed(place / "rows.npz", x=np.asfortranarray(made.x), y=made.label, filename=made.path)
    return {"files": ["rows.npz"]}


def in_hdf5(made, place):
    with h5py.File(place / "rows.h5", "w") as file:
        file.create_dataset("deep/features", data=made.x, chunks=(64, 3), compression="gzip")
        file.create_dataset("label", data=made.label.astype("S"))
        file.create_dataset("path", data=made.path.tolist(), dtype=h5py.string_dtype())
        file["again"] = h5py.SoftLink("/label")
    return {"files": ["rows.h5"]}


def in_zarr(made, place, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        group = zarr.open_group(place / "rows.zarr", mode="w", **options)
        group.create_array("features", data=made.x, chunks=(100, made.x.shape[1]))
        group.create_array("label", data=made.label)
        group.create_array("path", data=made.path)
    return {"files": ["rows.zarr"]}


def in_zarr_2(made, place):
    return in_zarr(made, place, zarr_format=2)


def in_parquet(made, place):
    pq.write_table(made.table, place / "rows.parquet", row_group_size=130)
    return {"files": ["rows.parquet"]}


def in_parquet_fixed(made, place):
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(made.x.reshape(-1)), made.x.shape[1])
    pq.write_table(made.table.set_column(0, "embedding", fixed), place / "rows.parquet")
    return {"files": ["rows.parquet"]}


def in_parquet_wide(made, place):
    made.frame.astype({"label": "category"}).to_parquet(place / "rows.parquet")
    return {"files": ["rows.parquet"]}


def in_feather(made, place):
    feather.write_feather(made.table, place / "rows.feather", chunksize=90)
    return {"files": ["rows.feather"]}


def in_stream(made, place):
    with pa.ipc.new_stream(place / "rows.arrows", made.table.schema) as stream:
        stream.write_table(made.table, max_chunksize=90)
    return {"files": ["rows.arrows"]}


def saved_to_disk(made, folder, shards=2, **state):
    """The folder that `Dataset.save_to_disk` writes; tests that have the library use it instead."""
    folder.mkdir(parents=True)
    size = -(-len(made.x) // shards)
    names = [f"data-{shard:05d}-of-{shards:05d}.arrow" for shard in range(shards)]
    for shard, name in enumerate(names):
        with pa.ipc.new_stream(folder / name, made.table.schema) as stream:
            stream.write_table(made.table.slice(shard * size, size), max_chunksize=90)
    about = {"_data_files": [{"filename": name} for name in names], "_split": "train", **state}
    (folder / "state.json").write_text(json.dumps(about))
    (folder / "dataset_info.json").write_text("{}")


def in_save_to_disk(made, place):
    saved_to_disk(made, place / "saved" / "train")
    (place / "saved" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    return {"files": ["saved"]}


def in_clip_retrieval(made, place):
    for folder in ("img_emb", "metadata"):
        (place / "clip" / folder).mkdir(parents=True)
    for number, start in enumerate(range(0, len(made.x), 50)):
        np.save(place / "clip" / "img_emb" / f"img_emb_{number}.npy", made.x[start : start + 50])
        about = made.table.slice(start, 50).select(["label", "path"]).rename_columns(["label", "image_path"])
        pq.write_table(about, place / "clip" / "metadata" / f"metadata_{number}.parquet")
    return {"files": ["clip"]}


def in_hub_folder(made, place):
    (place / "hub" / "data").mkdir(parents=True)
    for shard in range(2):
        part = made.table.slice(shard * 300, 300 if shard == 0 else None)
        pq.write_table(part, place / "hub" / "data" / f"train-{shard:05d}-of-00002.parquet")
    pq.write_table(made.table.slice(0, 9), place / "hub" / "data" / "test-00000-of-00001.parquet")
    (place / "hub" / "README.md").write_text("A dataset.")
    return {"files": ["hub"]}


def in_json_lines(made, place):
    rows = made.table.to_pylist()
    text = "\ufeff" + "\n\n".join(json.dumps(row) for row in rows)
    (place / "rows.jsonl").write_text(text)
    return {"files": ["rows.jsonl"]}


def in_json_lines_wide(made, place):
    for number, start in enumerate(range(0, len(made.x), 170)):
        part = made.frame.iloc[start : start + 170]
        part.astype(object).to_json(
            place / f"rows-{number}.ndjson.gz", orient="records", lines=True, double_precision=15
        )
    return {"files": ["rows-*.ndjson.gz"]}


def in_json_columns(made, place):
    columns = {
        "embedding": made.x.tolist(),
        "label": made.label.tolist(),
        "path": made.path.tolist(),
        "classes": [1, 2],
    }
    (place / "rows.json").write_text(json.dumps({"model": "a", **columns}))
    return {"files": ["rows.json"]}


WRITERS = {
    "npy": in_npy,
    "npy by column": in_npy_by_column,
    "npy shards": in_npy_shards,
    "npz": in_npz,
    "npz compressed": in_npz_compressed,
    "hdf5": in_hdf5,
    "zarr": in_zarr,
    "zarr 2": in_zarr_2,
    "parquet": in_parquet,
    "parquet fixed": in_parquet_fixed,
    "parquet wide": in_parquet_wide,
    "feather": in_feather,
    "arrow stream": in_stream,
    "save_to_disk": in_save_to_disk,
    "clip-retrieval": in_clip_retrieval,
    "hub folder": in_hub_folder,
    "JSON lines": in_json_lines,
    "JSON lines wide": in_json_lines_wide,
    "JSON columns": in_json_columns,
}


def write(kind, made, place: Path):
    """Write the rows as files of a kind into the folder `place`; the options by which they are imported."""
    place.mkdir(parents=True, exist_ok=True)
    options = WRITERS[kind](made, place)
    return {name: tuple(str(place / file) for file in files) for name, files in options.items()}

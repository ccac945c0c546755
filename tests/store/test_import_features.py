"""Features of every format come in as rows of CSV do: each once, in an order that the seed decides, killed or not."""

import dataclasses
import json
import pickle
import signal
import sys
import warnings
from pathlib import Path
from zipfile import ZipFile

import dask.array as da
import h5py
import numcodecs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
import zarr
from dying_imports import MOMENTS, dying_imports
from feature_files import WRITERS, Made, rows_of, saved_to_disk, write
from servers import web_server

import gapscope
from gapscope.core.errors import ConfigMismatchError, GapscopeError, InputError
from gapscope.core.location import Location, _filesystem
from gapscope.formats import table as tables
from gapscope.jobs.import_features import ImportFeaturesConfig, build
from gapscope.store import open_store
from gapscope.store.beside import beside

UNSTABLE = "ignore:.*does not have a Zarr V3 specification"


def config_of(place, **options):
    defaults = {"dataset": "d", "backbone": "b", "part_rows": 150, "workspace": str(place), "dtype": "float32"}
    return ImportFeaturesConfig(**(defaults | options))


def store_of(config):
    return open_store(Location(f"{config.workspace}/embeddings/{config.backbone}/{config.dataset}/{config.split}"))


def content(config):
    """The rows in store order: number, path, label, vector, digest; then the rejected rows."""
    store = store_of(config)
    chunk = store.view().read()
    paths = store.paths(store.view().pieces(store.rows)[0])
    return (
        *(chunk.sample_id.tolist(), paths, chunk.y.tolist(), chunk.x.tolist(), store.digests().tolist()),
        *(store.class_names, store.rejected()),
    )


@pytest.fixture
def made(rng):
    return rows_of(rng)


@pytest.fixture
def wanted(made, tmp_path):
    """The rows as CSV brings them in, but for the digests, which are of text."""
    made.frame.to_csv(tmp_path / "rows.csv", index=False)
    config = config_of(tmp_path / "csv", files=(str(tmp_path / "rows.csv"),))
    build(config)
    return content(config)


@pytest.mark.filterwarnings(UNSTABLE)
@pytest.mark.parametrize("kind", WRITERS)
def test_the_same_rows_make_the_same_store_whatever_they_come_from(kind, made, wanted, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "RUN_BYTES", 1000)
    config = config_of(tmp_path, **write(kind, made, tmp_path / "in"))
    manifest = build(config)
    found = content(config)
    assert found[:4] == wanted[:4]
    assert found[5:] == wanted[5:] == (["cat", "dog", "eel"], [])
    for row, number in enumerate(found[0][:5]):
        hashes = [
            xxhash.xxh64_intdigest(one)
            for one in (made.x[number].tobytes(), made.label[number].encode(), made.path[number].encode())
        ]
        assert found[4][row] == xxhash.xxh64_intdigest(np.array(hashes, np.uint64).tobytes())
    assert manifest.provenance.fingerprint.count == manifest.rows == len(made.x)
    assert build(config) == manifest


@pytest.mark.filterwarnings(UNSTABLE)
@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_is_read_over_the_network_as_from_the_disk(kind, made, wanted, tmp_path):
    import fsspec

    options, folder = write(kind, made, tmp_path / "in"), f"/{tmp_path.name}"
    fsspec.filesystem("memory").put(str(tmp_path / "in"), folder, recursive=True)
    config = config_of(tmp_path, **_moved(options, tmp_path / "in", f"memory:/{folder}"))
    build(config)
    assert content(config)[:4] == wanted[:4]


def _moved(options, place, address):
    return {name: tuple(file.replace(str(place), address) for file in files) for name, files in options.items()}


@pytest.mark.filterwarnings(UNSTABLE)
@pytest.mark.parametrize("kind", WRITERS)
def test_every_file_is_read_from_a_web_server_and_a_folder_is_refused(kind, made, wanted, tmp_path):
    options = write(kind, made, tmp_path / "in")
    with web_server(tmp_path / "in") as (_, address):
        config = config_of(tmp_path, **_moved(options, tmp_path / "in", address))
        if any(Path(file).is_dir() for files in options.values() for file in files):
            with pytest.raises(InputError, match=r"never those of a folder; name a file"):
                build(config)
            return
        build(config)
    assert content(config)[:4] == wanted[:4]


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_a_file_of_a_server_that_gives_no_pieces_is_refused_with_the_way_out(name, made, tmp_path):
    made.frame.to_csv(tmp_path / "rows.csv", index=False)
    made.frame.to_parquet(tmp_path / "rows.parquet")
    with web_server(tmp_path) as (web, address):
        web.ranges = False
        with pytest.raises(InputError, match=rf"the server of {address}/{name} gives no pieces "):
            build(config_of(tmp_path, files=(f"{address}/{name}",)))
        with pytest.raises(InputError, match=r"no file .*nothing\.csv; check the path"):
            build(config_of(tmp_path, files=(f"{address}/nothing.csv",)))


@pytest.mark.parametrize("form", ["array", "Dask", "frame", "table"])
def test_rows_in_memory_come_in_too(form, made, wanted, tmp_path):
    beside = {"labels": made.label, "names": made.path.tolist()}
    rows, options = {
        "array": (made.x, beside),
        "Dask": (da.from_array(made.x, chunks=(70, 4)), beside),
        "frame": (made.frame, {}),
        "table": (made.table, {}),
    }[form]
    options |= {"dataset": "d", "backbone": "b", "part_rows": 150, "dtype": "float32", "workspace": str(tmp_path)}
    gapscope.import_features(rows, **options)
    config = config_of(tmp_path)
    assert content(config)[:4] == wanted[:4]
    assert store_of(config).manifest.command == {}
    with pytest.raises(ConfigMismatchError):
        gapscope.import_features(made.table.slice(1) if form == "table" else rows[1:], **_cut(options))


def _cut(options):
    return {name: value[1:] if name in ("labels", "names") else value for name, value in options.items()}


OFTEN_KILLED = ("npy shards", "npz compressed", "parquet", "save_to_disk")


@pytest.mark.filterwarnings(UNSTABLE)
@pytest.mark.parametrize(
    "kinds", [OFTEN_KILLED, pytest.param(sorted(set(WRITERS) - set(OFTEN_KILLED)), marks=pytest.mark.slow)]
)
def test_killed_at_any_write_the_import_of_every_format_goes_on_to_the_same_store(kinds, made, tmp_path, rng):
    jobs = {}
    for kind in kinds:
        options = write(kind, made, tmp_path / kind)
        jobs[kind] = config_of(tmp_path / kind / "killed", **options, seed=3)
        build(dataclasses.replace(jobs[kind], workspace=str(tmp_path / kind / "whole")))
    with dying_imports() as end_of:
        for config in jobs.values():
            ends = []
            while not ends or (ends[-1] == -signal.SIGKILL and len(ends) < 30):
                ends.append(end_of(config, rng.integers(2, 9), MOMENTS[len(ends) % 3]))
            assert ends[-1] == 0
            assert len(ends) > 1
    for kind, config in jobs.items():
        assert not list(Path(config.workspace).rglob(".*"))
        whole = dataclasses.replace(config, workspace=str(tmp_path / kind / "whole"))
        assert content(config) == content(whole)
        assert store_of(config).manifest.parts == store_of(whole).manifest.parts


@pytest.fixture
def spoilt(made):
    """Rows of which some cannot be used."""
    x, label = made.x.copy(), made.label.copy()
    x[3, 1], x[99, 0], x[250, 5] = np.nan, np.inf, 1e6
    label[400] = ""
    return Made(x, label, made.path)


@pytest.mark.filterwarnings(UNSTABLE)
@pytest.mark.parametrize("kind", WRITERS)
def test_every_row_is_stored_or_rejected_with_its_reason(kind, spoilt, tmp_path):
    config = config_of(tmp_path, **write(kind, spoilt, tmp_path / "in"), on_bad_row="reject", dtype="float16")
    manifest = build(config)
    rejected = {row["sample_id"]: row for row in store_of(config).rejected()}
    assert manifest.rows + manifest.rejected == len(spoilt.x)
    assert sorted(rejected) == [3, 99, 250, 400]
    assert [row["path"] for row in rejected.values()] == [spoilt.path[row] for row in rejected]
    reasons = [rejected[row]["reason"] for row in sorted(rejected)]
    missing = {"parquet wide": ["empty", "infinite"], "JSON lines wide": ["empty", "empty"]}  # as pandas writes them
    said = missing.get(kind, ["NaN", "infinite"])
    assert [reason.split(" is ")[-1] for reason in reasons[:2]] == said
    assert "1e+06, beyond the largest float16 (65504); --dtype float32 holds it" in reasons[2]
    assert reasons[3] == "has no label (write -1 where it is unknown)"
    with pytest.raises(InputError, match=r"row 3: .* is (NaN|empty); correct the row, or leave such rows out"):
        build(dataclasses.replace(config, on_bad_row="stop", workspace=str(tmp_path / "other")))


def test_rows_without_numbers_or_with_other_numbers_are_rejected(tmp_path):
    lists = [[1.0, 2.0], None, [3.0], [4.0, None], [5.0, 6.0]]
    pq.write_table(pa.table({"embedding": lists, "label": [0, 0, 1, 1, None]}), tmp_path / "a.parquet")
    config = config_of(tmp_path, files=(str(tmp_path / "a.parquet"),), on_bad_row="reject")
    build(config)
    assert [(row["sample_id"], row["path"], row["reason"]) for row in store_of(config).rejected()] == [
        (1, "a.parquet:1", "column 'embedding' is empty"),
        (2, "a.parquet:2", "column 'embedding' has 1 number, not 2"),
        (3, "a.parquet:3", "feature 1 of 'embedding' is empty"),
        (4, "a.parquet:4", "has no label (write -1 where it is unknown)"),
    ]


def test_a_file_that_was_written_to_is_compared_and_only_its_rows_are_made_again(made, tmp_path):
    options = write("npy", made, tmp_path / "in")
    config = config_of(tmp_path, **options)
    before = build(config)
    names = made.label.copy()
    np.save(tmp_path / "in" / "label.npy", names)
    assert build(config).parts == before.parts
    names[5] = "dog" if names[5] == "cat" else "cat"
    np.save(tmp_path / "in" / "label.npy", names)
    with pytest.raises(ConfigMismatchError, match=r"preprocessing\.labels was"):
        build(config)


def test_names_of_classes_that_the_file_tells_are_used_and_never_mixed_up(made, tmp_path):
    codes = np.searchsorted(["cat", "dog", "eel"], made.label)
    features = {"label": {"names": ["cat", "dog", "eel"], "_type": "ClassLabel"}}
    table = made.table.set_column(1, "label", pa.array(codes))
    for split, names in (("train", ["cat", "dog", "eel"]), ("test", ["eel", "dog", "cat"])):
        features["label"]["names"] = names
        about = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
        pq.write_table(table.replace_schema_metadata(about), tmp_path / f"{split}.parquet")
    config = config_of(tmp_path, files=(str(tmp_path / "train.parquet"),))
    build(config)
    assert store_of(config).class_names == ["cat", "dog", "eel"]
    with pytest.raises(InputError, match=r"numbers its labels by the classes eel, dog, cat.* and .*train by cat, dog"):
        build(dataclasses.replace(config, files=(str(tmp_path / "test.parquet"),), split="test"))


def test_what_the_library_of_datasets_saves_is_read(made, tmp_path):
    datasets = pytest.importorskip("datasets")
    columns = {"embedding": made.x.tolist(), "label": made.label.tolist(), "path": made.path.tolist()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        datasets.disable_progress_bars()
        whole = datasets.Dataset.from_dict(columns).class_encode_column("label")
        datasets.DatasetDict({"train": whole, "test": whole.select(range(9))}).save_to_disk(tmp_path / "saved")
    config = config_of(tmp_path, files=(str(tmp_path / "saved"),))
    build(config)
    sample_id, paths, labels, x, _, names, _ = content(config)
    assert names == ["cat", "dog", "eel"]
    assert [names[label] for label in labels] == made.label[sample_id].tolist()
    assert paths == made.path[sample_id].tolist()
    np.testing.assert_array_equal(x, made.x[sample_id])
    assert build(dataclasses.replace(config, split="test")).rows == 9
    with pytest.raises(InputError, match="holds the splits train, test; choose one with --split"):
        build(dataclasses.replace(config, split="val"))


@pytest.fixture
def hub_cache(made, tmp_path, monkeypatch):
    """A cache of the hub with one dataset, as a download leaves it."""
    root = tmp_path / "hub"
    repository = root / "datasets--owner--features"
    snapshot = repository / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    write("hub folder", made, snapshot.parent / "made")
    (snapshot.parent / "made" / "hub").rename(snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(snapshot.name)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(root))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return snapshot


@pytest.mark.parametrize("inside", ["", "/data", "/data/train-*.parquet"])
def test_a_dataset_of_the_hub_is_read_from_its_cache_where_the_hub_is_switched_off(inside, hub_cache, wanted, tmp_path):
    config = config_of(tmp_path, files=(f"hf://datasets/owner/features{inside}",))
    build(config)
    assert content(config)[:4] == wanted[:4]


def test_a_dataset_that_is_not_there_or_not_whole_is_refused(hub_cache, tmp_path):
    with pytest.raises(InputError, match=r"is not in the hub's cache .*hf download --repo-type dataset owner/other"):
        build(config_of(tmp_path, files=("hf://datasets/owner/other",)))
    (hub_cache / "data" / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(InputError, match=r"only 1 of the 2 files train-\*-of-00002 are there"):
        build(config_of(tmp_path, files=("hf://datasets/owner/features",)))


def test_an_address_of_the_hub_is_read_over_its_file_system(hub_cache, wanted, tmp_path, monkeypatch):
    import fsspec
    from fsspec.implementations.dirfs import DirFileSystem

    class Hub(DirFileSystem):
        protocol = "hf"

        def __init__(self):
            super().__init__(path=str(root), fs=fsspec.filesystem("file"))

    root = tmp_path / "served"
    (root / "datasets" / "owner").mkdir(parents=True)
    (root / "datasets" / "owner" / "features").symlink_to(hub_cache)
    fsspec.register_implementation("hf", Hub, clobber=True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    config = config_of(tmp_path, files=("hf://datasets/owner/features",))
    build(config)
    assert content(config)[:4] == wanted[:4]


class ConnectError(Exception):
    """What a library of the network raises."""


@pytest.mark.parametrize("moment", ["info", "open"])
def test_a_network_that_fails_is_one_sentence(moment, hub_cache, tmp_path, monkeypatch):
    import fsspec
    from fsspec.implementations.local import LocalFileSystem

    class Hub(LocalFileSystem):
        protocol, cachable = "hf", False

        def _strip_protocol(self, path):
            return str(hub_cache / path.rsplit("features", 1)[1].lstrip("/"))

        def info(self, path, **options):
            if moment == "info":
                raise ConnectError("Name or service not known")
            return super().info(path, **options)

        def open(self, path, *arguments, **options):
            raise ConnectError("Name or service not known")

    fsspec.register_implementation("hf", Hub, clobber=True)
    _filesystem.cache_clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    with pytest.raises(InputError, match=r"hf://.* cannot be read .*\(Name or service not known\); check the"):
        build(config_of(tmp_path, files=("hf://datasets/owner/features/data/train-00000-of-00002.parquet",)))
    _filesystem.cache_clear()


class Trap:
    """Unpickling it leaves a file."""

    def __init__(self, place):
        self.place = str(place)

    def __reduce__(self):
        return (Path.touch, (Path(self.place),))


def objects_in(place, name):
    trap = Trap(place / "sprung")
    if name == "x.npy":
        np.save(place / name, np.array([trap, trap], object), allow_pickle=True)
    elif name == "x.npz":
        np.savez(place / name, features=np.array([trap, trap], object))
    else:
        (place / name).write_bytes(pickle.dumps(trap))


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.pkl", "x.csv"])
def test_no_pickle_is_ever_loaded(name, tmp_path):
    objects_in(tmp_path, name)
    with pytest.raises(InputError, match=r"which could run any program when read|has no features"):
        build(config_of(tmp_path, files=(str(tmp_path / name),)))
    np.save(tmp_path / "good.npy", np.ones((2, 3)))
    if name != "x.csv":
        with pytest.raises(InputError):
            build(config_of(tmp_path, files=(str(tmp_path / "good.npy"),), labels=(str(tmp_path / name),)))
    assert not (tmp_path / "sprung").exists()


def test_a_zarr_array_of_objects_is_refused_before_it_is_opened(made, tmp_path):
    folder = tmp_path / "x.zarr"
    folder.mkdir()
    about = {"zarr_format": 2, "shape": [2], "chunks": [2], "dtype": "|O", "compressor": None, "fill_value": None}
    (folder / ".zarray").write_text(json.dumps({**about, "order": "C", "filters": [{"id": "pickle", "protocol": 4}]}))
    (folder / "0").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(InputError, match="the codec 'pickle'"):
        build(config_of(tmp_path, files=(str(folder),)))
    assert not (tmp_path / "sprung").exists()


def test_chunks_that_were_never_written_are_not_read_as_zeros(made, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", (100, 4), "f4", chunks=(10, 4))[:50] = 1
    with pytest.raises(InputError, match="has 5 of its 10 chunks"):
        build(config_of(tmp_path, files=(str(tmp_path / "x.h5"),)))
    array = zarr.create_array(tmp_path / "x.zarr", shape=(100, 4), chunks=(10, 4), dtype="f4")
    array[:50] = 1
    with pytest.raises(InputError, match="has 5 of its 10 chunks"):
        build(config_of(tmp_path, files=(str(tmp_path / "x.zarr"),)))


@pytest.mark.filterwarnings(UNSTABLE)
@pytest.mark.parametrize("version", [2, 3])
def test_chunks_that_are_cut_are_not_read_as_what_lies_behind_them(version, made, tmp_path):
    blosc = {2: numcodecs.Blosc(), 3: zarr.codecs.BloscCodec()}[version]
    options = {"chunks": (100, 6), "compressors": blosc, "zarr_format": version}
    zarr.create_array(tmp_path / "x.zarr", data=made.x, **options)
    chunk = tmp_path / "x.zarr" / {2: "1.0", 3: "c/1/0"}[version]
    config, whole = config_of(tmp_path, files=str(tmp_path / "x.zarr")), chunk.read_bytes()
    for damaged in (whole[:-1], whole[:500], whole[:20], whole + b"more"):
        chunk.write_bytes(damaged)
        with pytest.raises(InputError, match=r"bytes and says .*; it is damaged or not fully copied"):
            build(config)
    chunk.write_bytes(whole)
    assert build(config).rows == len(made.x)


def save(place, array):
    np.save(place, array)
    return place


def cut(place, ending, keep=0.6):
    content = place.read_bytes()
    place.with_name(f"cut{ending}").write_bytes(content[: int(len(content) * keep)])


JSON_MISTAKES = {
    "cut.jsonl": '{"x": [1, 2]}\n{"x": [1, 2.5]}\n\n{"x": [1,',
    "indented.jsonl": '{\n  "x": [1, 2]\n}\n',
    "two.jsonl": '{"x": [1, 2]} {"x": [1, 2]}\n{"x": [3, 4]}\n',
    "lists.jsonl": "[1, 2]\n[3, 4]\n",
    "kinds.jsonl": '{"x": [1, 2], "label": 3}\n{"x": [1, 2], "label": "cat"}\n',
    "twice.jsonl": '{"x": [1, 2], "label": 3, "label": 4}\n',
    "none.jsonl": "\n \n",
    "nothing.json": '{"model": "a"}',
    "number.json": "3",
    "cut.json": '[{"x": [1, 2]}, {"x"',
    "longer.json": '{"x": [[1, 2], [3, 4]], "labels": [1, 2, 3]}',
    "labels.json": '{"x": [[1, 2], [3, 4], [5, 6]], "labels": [1, 2]}',
    "deep.json": "[" * 100_000,
    "twice.json": '[{"x": [1, 2], "label": 3, "label": 4}]',
    "several.json": '[{"x": [1, 2], "label": 3}, {"x": [1, 2], "label": "a"}]',
    "late.jsonl": '{"x": [1, 2], "label": 3}\n' * 200_000 + '{"x": [1, 2], "label": "cat"}\n',
    "words.json": '[{"x": ["1", "2"]}]',
}


@pytest.fixture
def malformed(made, tmp_path):
    """Files with a mistake, by name."""
    np.save(tmp_path / "x.npy", made.x)
    cut(tmp_path / "x.npy", ".npy")
    np.save(tmp_path / "three.npy", made.x[:, None])
    np.save(tmp_path / "one.npy", made.x[:, 0])
    np.save(tmp_path / "none.npy", made.x[:0])
    np.save(tmp_path / "narrow.npy", made.x[:, :0])
    np.save(tmp_path / "texts.npy", np.array([["1", "2"], ["3", "4"]]))
    np.save(tmp_path / "complex.npy", made.x.astype(complex))
    np.save(tmp_path / "single.npy", np.float32(3))
    np.save(tmp_path / "fields.npy", np.zeros(3, [("a", "f4"), ("b", "i4")]))
    np.save(tmp_path / "other.npy", made.x[:, :5])
    np.save(tmp_path / "long.npy", [*made.label.tolist(), "cat"])
    np.save(tmp_path / "square.npy", made.x[:, :2])
    (tmp_path / "twice.npy").write_bytes(2 * (tmp_path / "x.npy").read_bytes())
    (tmp_path / "text.npy").write_text("a,b\n1,2\n")
    (tmp_path / "empty.npy").touch()
    (tmp_path / "empty.parquet").touch()
    np.savez(tmp_path / "x.npz", a=made.x, b=made.x)
    np.savez(tmp_path / "nothing.npz")
    held = {
        "tables": ["x/a.csv", "x/b.csv", "__MACOSX/x/._a.csv"],
        "images": ["a.jpg", "b.jpg", "l.csv"],
        "odd": ["README"],
    }
    for name, files in held.items():
        with ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            for file in files:
                archive.writestr(file, "f0,f1\n1,2\n")
    cut(tmp_path / "x.npz", ".npz")
    pq.write_table(made.table, tmp_path / "x.parquet")
    cut(tmp_path / "x.parquet", ".parquet")
    pq.write_table(pa.table({"embedding": [["1"], ["2"]]}), tmp_path / "texts.parquet")
    pq.write_table(pa.table({"embedding": [[[1.0]], [[2.0]]]}), tmp_path / "nested.parquet")
    pq.write_table(made.table.slice(0, 0), tmp_path / "none.parquet")
    twice = pa.table([made.table["embedding"], made.table["label"], made.table["label"]], names=["e", "label", "label"])
    pq.write_table(twice, tmp_path / "twice.parquet")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = made.x
    cut(tmp_path / "x.h5", ".h5")
    with h5py.File(tmp_path / "nothing.h5", "w"):
        pass
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["x"] = h5py.ExternalLink("x.h5", "/x")
    for name, text in JSON_MISTAKES.items():
        (tmp_path / name).write_text(text)
    saved_to_disk(made, tmp_path / "chosen", _indices_data_files=[{"filename": "indices.arrow"}])
    saved_to_disk(made, tmp_path / "outside", _data_files=[{"filename": "../x.arrow"}])
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"files": ["cut.npy"]}, r"cut\.npy has .* bytes, and its header speaks of"),
        ({"files": ["three.npy"]}, r"three\.npy has no features: it is an array of float32 of shape \(600, 1, 6\)"),
        ({"files": ["one.npy"]}, r"one\.npy has no features: it is an array of float32 of shape \(600,\)"),
        ({"files": ["none.npy"]}, "holds no row"),
        ({"files": ["narrow.npy"]}, "has 0 features in a row"),
        ({"files": ["texts.npy"]}, "has no features: it is an array of <U1"),
        ({"files": ["complex.npy"]}, "has no features: it is an array of complex128"),
        ({"files": ["single.npy"]}, "holds a single value"),
        ({"files": ["fields.npy"]}, "has no features"),
        ({"files": ["twice.npy"]}, "goes on for .* bytes behind its array"),
        ({"files": ["text.npy"]}, r"is called \.npy and begins with b'a,b"),
        ({"files": ["empty.npy"]}, r"is called \.npy and begins with b''"),
        ({"files": ["empty.parquet"]}, r"is called \.parquet and begins with b''"),
        ({"files": ["x.npy", "other.npy"]}, r"other\.npy has 5 features and .*x\.npy 6"),
        ({"files": ["x.npy", "x.parquet"]}, "several formats, npy and parquet"),
        ({"files": ["x.npy"], "labels": ["long.npy"]}, r"long\.npy holds 601 labels and .*x\.npy 600 rows"),
        ({"files": ["x.npy"], "names": ["long.npy"]}, r"long\.npy holds 601 names and .*x\.npy 600 rows"),
        ({"files": ["x.npy"], "labels": ["square.npy"]}, "row 0: has no label: its vector is not a 1 among zeros"),
        ({"files": ["x.npy"], "labels": ["empty.npy"]}, "is empty"),
        ({"files": ["x.npy"], "label_column": "label"}, "no column named 'label'"),
        ({"files": ["x.npy"], "delimiter": ";"}, "--no-header and --delimiter are for CSV files"),
        ({"files": ["x.npz"]}, r"several columns of vectors \(a, b\); say with --feature-columns"),
        ({"files": ["x.npz"], "feature_columns": ("c",)}, "no column named 'c'"),
        ({"files": ["nothing.npz"]}, r"is an archive without a file|begins with b'PK"),
        (
            {"files": ["tables.zip"]},
            r"archive of 2 csv files, such as x/a\.csv, .* `gapscope import-features \"FOLDER/\*\.csv\"`",
        ),
        (
            {"files": ["images.zip"]},
            r"archive of 2 jpg files, such as a\.jpg, .* with `gapscope extract .*images\.zip`",
        ),
        ({"files": ["odd.zip"]}, r"archive of 1 file, such as README, and holds no NumPy array; a feature file has"),
        ({"files": ["cut.npz"]}, r"cut\.npz cannot be read as a NumPy archive"),
        ({"files": ["cut.parquet"]}, r"cut\.parquet cannot be read as Parquet"),
        ({"files": ["texts.parquet"]}, "has no features: embedding is list<"),
        ({"files": ["nested.parquet"]}, "has no features: embedding is list<"),
        ({"files": ["none.parquet"]}, "has 0 features|holds no row"),
        ({"files": ["twice.parquet"]}, "column 'label' of .* is there twice"),
        ({"files": ["cut.h5"]}, r"cut\.h5 cannot be read as HDF5"),
        ({"files": ["nothing.h5"]}, "holds no dataset"),
        ({"files": ["link.h5"]}, "holds no dataset"),
        ({"files": ["chosen"]}, "rows that are chosen by indices; call flatten_indices"),
        ({"files": ["outside"]}, r"names the file '\.\./x\.arrow', which does not lie in the folder itself"),
        ({"files": ["folder"]}, r"is a folder that is none of .*name its files"),
        ({"files": ["missing.npy"]}, "check the path"),
        ({"files": ["cut.jsonl"]}, r"cut\.jsonl, row 2: no JSON \(.*\); write one object on each line"),
        ({"files": ["indented.jsonl"]}, r"indented\.jsonl, row 0: no JSON .* write one object on each line"),
        ({"files": ["two.jsonl"]}, r"two\.jsonl, row 0: no JSON \(Extra data.*\); write one object on each line"),
        ({"files": ["lists.jsonl"]}, r"lists\.jsonl, row 0: list where an object with its fields is expected"),
        ({"files": ["kinds.jsonl"]}, r"row 1 of .*kinds\.jsonl has values of several kinds as 'label'"),
        ({"files": ["twice.jsonl"]}, r"twice\.jsonl, row 0: an object has 'label' twice"),
        ({"files": ["twice.json"]}, r"an object has 'label' twice"),
        ({"files": ["several.json"]}, r"several\.json has values of several kinds as 'label'"),
        ({"files": ["late.jsonl"]}, r"late\.jsonl has values of several kinds as 'label'"),
        ({"files": ["none.jsonl"]}, "holds no row"),
        ({"files": ["nothing.json"]}, r"holds no rows; wanted is a list of objects"),
        ({"files": ["number.json"]}, r"holds no rows; wanted is a list of objects"),
        ({"files": ["cut.json"]}, r"cut\.json cannot be read as JSON"),
        ({"files": ["longer.json"]}, r"'labels' of .* has 3 rows where the features have 2"),
        ({"files": ["labels.json"]}, r"'labels' of .* has 2 rows where the features have 3"),
        ({"files": ["deep.json"]}, r"cannot be read as JSON"),
        ({"files": ["words.json"]}, "has no features: x is list<"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(options, sentence, malformed):
    named = {
        name: tuple(str(malformed / file) for file in value) if name in ("files", "labels", "names") else value
        for name, value in options.items()
    }
    with pytest.raises(GapscopeError, match=sentence):
        build(config_of(malformed / "workspace", **named))


@pytest.mark.parametrize(
    ("library", "name"), [("h5py", "x.h5"), ("zarr", "x.zarr")], ids=["HDF5 without h5py", "Zarr without zarr"]
)
def test_a_library_that_is_not_installed_is_named_with_its_extra(library, name, made, tmp_path, monkeypatch):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = made.x
    zarr.create_array(tmp_path / "x.zarr", data=made.x)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=r'pip install "gapscope\[formats\]"'):
        build(config_of(tmp_path, files=(str(tmp_path / name),)))


def test_features_are_called_features_and_those_of_text_csv(made, tmp_path):
    np.save(tmp_path / "x.npy", made.x)
    made.frame.to_csv(tmp_path / "x.csv", index=False)
    for name, backbone in (("x.npy", "features"), ("x.csv", "csv")):
        build(config_of(tmp_path, files=str(tmp_path / name), backbone=""))
        assert (tmp_path / "embeddings" / backbone / "d" / "train" / "manifest.json").exists()


def test_whole_numbers_and_booleans_are_features_as_well(tmp_path):
    x = np.array([[1, 0], [2**53 + 1, 1], [7, 1]])
    for kind in ("int64", "uint8", "bool", "float16"):
        np.save(tmp_path / f"{kind}.npy", np.clip(x, 0, 200).astype(kind))
        config = config_of(tmp_path, files=(str(tmp_path / f"{kind}.npy"),), split=kind)
        build(config)
        sample_id, _, _, found, *_ = content(config)
        np.testing.assert_array_equal(found, np.clip(x, 0, 200).astype(kind).astype(np.float32)[sample_id])


def test_columns_are_chosen_by_name(made, tmp_path):
    frame = made.frame.assign(extra=1.5, target2=made.label)
    frame.to_parquet(tmp_path / "x.parquet")
    options = {"files": (str(tmp_path / "x.parquet"),), "feature_columns": ("f3", "extra", "f0")}
    config = config_of(tmp_path, **options, label_column="target2", path_column="path")
    build(config)
    sample_id, _, labels, x, *_ = content(config)
    np.testing.assert_array_equal(x, frame[["f3", "extra", "f0"]].to_numpy(np.float32)[sample_id])
    assert [["cat", "dog", "eel"][label] for label in labels] == made.label[sample_id].tolist()
    with pytest.raises(InputError, match=r"column 'path' of .* holds (large_)?string; features are one column"):
        build(dataclasses.replace(config, feature_columns=("f3", "path"), split="other"))


@pytest.mark.parametrize("kind", ["parquet", "feather", "npz", "hdf5", "frame"])
def test_further_columns_are_kept_row_for_row(kind, made, tmp_path):
    hour, site = np.arange(len(made.x)) % 24, np.array([f"site {row % 3}" for row in range(len(made.x))])
    frame, place = made.frame.assign(hour=hour, site=site), tmp_path / f"rows.{kind}"
    if kind == "parquet":
        frame.to_parquet(place)
    elif kind == "feather":
        frame.to_feather(place)
    elif kind == "npz":
        np.savez(tmp_path / "rows", x=made.x, label=made.label, path=made.path, hour=hour, site=site)
    elif kind == "hdf5":
        with h5py.File(place, "w") as file:
            file["x"], file["hour"] = made.x, hour
            for name, texts in (("label", made.label), ("path", made.path), ("site", site)):
                file[name] = texts.astype("S")
    config = config_of(tmp_path, files=frame if kind == "frame" else str(place), keep=("all",))
    build(config)
    store = store_of(config)
    known, sample_id = beside(store), store.sample_ids()
    assert known["hour"].to_pylist() == hour[sample_id].tolist()
    assert known["site"].to_pylist() == site[sample_id].tolist()


def test_texts_that_are_no_texts_are_rejected(tmp_path):
    x, codes = np.ones((3, 2), np.float32), np.array([[99, 97, 116], [0xD800, 97, 97], [0x7FFFFFFF, 1, 1]], np.uint32)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "label.npy", codes.view("<U3").reshape(-1))
    np.save(tmp_path / "name.npy", np.array([b"a.png", b"b.png", b"\xff"]))
    options = {
        name: (str(tmp_path / f"{file}.npy"),)
        for name, file in (("files", "x"), ("labels", "label"), ("names", "name"))
    }
    config = config_of(tmp_path, **options, on_bad_row="reject")
    build(config)
    assert store_of(config).class_names == ["cat"]
    assert [row["reason"] for row in store_of(config).rejected()] == 2 * ["the label is no text"]
    for form, bad in ((pa.string(), b"\xff"), (pa.large_string(), b"\xc3")):
        column = pa.array([b"cat", bad], pa.large_binary() if form == pa.large_string() else pa.binary()).view(form)
        pq.write_table(pa.table({"embedding": [[1.0], [2.0]], "label": column}), tmp_path / "x.parquet")
        config = config_of(tmp_path, files=str(tmp_path / "x.parquet"), split=str(form), on_bad_row="reject")
        build(config)
        assert [row["reason"] for row in store_of(config).rejected()] == ["the label is not UTF-8"]


@pytest.mark.parametrize("form", ["npy", "npz", "parquet", "csv"])
def test_numbers_below_the_smallest_that_are_stored_are_counted_where_a_feature_is_spoilt(form, tmp_path, rng):
    x = rng.standard_normal((300, 4))
    x[:, 1] *= 1e-50
    x[:200, 2] *= 1e-320
    x[0, 3] = 1e-60
    label = np.arange(300) % 2
    names = [f"f{i}" for i in range(4)]
    table = pa.table({**{name: x[:, i] for i, name in enumerate(names)}, "label": label})
    files = {"npy": tmp_path / "x.npy", "npz": tmp_path / "x.npz"}.get(form, tmp_path / f"x.{form}")
    if form == "npy":
        np.save(files, x)
    elif form == "npz":
        np.savez(files, x=x, label=label)
    elif form == "parquet":
        pq.write_table(table, files)
    else:
        table.to_pandas().to_csv(files, index=False)
    done = gapscope.import_features(files, dataset="d", dtype="float32", workspace=tmp_path)
    assert "500 numbers of 2 features are smaller than any of float32" in done.blocks[-1].text
    assert open_store(Location.of(done.run)).manifest.vanished == [500, 2]
    whole = (
        gapscope.import_features(files, dataset="e", feature_columns=names[:1], workspace=tmp_path)
        if form in ("parquet", "csv")
        else None
    )
    assert whole is None or not any("became 0" in getattr(block, "text", "") for block in whole.blocks)

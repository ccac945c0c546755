"""A second import: what it makes again of a store that was damaged, and what it notices of files that were edited."""

import os
import shutil

import numpy as np
import pytest
import xxhash

from gapscope.core.errors import BusyError, ConfigMismatchError, InputError
from gapscope.core.lease import Lease
from gapscope.core.location import Location
from gapscope.jobs.import_features import ImportFeaturesConfig, build
from gapscope.store import open_store
from gapscope.store.read import read_part
from gapscope.store.write import part_files


@pytest.fixture
def table(tmp_path, rng):
    """A CSV file of 300 rows, one of them bad."""
    lines = [",".join(f"{x:.4f}" for x in row) for row in rng.standard_normal((300, 4))]
    lines[7] = lines[7].replace(lines[7].split(",")[0], "n/a", 1)
    text = "".join(f"{'cat' if row % 3 else 'dog'},{line}\n" for row, line in enumerate(lines))
    (tmp_path / "a.csv").write_text("label,f0,f1,f2,f3\n" + text)
    return tmp_path / "a.csv"


def imported(table, workspace, **options):
    defaults = {"dataset": "d", "on_bad_row": "reject", "part_rows": 100}
    return build(ImportFeaturesConfig((str(table),), workspace=str(workspace), **(defaults | options)))


def folder_of(workspace):
    return workspace / "embeddings" / "csv" / "d" / "train"


def content_of(workspace):
    store = open_store(Location.of(folder_of(workspace)))
    return [column.tolist() for column in store.view().read() if column is not None], store.rejected()


def test_every_row_keeps_the_digest_of_its_text(table, tmp_path):
    imported(table, tmp_path / "w")
    folder = Location.of(folder_of(tmp_path / "w"))
    lines = table.read_bytes().splitlines()[1:]
    for part in part_files(folder, open_store(folder).manifest):
        rows = read_part(part, ["sample_id", "digest"]).to_pydict()
        wanted = [xxhash.xxh64_intdigest(lines[row]) for row in rows["sample_id"]]
        assert rows["digest"] == wanted
    (bad,) = open_store(folder).rejected()
    assert bad["digest"] == xxhash.xxh64_intdigest(lines[7])


@pytest.mark.parametrize("damage", ["deleted", "emptied", "cut", "swapped", "rejected deleted", "rejected cut"])
def test_the_same_command_makes_what_is_damaged_again(damage, table, tmp_path):
    workspace = tmp_path / "w"
    imported(table, workspace)
    whole = content_of(workspace)
    part, rejected = folder_of(workspace) / "part-00001.parquet", folder_of(workspace) / "rejected.parquet"
    before = {path: path.stat().st_mtime_ns for path in folder_of(workspace).glob("part-*")}
    if damage == "deleted":
        part.unlink()
    elif damage == "emptied":
        part.write_bytes(b"")
    elif damage == "cut":
        part.write_bytes(part.read_bytes()[:-50])
    elif damage == "swapped":
        shutil.copy(folder_of(workspace) / "part-00002.parquet", part)
    elif damage == "rejected deleted":
        rejected.unlink()
    else:
        rejected.write_bytes(rejected.read_bytes()[:-50])
    with pytest.raises(InputError, match=r"(part-00001|rejected)\.parquet is damaged"):
        content_of(workspace)
    imported(table, workspace)
    assert content_of(workspace) == whole
    after = {path: path.stat().st_mtime_ns for path in folder_of(workspace).glob("part-*")}
    assert {path.name for path in before if before[path] != after[path]} <= {"part-00001.parquet"}
    assert not (folder_of(workspace) / ".import").exists()


def test_a_file_that_was_edited_where_no_sample_looks_is_compared_row_by_row(table, tmp_path):
    big = tmp_path / "big.csv"
    head, rows = table.read_bytes().split(b"\n", 1)
    text = bytearray(head + b"\n" + rows.replace(b"n/a", b"1.5") * 400)
    big.write_bytes(text)
    workspace = tmp_path / "w"
    imported(big, workspace, part_rows=20_000)
    place = text.index(b"\n", len(text) // 30) - 1  # between the first two samples
    text[place : place + 1] = b"7" if text[place : place + 1] != b"7" else b"8"
    big.write_bytes(text)
    imported(big, workspace, part_rows=20_000)
    changed = content_of(workspace)
    shutil.rmtree(workspace)
    imported(big, workspace, part_rows=20_000)
    assert content_of(workspace) == changed


def test_a_file_that_was_only_touched_leaves_the_store_as_it_is(table, tmp_path):
    workspace = tmp_path / "w"
    imported(table, workspace)
    before = {path.name: path.read_bytes() for path in folder_of(workspace).glob("part-*")}
    os.utime(table, (1, 1))
    imported(table, workspace)
    assert {path.name: path.read_bytes() for path in folder_of(workspace).glob("part-*")} == before


def test_another_file_of_the_same_name_is_refused(table, tmp_path):
    imported(table, tmp_path / "w")
    other = tmp_path / "other" / "a.csv"
    other.parent.mkdir()
    other.write_text(table.read_text().replace("cat", "cow"))
    with pytest.raises(ConfigMismatchError, match="made with another configuration"):
        imported(other, tmp_path / "w")


def test_features_that_float16_would_lose_are_stored_as_float32(tmp_path, rng):
    values = rng.standard_normal((100, 3)) * 1e-9
    text = "".join(",".join(map(repr, row.tolist())) + "\n" for row in values)
    (tmp_path / "a.csv").write_text("f0,f1,f2\n" + text)
    manifest = imported(tmp_path / "a.csv", tmp_path / "w")
    assert (manifest.provenance.dtype, manifest.underflows) == ("float32", True)
    chunk = open_store(Location.of(folder_of(tmp_path / "w"))).view().read()
    np.testing.assert_array_equal(chunk.x, values.astype(np.float32)[chunk.sample_id])
    assert imported(tmp_path / "a.csv", tmp_path / "w") == manifest


@pytest.mark.parametrize(
    ("level", "spread", "dtype"),
    [(1000, 0.01, "float32"), (1000, 1, "float32"), (1000, 200, "float16"), (0, 1, "float16"), (5, 0, "float16")],
)
def test_features_that_vary_less_than_the_steps_of_float16_are_stored_as_float32(level, spread, dtype, tmp_path, rng):
    values = level + spread * rng.standard_normal((100, 2)).astype(np.float32)
    (tmp_path / "a.csv").write_text("f0,f1\n" + "".join(f"{a!r},{b!r}\n" for a, b in values.tolist()))
    manifest = imported(tmp_path / "a.csv", tmp_path / "w")
    assert manifest.provenance.dtype == dtype
    x = open_store(Location.of(folder_of(tmp_path / "w"))).view().read().x
    lost = np.abs(np.sort(x[:, 0]) - np.sort(values[:, 0])).max()
    assert lost <= 0.05 * spread


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_features_of_usual_size_are_stored_as_float16(scale, tmp_path, rng):
    values = np.maximum(rng.standard_normal((300, 8)) * scale, 0)
    text = "".join(",".join(map(repr, row.tolist())) + "\n" for row in values)
    (tmp_path / "a.csv").write_text(",".join(f"f{i}" for i in range(8)) + "\n" + text)
    assert imported(tmp_path / "a.csv", tmp_path / "w").provenance.dtype == "float16"


def test_a_second_import_into_the_same_store_is_told_who_works_on_it(table, tmp_path):
    with Lease(Location.of(folder_of(tmp_path / "w"))), pytest.raises(BusyError, match="is being worked on"):
        imported(table, tmp_path / "w")

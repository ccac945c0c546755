"""Importing CSV keeps every row once, in an order that only the seed decides, whenever the import is killed."""

import dataclasses
import gzip
import os
import re
import signal

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pytest
import xxhash
import zstandard
from dying_imports import MOMENTS, dying_imports

from gapscope.core.errors import ConfigMismatchError, DamageError, InputError
from gapscope.core.location import Location
from gapscope.core.progress import SILENT
from gapscope.jobs.import_features import ImportFeaturesConfig, build, plan, run
from gapscope.store import open_store
from gapscope.store.csv import source
from gapscope.store.imports import build as building
from gapscope.store.imports import import_rows, parts, segment, spill
from gapscope.store.imports.shuffle import BUCKETS, buckets_of, order_of, parts_of


def frame_of(rng, rows, dim=5, classes=("cat", "dog", "eel")):
    frame = pd.DataFrame(rng.standard_normal((rows, dim)).astype(np.float32), columns=[f"f{i}" for i in range(dim)])
    frame["label"] = rng.choice(classes, rows)
    frame["path"] = [f"a,{i}/«{i}»\n.png" if i % 3 else f"{i}.png" for i in range(rows)]
    return frame


def config_of(tmp_path, *files, **options):
    return ImportFeaturesConfig(
        **{"files": tuple(map(str, files)), "dataset": "d", "part_rows": 100, "workspace": str(tmp_path / "ws")}
        | options
    )


def store_of(config):
    return open_store(
        Location(f"{config.workspace}/embeddings/{config.backbone or 'csv'}/{config.dataset}/{config.split}")
    )


def rows_of(config):
    """The store's rows in store order: number, path, label, vector."""
    build(config)
    store = store_of(config)
    chunk = store.view().read()
    return chunk.sample_id, store.paths(store.view().pieces(store.rows)[0]), chunk.y, chunk.x


@pytest.mark.parametrize(
    ("labels", "said"), [([1, 2, 3], "1 of the 4 classes"), ([0, 1, 255], "253 of the 256 classes"), ([0, 1, -1], "")]
)
def test_class_numbers_that_no_row_has_are_said(tmp_path, rng, labels, said, monkeypatch):
    table = frame_of(rng, 30).assign(label=np.resize(labels, 30))
    table.to_csv(tmp_path / "numbers.csv", index=False)
    lines = []
    monkeypatch.setattr(type(SILENT), "say", lambda _, line: lines.append(line))
    run(config_of(tmp_path, tmp_path / "numbers.csv"))
    found = [line for line in lines if "no row: " in line]
    assert len(found) == bool(said)
    assert all(line.startswith(said) and "write -1" in line for line in found)


def import_blocks(config, block_bytes):
    """Import CSV files in blocks of so many bytes."""
    job = plan(config)
    import_rows(dataclasses.replace(job, source=dataclasses.replace(job.source, block_bytes=block_bytes)))


def assert_equal_rows(one, other):
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.fixture
def table(tmp_path, rng):
    frame = frame_of(rng, 1000)
    frame.to_csv(tmp_path / "a.csv", index=False)
    return frame


def test_every_row_arrives_once_with_its_own_label_path_and_vector(tmp_path, table):
    sample_id, paths, labels, x = rows_of(config_of(tmp_path, tmp_path / "a.csv"))
    assert sorted(sample_id.tolist()) == list(range(1000))
    assert paths == table["path"][sample_id].tolist()
    assert [["cat", "dog", "eel"][label] for label in labels] == table["label"][sample_id].tolist()
    np.testing.assert_array_equal(x, table.iloc[sample_id, :5].to_numpy().astype(np.float16).astype(np.float32))


def test_the_manifest_accounts_for_the_rows_and_the_time(tmp_path, table):
    manifest = build(config_of(tmp_path, tmp_path / "a.csv"))
    assert (manifest.complete, manifest.rows, manifest.rejected) == (True, 1000, 0)
    assert len(manifest.parts) == 10
    assert manifest.provenance.class_names == ["cat", "dog", "eel"]
    assert manifest.provenance.fingerprint.count == 1000
    assert {"reading", "parsing", "writing"} <= set(manifest.seconds)
    assert not (tmp_path / "ws/embeddings/csv/d/train/.import").exists()


@pytest.mark.parametrize("block_bytes", [64, 1000, 2**20])
@pytest.mark.parametrize("segment_rows", [1, 170, 10**6])
def test_order_does_not_depend_on_blocks_segments_or_threads(tmp_path, table, monkeypatch, block_bytes, segment_rows):
    wanted = rows_of(config_of(tmp_path, tmp_path / "a.csv"))
    monkeypatch.setattr(segment, "SEGMENT_ROWS", max(segment_rows, block_bytes // 64))
    monkeypatch.setattr(spill, "processors", lambda: 1 + segment_rows % 4)
    config = config_of(tmp_path, tmp_path / "a.csv", workspace=str(tmp_path / "other"))
    import_blocks(config, block_bytes)
    assert_equal_rows(rows_of(config), wanted)


def test_another_seed_gives_another_order_of_the_same_rows(tmp_path, table):
    one = rows_of(config_of(tmp_path, tmp_path / "a.csv"))[0]
    other = rows_of(config_of(tmp_path, tmp_path / "a.csv", seed=1, split="again"))[0]
    assert sorted(one) == sorted(other)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("name", ["a-1.csv", "a-1.csv.gz", "a-1.csv.zst"])
def test_several_files_and_compressed_ones_are_one_table(tmp_path, table, name):
    pack = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress}.get(name.rsplit(".", 1)[-1], bytes)
    for number, start in enumerate(range(0, 1000, 250), 8):
        text = table.iloc[start : start + 250, :: -1 if number == 9 else 1].to_csv(
            index=False, sep=";" if number == 10 else ","
        )
        (tmp_path / name.replace("1", str(number))).write_bytes(pack(text.encode()))
    wanted = rows_of(config_of(tmp_path, tmp_path / "a.csv"))
    assert_equal_rows(rows_of(config_of(tmp_path, tmp_path / name.replace("1", "*"), split="packed")), wanted)


def test_other_programs_read_the_parts(tmp_path, table):
    build(config_of(tmp_path, tmp_path / "a.csv"))
    folder = tmp_path / "ws/embeddings/csv/d/train"
    places = str(folder / "part-*.parquet")
    wanted = table["f0"].to_numpy(np.float16).sum(dtype=np.float64)
    by_polars = pl.read_parquet(places)
    by_pandas = pd.concat(map(pd.read_parquet, sorted(folder.glob("part-*.parquet"))))
    by_arrow = ds.dataset(sorted(map(str, folder.glob("part-*.parquet")))).to_table()
    assert duckdb.sql(f"SELECT count(*), sum(embedding[1]) FROM '{places}'").fetchall()[0] == (
        1000,
        pytest.approx(wanted, abs=1e-3),
    )
    assert by_polars["embedding"].arr.get(0).cast(pl.Float64).sum() == pytest.approx(wanted)
    assert sum(float(x[0]) for x in by_pandas["embedding"]) == pytest.approx(wanted)
    assert by_arrow["path"].to_pylist() == by_polars["path"].to_list() == by_pandas["path"].tolist()


# Shuffling.


def test_buckets_belong_to_row_numbers_and_are_even():
    whole = buckets_of(3, 0, 200_000)
    np.testing.assert_array_equal(
        np.concatenate([buckets_of(3, 0, 1), buckets_of(3, 1, 70_000), buckets_of(3, 70_000, 200_000)]), whole
    )
    counts = np.bincount(whole, minlength=BUCKETS)
    chi_square = ((counts - counts.mean()) ** 2).sum() / counts.mean()
    assert abs(chi_square - (BUCKETS - 1)) < 6 * np.sqrt(
        2 * BUCKETS
    )  # mean and deviation of chi-square; six deviations


def test_parts_cover_all_buckets_and_none_is_empty(rng):
    for rows in (1, 2, 50, 5000):
        counts = np.bincount(rng.integers(0, 64, rows), minlength=64)
        parts = parts_of(counts, 7)
        assert [low for low, _ in parts] == [0, *(high for _, high in parts[:-1])]
        assert parts[-1][1] == 64
        assert all(counts[low:high].sum() for low, high in parts)


def test_the_order_within_a_part_belongs_to_the_rows_not_to_how_they_were_found(rng):
    found = rng.permutation(50)
    np.testing.assert_array_equal(found[order_of(0, 2, found)], np.arange(50)[order_of(0, 2, np.arange(50))])


def test_every_row_is_equally_likely_everywhere(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("f0,f1\n" + "".join(f"{i},{i}\n" for i in range(6)))
    places = np.zeros((6, 6))
    for seed in range(120):
        found = rows_of(config_of(tmp_path, tmp_path / "a.csv", seed=seed, split=f"s{seed}", part_rows=2))[0]
        places[found, np.arange(6)] += 1
    assert ((places - 20) ** 2 / 20).sum() < 25 + 6 * np.sqrt(50)  # chi-square with 25 degrees of freedom


# Killing and continuing.


@pytest.fixture
def large(tmp_path, rng):
    frame_of(rng, 2000, 40).to_csv(tmp_path / "a.csv.gz", index=False)
    return config_of(tmp_path, tmp_path / "a.csv.gz", part_rows=300)


def assert_the_same_store(config, tmp_path):
    """The store of an import that was killed has the rows of one that was not."""
    assert_equal_rows(rows_of(config), rows_of(dataclasses.replace(config, workspace=str(tmp_path / "whole"))))


def test_killed_at_any_write_an_import_goes_on_to_the_same_store(tmp_path, large, rng):
    with dying_imports() as end_of:
        for attempt in range(40):
            end = end_of(large, rng.integers(1, 4), MOMENTS[attempt % 3])
            if end == 0:
                break
            assert end == -signal.SIGKILL
    assert end == 0
    assert attempt > 3
    assert not list((tmp_path / "ws").rglob(".*"))
    assert_the_same_store(large, tmp_path)


def test_killed_from_outside_at_random_times_too(tmp_path, large, rng):
    with dying_imports() as end_of:
        for _ in range(5):
            assert end_of(large, seconds=rng.uniform(0.02, 0.6)) in (0, -signal.SIGKILL)
    assert_the_same_store(large, tmp_path)


class Interrupted(Exception):
    pass


def stop_at(monkeypatch, module, function):
    def interrupted(*_, **__):
        raise Interrupted

    monkeypatch.setattr(module, function, interrupted)


def interrupt(config, monkeypatch, function="write_parts"):
    with monkeypatch.context() as patch:
        stop_at(patch, building, function)
        with pytest.raises(Interrupted):
            build(config)


def test_what_was_parsed_is_not_parsed_again(tmp_path, table, monkeypatch):
    config = config_of(tmp_path, tmp_path / "a.csv")
    interrupt(config, monkeypatch)
    stop_at(monkeypatch, source, "parse_block")
    assert build(config).rows == 1000


def test_a_file_that_changed_in_between_is_refused(tmp_path, table, monkeypatch):
    config = config_of(tmp_path, tmp_path / "a.csv")
    interrupt(config, monkeypatch)
    text = (tmp_path / "a.csv").read_text()
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ConfigMismatchError, match=r"a file was written to in between.*delete .*train to start anew"):
        build(config)
    (tmp_path / "a.csv").write_text(text + text.splitlines()[1].replace("1", "2") + "\n")
    with pytest.raises(ConfigMismatchError, match=r"preprocessing\.files was"):
        build(config)


def test_a_finished_import_is_left_alone_and_another_configuration_is_refused(tmp_path, table, monkeypatch):
    config = config_of(tmp_path, tmp_path / "a.csv")
    manifest = build(config)
    stop_at(monkeypatch, source, "read_blocks")
    assert build(config) == manifest
    with pytest.raises(ConfigMismatchError, match="seed was 0, now 1"):
        build(dataclasses.replace(config, seed=1))
    with pytest.raises(ConfigMismatchError, match="dtype was 'float16', now 'float32'"):
        build(dataclasses.replace(config, dtype="float32"))


def test_before_the_first_part_changed_input_and_options_start_anew(tmp_path, table, monkeypatch):
    config = config_of(tmp_path, tmp_path / "a.csv")
    interrupt(config, monkeypatch, "fingerprint_of")
    (tmp_path / "a.csv").write_text("f0,f1,label\n1,2,cat\n3,x,dog\n")
    with pytest.raises(InputError, match="line 3"):
        build(config)
    assert build(dataclasses.replace(config, on_bad_row="reject")).rows == 1


def test_another_configuration_is_refused_before_the_first_part_is_whole(tmp_path, table, monkeypatch):
    config = config_of(tmp_path, tmp_path / "a.csv")
    interrupt(config, monkeypatch)
    with pytest.raises(ConfigMismatchError, match="part_rows was 100, now 7"):
        build(dataclasses.replace(config, part_rows=7))


# Labels.


def labelled(tmp_path, labels, name="a.csv", **options):
    (tmp_path / name).write_text("f0,f1,label\n" + "".join(f"{i},{i}.5,{label}\n" for i, label in enumerate(labels)))
    return config_of(tmp_path, tmp_path / name, **options)


def labels_of(config):
    sample_id, _, labels, _ = rows_of(config)
    return labels[np.argsort(sample_id)].tolist(), store_of(config).class_names


def test_whole_numbers_are_class_indices_and_names_are_sorted(tmp_path):
    assert labels_of(labelled(tmp_path, ["2", "0.0", "-1", " 2 "])) == ([2, 0, -1, 2], ["0", "1", "2"])
    assert labels_of(labelled(tmp_path, ["eel", "cat", "-1", '"eel"'], dataset="e")) == ([1, 0, -1, 1], ["cat", "eel"])


def test_without_a_label_column_labels_are_unknown_and_rows_are_called_by_number(tmp_path):
    (tmp_path / "a.csv").write_text("f0,f1\n1,2\n3,4\n")
    sample_id, paths, labels, _ = rows_of(config_of(tmp_path, tmp_path / "a.csv"))
    assert labels.tolist() == [-1, -1]
    assert paths == [f"row {number}" for number in sample_id]


@pytest.mark.parametrize("labels", [["0 cat", "1 dog"], ["cat", "dog"]])
def test_labels_may_be_the_lines_of_a_class_list_or_the_names_in_them(tmp_path, labels):
    (tmp_path / "classes.txt").write_text("0 cat\n1 dog\n2 eel\n")
    config = dataclasses.replace(labelled(tmp_path, labels), classes=str(tmp_path / "classes.txt"))
    indices, names = labels_of(config)
    assert (indices, names[:2], len(names)) == ([0, 1], labels, 3)


def test_another_split_and_a_companion_share_the_class_map(tmp_path):
    build(labelled(tmp_path, ["cat", "dog", "eel"]))
    names = ["cat", "dog", "eel"]
    assert labels_of(labelled(tmp_path, ["eel", "dog"], "b.csv", split="val")) == ([2, 1], names)
    assert labels_of(labelled(tmp_path, ["eel", "1"][:1], "c.csv", dataset="e", companion_of="d")) == ([2], names)


def test_names_that_another_split_does_not_have_are_refused_and_a_file_of_classes_helps(tmp_path):
    build(labelled(tmp_path, ["cat", "dog"]))
    config = labelled(tmp_path, ["dog", "gnu", "emu"], "b.csv", split="val")
    with pytest.raises(
        InputError, match=r"2 class names are not among the 2 of .*train: 'emu', 'gnu'; .*--classes FILE"
    ):
        build(config)
    (tmp_path / "classes.txt").write_text("gnu\ndog\nemu\n")
    config = dataclasses.replace(config, classes=str(tmp_path / "classes.txt"), workspace=str(tmp_path / "anew"))
    assert labels_of(config) == ([1, 0, 2], ["gnu", "dog", "emu"])


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (["0", "-2"], r"a\.csv, line 3: has label '-2', which is not among 0 to"),
        (["0", "99999999999"], r"line 3: has label '99999999999', which is not among 0 to"),
        (["0", "1.5"], r"line 3: has label '1.5', which is not a whole number"),
        (["cat", ""], r"line 3: has no label"),
        (["cat", "inf"], r"line 3: has label 'inf', which is not a whole number|labels are mixed"),
        (
            ["0", "1", "cat"],
            r"labels are mixed: '0' \(.*a\.csv, line 2\) is a class index but 'cat' \(.*line 4\) is a name",
        ),
    ],
)
def test_labels_that_are_none_are_refused_with_their_line(tmp_path, labels, sentence):
    with pytest.raises(InputError, match=sentence):
        build(labelled(tmp_path, labels))


# Bad rows.


def test_a_bad_row_stops_with_file_line_reason_and_way_out(tmp_path):
    (tmp_path / "a.csv").write_text("f0,f1,path\n1,2,a\n\n3,x,b\n")
    with pytest.raises(InputError, match=r"a\.csv, line 4: column 'f1' is 'x', not a number; .*--on-bad-row reject"):
        build(config_of(tmp_path, tmp_path / "a.csv"))


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (
            ("semi", "train"),
            "there is no file semi to import; name the set by options, as in `--dataset semi --split train`",
        ),
        (("train",), "`--dataset NAME --split train`"),
        (("cats",), "`--dataset cats`"),
    ],
)
def test_a_set_named_without_options_is_no_file(tmp_path, words, option):
    (tmp_path / "a.csv").write_text("f0,f1\n1,2\n")
    with pytest.raises(InputError, match=re.escape(option)):
        build(config_of(tmp_path, tmp_path / "a.csv", *words))


def test_rejected_rows_go_to_the_ledger_and_the_others_are_as_without_them(tmp_path, table):
    lines = table.drop(columns="path").to_csv(index=False).splitlines()
    for line, bad in {3: "1,2", 100: "nan,1,1,1,1,cat", 101: "1,1,1,1,1,", 500: "1,inf,1,1,1,dog"}.items():
        lines[line] = bad
    (tmp_path / "b.csv").write_text("\n".join(lines))
    config = config_of(tmp_path, tmp_path / "b.csv", on_bad_row="reject", split="b")
    sample_id, _, labels, x = rows_of(config)
    ledger = store_of(config).rejected()
    assert [(row["sample_id"], row["path"]) for row in ledger] == [
        (2, "b.csv:4"),
        (99, "b.csv:101"),
        (100, "b.csv:102"),
        (499, "b.csv:501"),
    ]
    assert [row["reason"] for row in ledger] == [
        "2 fields, but the header has 6",
        "column 'f0' is NaN",
        "has no label (write -1 where it is unknown)",
        "column 'f1' is infinite",
    ]
    assert len(sample_id) + len(ledger) == 1000
    assert store_of(config).manifest.rejected == 4
    np.testing.assert_array_equal(x, table.iloc[sample_id, :5].to_numpy().astype(np.float16).astype(np.float32))
    assert [["cat", "dog", "eel"][label] for label in labels] == table["label"][sample_id].tolist()


def test_a_rejected_row_with_a_path_is_listed_by_it(tmp_path):
    (tmp_path / "a.csv").write_text("f0,f1,path\n1,2,a.png\n3,x,b.png\n")
    config = config_of(tmp_path, tmp_path / "a.csv", on_bad_row="reject")
    build(config)
    reason, digest = "column 'f1' is 'x', not a number", xxhash.xxh64_intdigest(b"3,x,b.png")
    assert store_of(config).rejected() == [{"sample_id": 1, "path": "b.png", "reason": reason, "digest": digest}]


def test_a_file_without_a_usable_row_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("f0,f1\nx,y\n")
    with pytest.raises(InputError, match="no usable row"):
        build(config_of(tmp_path, tmp_path / "a.csv", on_bad_row="reject"))


# Files and options.


def test_files_that_cannot_be_used_are_refused(tmp_path, table):
    (tmp_path / "b.csv").write_text("f0,f1,g2\n1,2,3\n")
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes())[:-900])
    for files, sentence in {
        (): "no file was named",
        ("none.csv",): "no file .*none.csv; check the path",
        ("none-*.csv",): r"no file .*none-\*.csv matches",
        (".",): "is a folder",
        ("a.csv", "a.csv"): "named twice",
        ("a.csv", "b.csv"): r"b\.csv has other columns than .*a\.csv: it lacks f2.*and has g2 besides",
        ("c.csv.gz",): "cannot be decompressed.*not fully copied",
    }.items():
        with pytest.raises(InputError, match=sentence):
            build(config_of(tmp_path, *(tmp_path / name for name in files)))


def test_a_quote_that_never_closes_is_not_read_to_the_end_of_the_file(tmp_path, table, monkeypatch):
    monkeypatch.setattr("gapscope.store.csv.blocks.RECORD_LIMIT", 2000)
    text = (tmp_path / "a.csv").read_text().replace('"', "")
    (tmp_path / "b.csv").write_text(text.replace("\n", '\n"', 1))
    with pytest.raises(InputError, match=r"b\.csv, line 2: a record is longer than 2,000 bytes; most likely a quote"):
        import_blocks(config_of(tmp_path, tmp_path / "b.csv"), 500)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"dataset": ""}, "--dataset is missing"),
        ({"part_rows": 0}, "--part-rows is 0"),
        ({"delimiter": "ab"}, "--delimiter is 'ab'"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path, table, options, sentence):
    with pytest.raises(InputError, match=sentence):
        build(config_of(tmp_path, tmp_path / "a.csv", **options))


def test_a_file_without_a_header_is_read_by_position(tmp_path):
    (tmp_path / "a.csv").write_text("0.5,1.5,1\n2.5,3.5,0\n")
    assert labels_of(config_of(tmp_path, tmp_path / "a.csv", no_header=True, label_column="2")) == ([1, 0], ["0", "1"])


def test_too_large_for_float16_fits_float32(tmp_path):
    (tmp_path / "a.csv").write_text("f0,f1\n1,70000\n")
    with pytest.raises(InputError, match=r"'70000', beyond the largest float16 \(65504\); --dtype float32 holds it"):
        build(config_of(tmp_path, tmp_path / "a.csv"))
    assert rows_of(config_of(tmp_path, tmp_path / "a.csv", dtype="float32", split="b"))[3].tolist() == [[1, 70000]]


def test_an_address_in_an_object_store_works_for_files_and_workspace(tmp_path, table, monkeypatch):
    import fsspec

    for module in (spill, parts):  # fsspec's file system in memory is no place for two threads
        monkeypatch.setattr(module, "processors", lambda: 1)
    fsspec.filesystem("memory").pipe_file("/csv/a.csv", (tmp_path / "a.csv").read_bytes())
    config = config_of(tmp_path, "memory://csv/a.csv", workspace="memory://csv/ws")
    assert_equal_rows(rows_of(config), rows_of(config_of(tmp_path, tmp_path / "a.csv")))


def test_rows_that_are_not_there_when_parts_are_made_are_no_rows(tmp_path, table, monkeypatch):
    write_parts = building.write_parts

    def cut(job, writer, segments, *rest):
        assert [one.starts for one in segments]
        os.truncate(str(segments[0].place), 100)
        return write_parts(job, writer, segments, *rest)

    monkeypatch.setattr(building, "write_parts", cut)
    with pytest.raises(DamageError, match="ends before its rows do"):
        rows_of(config_of(tmp_path, tmp_path / "a.csv"))


def test_the_report_says_what_became_of_the_rows(tmp_path, table):
    report = run(config_of(tmp_path, tmp_path / "a.csv"), SILENT)
    assert report.run.endswith("embeddings/csv/d/train")
    assert report.sentences[0] == "1,000 rows of 5 float16 features, 3 classes, 0 rows rejected."

"""Parquet files as people write them: splits, shards, images and labels in whatever columns and types."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from trees import counted, opened, picture

from gapscope.core.errors import InputError

R3 = {"rule": {"0": 3, "1": 3}}
LABELS = [0, 1, 0, 1, 0, 1]


def images(start=0, count=6):
    return [{"bytes": picture(start + at), "path": f"{at}.png"} for at in range(count)]


def put(place, columns, names=None):
    place.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if names:
        features = {name: {"names": value, "_type": "ClassLabel"} for name, value in names.items()}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, place)


def files(root, *places):
    for number, place in enumerate(places):
        put(root / f"{place}.parquet", {"image": images(number * 10), "label": LABELS})


SIX = {"0": 3, "1": 3}
TWELVE = {"0": 6, "1": 6}
PLACES = {
    "shards without a split": (["part-00000", "part-00001"], {"rule": TWELVE}),
    "shards of Spark": (
        [f"part-0000{at}-0f2ad6f8-6d5a-4b0c-9d9b-1a2b3c4d5e6f.c000.snappy" for at in (0, 1)],
        {"rule": TWELVE},
    ),
    "numbers": (["0000", "0001", "0002"], {"rule": {"0": 9, "1": 9}}),
    "the Hub's converted layout": (["default/train/0000", "default/test/0000"], {"train": SIX, "test": SIX}),
    "the Hub's converted layout, partial": (
        ["default/partial-train/0000", "default/test/0000"],
        {"train": SIX, "test": SIX},
    ),
    "the Hub's data folder": (["data/train-00000-of-00001", "data/test-00000-of-00001"], {"train": SIX, "test": SIX}),
    "hashes behind shards": (
        ["data/train-00000-of-00001-0a1b2c3d4e5f", "data/test-00000-of-00001-aa11"],
        {"train": SIX, "test": SIX},
    ),
    "several shards a split": (
        ["train-00000-of-00002", "train-00001-of-00002", "validation-00000-of-00001"],
        {"train": TWELVE, "val": SIX},
    ),
    "numbers behind a split": (["train_0", "train_1", "test_0"], {"train": TWELVE, "test": SIX}),
    "folders of splits": (["train/part-0", "train/part-1", "valid/part-0"], {"train": TWELVE, "val": SIX}),
    "names of splits": (["training_set", "eval"], {"train": SIX, "test": SIX}),
    "sets of unknown names": (["matched", "shifted"], {"matched": SIX, "shifted": SIX}),
    "a shard is missing": (["part-00000", "part-00002"], "number 1 is missing"),
    "a shard of two is missing": (["train-00000-of-00002"], "holds 1 of the 2 Parquet files of split 'train'"),
    "two configurations": (["en/train/0000", "fr/train/0000"], "holds split 'train' in several folders .* name one"),
}


@pytest.mark.parametrize("name", PLACES)
def test_files_are_shards_of_the_splits_that_their_places_say(tmp_path, name):
    places, meaning = PLACES[name]
    files(tmp_path / "set", *places)
    if isinstance(meaning, str):
        with pytest.raises(InputError, match=meaning):
            opened(tmp_path / "set")
        return
    dataset = opened(tmp_path / "set")
    assert counted(dataset) == meaning
    names = [one for split in dataset.splits for one in dataset.source(split).listing.names]
    assert len(names) == len(set(names))


BYTES = [picture(at) for at in range(6)]
COLUMNS = {
    "a struct of bytes and path": ({"image": images(), "label": LABELS}, SIX),
    "a struct of bytes alone": ({"picture": [{"bytes": one} for one in BYTES], "label": LABELS}, SIX),
    "binary": ({"image": BYTES, "label": LABELS}, SIX),
    "binary under an odd name": ({"blob": BYTES, "label": LABELS}, SIX),
    "large binary": ({"img": pa.array(BYTES, pa.large_binary()), "label": LABELS}, SIX),
    "a mask beside the image": ({"mask": [{"bytes": b"x"}] * 6, "image": images(), "label": LABELS}, SIX),
    "fine and coarse": ({"image": images(), "coarse_label": [0] * 6, "fine_label": LABELS}, SIX),
    "texts": ({"image": images(), "label": ["b", "a"] * 3}, {"a": 3, "b": 3}),
    "categories": ({"image": images(), "label": pa.array(["b", "a"] * 3).dictionary_encode()}, {"a": 3, "b": 3}),
    "bytes as texts": ({"image": images(), "label": [b"b", b"a"] * 3}, {"a": 3, "b": 3}),
    "unsigned bytes": ({"image": images(), "label": pa.array(LABELS, pa.uint8())}, SIX),
    "whole fractions": ({"image": images(), "label": [0.0, 1.0] * 3}, SIX),
    "true and false": ({"image": images(), "label": [False, True] * 3}, SIX),
    "lists of one": ({"image": images(), "label": [[one] for one in LABELS]}, SIX),
    "none for some": ({"image": images(0, 8), "label": [*LABELS, None, -1]}, {**SIX, None: 2}),
    "breeds": ({"image": images(), "breed": LABELS}, SIX),
    "Class": ({"image": images(), "Class": LABELS}, SIX),
    "no labels": ({"image": images(), "caption": ["x"] * 6}, {None: 6}),
    "fractions": ({"image": images(), "label": [0.5, 1.0] * 3}, "holds 0.5, a measure and no class"),
    "lists": ({"image": images(), "label": [[0, 1], [1]] * 3}, "holds lists of labels, up to 2 an image"),
    "empty lists": ({"image": images(), "label": [[], [1]] * 3}, "holds lists of labels"),
    "structs": ({"image": images(), "label": [{"a": 1}] * 6}, "which is no label"),
    "no image": ({"text": ["x"] * 6, "label": LABELS}, "holds no images"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_any_type_are_read_or_refused_in_one_sentence(tmp_path, name):
    columns, meaning = COLUMNS[name]
    put(tmp_path / "set" / "test.parquet", columns)
    if isinstance(meaning, str):
        with pytest.raises(InputError, match=meaning) as caught:
            opened(tmp_path / "set")
        assert "\n" not in str(caught.value)
        return
    dataset = opened(tmp_path / "set")
    assert counted(dataset) == {"test": meaning}
    assert dataset.source("test").read(3) == picture(3)


def test_a_label_column_is_named_by_the_user(tmp_path):
    put(tmp_path / "set" / "test.parquet", {"image": images(), "label": [5] * 6, "kind": ["a", "b"] * 3})
    assert counted(opened(tmp_path / "set", label_column="Kind")) == {"test": {"a": 3, "b": 3}}
    with pytest.raises(InputError, match="has no column 'sort'; its columns are image, label, kind"):
        opened(tmp_path / "set", label_column="sort")


def test_declared_classes_name_the_column_and_the_classes(tmp_path):
    put(tmp_path / "set" / "test.parquet", {"image": images(), "sort": LABELS}, {"sort": ["ant", "bee"]})
    assert counted(opened(tmp_path / "set")) == {"test": {"ant": 3, "bee": 3}}


def test_texts_are_numbered_over_all_splits(tmp_path):
    put(tmp_path / "set" / "train.parquet", {"image": images(), "label": ["ant", "bee", "cow"] * 2})
    put(tmp_path / "set" / "test.parquet", {"image": images(10, 2), "label": ["cow", "bee"]})
    test = opened(tmp_path / "set").source("test").listing
    assert (test.class_names, test.labels.tolist()) == (["ant", "bee", "cow"], [2, 1])


def test_a_column_of_several_splits_is_refused(tmp_path):
    put(tmp_path / "set.parquet", {"image": images(), "label": LABELS, "split": ["train"] * 4 + ["test"] * 2})
    with pytest.raises(InputError, match=r"several splits in its column split \(test, train\); write a file for each"):
        counted(opened(tmp_path / "set.parquet"))
    put(tmp_path / "set" / "test.parquet", {"image": images(), "label": LABELS, "split": ["test"] * 6})
    assert counted(opened(tmp_path / "set")) == {"test": SIX}


def test_a_damaged_file_among_others_is_refused_and_not_passed_over(tmp_path):
    for number in range(2):
        put(tmp_path / "set" / f"test-{number}.parquet", {"image": images(6 * number), "label": LABELS})
    whole = (tmp_path / "set" / "test-1.parquet").read_bytes()
    (tmp_path / "set" / "test-1.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"test-1.parquet cannot be read as Parquet .*; fetch it again"):
        counted(opened(tmp_path / "set"))
    (tmp_path / "set" / "test-0.parquet").unlink()
    with pytest.raises(InputError, match=r"test-1.parquet cannot be read as Parquet .*; fetch it again"):
        counted(opened(tmp_path / "set"))


def test_columns_that_differ_are_named(tmp_path):
    put(tmp_path / "set" / "test-0.parquet", {"image": images(), "label": LABELS})
    put(tmp_path / "set" / "test-1.parquet", {"image": images(6), "label": ["a", "b"] * 3})
    with pytest.raises(InputError, match=r"\(label is string, not int64\); keep sets apart"):
        counted(opened(tmp_path / "set"))


def test_a_file_without_rows_is_no_fault_of_the_program(tmp_path):
    rows = pa.array([], pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    put(tmp_path / "set.parquet", {"image": rows, "label": pa.array([], pa.int64())})
    with pytest.raises(InputError, match="0 images"):
        counted(opened(tmp_path / "set.parquet"))


def test_a_lone_file_is_divided_by_rule(tmp_path):
    put(tmp_path / "set.parquet", {"image": images(), "label": LABELS})
    assert counted(opened(tmp_path / "set.parquet")) == R3


def test_tables_beside_images_of_parquet_are_accounted_for(tmp_path):
    files(tmp_path / "set", "train", "test")
    put(tmp_path / "set" / "meta.parquet", {"x": np.arange(3)})
    (tmp_path / "set" / "README.md").write_text("x")
    account = opened(tmp_path / "set").accounting
    assert (account.files, account.not_used) == (4, 2)

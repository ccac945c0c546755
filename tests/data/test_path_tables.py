"""A table of paths and labels is a data set: every row is an image, rejected with a reason, or not used and counted."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from trees import counted, grow, opened

from gapscope.core.errors import InputError
from gapscope.data.catalogue import open_dataset
from gapscope.data.source import Undecodable

NAMES = [f"photos/{at}.png" for at in range(6)]
ROWS = [(name, ("cat", "dog")[at % 2], ("train", "train", "test")[at % 3]) for at, name in enumerate(NAMES)]
SPLITS = {"train": {"cat": 2, "dog": 2}, "test": {"cat": 1, "dog": 1}}


@pytest.fixture(autouse=True)
def _photos(tmp_path, monkeypatch):
    grow(tmp_path, "photos*6")
    monkeypatch.chdir(tmp_path)


def csv(name, rows, header="path,label,split", separator=","):
    lines = [header.replace(",", separator)] if header else []
    with open(name, "w") as file:  # noqa: PTH123
        file.write("\n".join([*lines, *(separator.join(row) for row in rows)]))
    return name


def as_json_lines(name):
    keys = ("image", "class", "split")
    with open(name, "w") as file:  # noqa: PTH123
        file.write("\n".join(json.dumps(dict(zip(keys, row, strict=True))) for row in ROWS))
    return name


def as_parquet(name):
    columns = zip(("file_name", "label", "split", "score"), [*zip(*ROWS, strict=True), [0.5] * 6], strict=True)
    pq.write_table(pa.table({key: list(column) for key, column in columns}), name)
    return name


FORMS = {
    "csv": lambda: csv("set.csv", ROWS),
    "tsv": lambda: csv("set.tsv", ROWS, separator="\t"),
    "semicolons": lambda: csv("set.csv", ROWS, separator=";"),
    "json lines": lambda: as_json_lines("set.jsonl"),
    "parquet": lambda: as_parquet("set.parquet"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_table_gives_the_same_images(form, tmp_path):
    place = FORMS[form]()
    dataset = open_dataset(place, None)
    assert (dataset.name, counted(dataset)) == ("set", SPLITS)
    source = dataset.source("test")
    assert source.listing.names == ["photos/2.png", "photos/5.png"]
    assert source.read(1) == (tmp_path / "photos/5.png").read_bytes()
    assert source.stamps().sizes.tolist() == [(tmp_path / name).stat().st_size for name in source.listing.names]
    assert dataset.accounting.as_dict()["listed"] == {"train": 4, "test": 2}


def test_paths_may_be_whole_and_a_table_needs_no_header(tmp_path):
    rows = [(str(tmp_path / name), label) for name, label, _ in ROWS]
    dataset = open_dataset(csv("set.csv", rows, header=""), None)
    assert counted(dataset) == {"rule": {"cat": 3, "dog": 3}}


def test_integers_are_class_indices(tmp_path):
    rows = [(name, str(at % 3)) for at, name in enumerate(NAMES)]
    assert counted(open_dataset(csv("set.csv", rows, header="path,target"), None)) == {"rule": {"0": 2, "1": 2, "2": 2}}


def test_every_row_is_accounted_for():
    rows = [*ROWS, ROWS[0], ("photos/gone.png", "cat", "test"), ("", "cat", "test")]
    dataset = open_dataset(csv("set.csv", rows), None)
    account = dataset.accounting
    assert account.files == len(rows)
    assert account.listed == {"train": 4, "test": 2}
    assert dict(account.rejected) == {"photos/gone.png": "is not there"}
    assert account.unused == {"rows that name an image again": ("photos/0.png",), "rows without a path": ("line 10",)}
    source = dataset.source("test")
    with pytest.raises(Undecodable, match="is not there"):
        source.read(source.listing.names.index("photos/gone.png"))


def test_the_columns_may_be_said():
    rows = [(name, str(at), "x", label) for at, (name, label, _) in enumerate(ROWS)]
    place = csv("set.csv", rows, header="a,b,c,d")
    with pytest.raises(InputError, match=r"no label column that can be told: its columns are a, b, c, d"):
        open_dataset(place, None)
    assert counted(open_dataset(place, None, path_column="a", label_column="d")) == {"rule": {"cat": 3, "dog": 3}}


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("path,label\n", {}, "is a table without rows"),
        ("", {}, "is a table without rows"),
        ("a,b\n1,2\n3,4\n", {}, "no column of paths that can be told: its columns are a, b"),
        ("path,label\nphotos/0.png,cat\nphotos/0.png,dog\n", {}, "is 'dog' here and 'cat' in line 2"),
        ("path,label\nphotos/0.png,cat,x\n", {}, "3 fields, the header has 2"),
        ("path,label\nphotos/0.png,cat\n", {"label_column": "kind"}, "no label column: looked for 'kind'"),
        ("path,label\nphotos/0.png,cat\n", {"path_column": "file"}, "no path column: looked for 'file'"),
        ("path,label\nftp://host/0.png,cat\n", {}, "begin with ftp:// are not read"),
        ('path,label\n"photos/0.png,cat\n', {}, "1 field, the header has 2"),
    ],
)
def test_a_table_that_cannot_be_meant_is_one_sentence(tmp_path, content, options, message):
    (tmp_path / "set.csv").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        open_dataset("set.csv", None, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["set.jsonl", "set.parquet", "set.json"])
def test_a_damaged_table_is_one_sentence(tmp_path, name):
    (tmp_path / name).write_bytes(b"PAR1 and nothing else {")
    with pytest.raises(InputError, match=r"no JSON|cannot be read as Parquet"):
        opened(tmp_path / name)

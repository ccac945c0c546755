"""A block of CSV text gives the numbers that Python's own `float` gives, and a reason for each row without."""

import csv
import io
import shlex
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapscope.core.location import Location
from gapscope.store.csv.blocks import Position, TextBlock
from gapscope.store.csv.kernel import PADDING, last_record_end
from gapscope.store.csv.parse import POINTS, Layout, parse_block, with_way_out
from gapscope.store.csv.source import kinds_of
from gapscope.store.imports.columns import find_columns


def parse(body, names, dtype="float32", delimiter=","):
    data = body if isinstance(body, bytes) else body.encode()
    columns = find_columns(names)
    layout = Layout(
        tuple(names),
        kinds_of(columns, names),
        ord(delimiter),
        len(columns.features),
        dtype,
        bool(columns.label),
        bool(columns.path),
    )
    block = TextBlock(
        Position(0, 0, 1),
        Position(0, len(data), 1 + data.count(b"\n")),
        bytearray(data + bytes(PADDING)),
        len(data),
        len(data),
    )
    return parse_block(block, layout)


digits = st.text("0123456789", min_size=1, max_size=25)
written = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-", "+"]),
    digits,
    st.one_of(st.just(""), st.just("."), digits.map(".{}".format)),
    st.one_of(st.just(""), st.integers(-50, 50).map("e{}".format), st.integers(0, 30).map("E+{:02d}".format)),
)
doubles = st.floats(allow_nan=False, allow_infinity=False)
singles = st.floats(width=32, allow_nan=False, allow_infinity=False)
halfway = singles.map(lambda v: repr((float(v) + float(np.nextafter(np.float32(v), np.float32(0)))) / 2))
decorated = st.builds("{0}{1}{0}".format, st.sampled_from(["", " ", "  "]), singles.map(repr))
cells = st.one_of(
    written,
    doubles.map(repr),
    singles.map(repr),
    singles.map("{:.18e}".format),
    halfway,
    decorated,
    singles.map('"{!r}"'.format),
)


def expected(cell):
    with np.errstate(over="ignore"):
        return np.float32(float(cell.strip('"')))


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=20), st.sampled_from(["\n", "\r\n"]), st.booleans()
)
def test_every_cell_is_what_python_makes_of_it(rows, line_break, ends_in_break):
    body = line_break.join(map(",".join, rows)) + line_break * ends_in_break
    parsed = parse(body, ["f0", "f1", "f2"])
    wanted = np.array([[expected(cell) for cell in row] for row in rows])
    finite = np.isfinite(wanted).all(axis=1)
    np.testing.assert_array_equal(parsed.x.view(np.uint32), wanted[finite].view(np.uint32))
    assert [bad.record for bad in parsed.bad] == np.flatnonzero(~finite).tolist()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=8), st.text(max_size=5)), min_size=1, max_size=12),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_texts_are_what_the_standard_library_reads(rows, quoting):
    rows = [
        (path.replace("\r", "").replace("\0", ""), label.replace("\r", "").replace("\0", "")) for path, label in rows
    ]
    file = io.StringIO()
    csv.writer(file, quoting=quoting).writerows(
        [path, number / 8, label, 1] for number, (path, label) in enumerate(rows)
    )
    parsed = parse(file.getvalue(), ["path", "f0", "label", "f1"])
    assert list(zip(parsed.path.to_pylist(), parsed.label.to_pylist(), strict=True)) == rows
    np.testing.assert_array_equal(parsed.x[:, 0], np.arange(len(rows)) / 8)


def test_a_file_reads_as_pandas_and_polars_read_it(rng, tmp_path):
    x = rng.standard_normal((300, 7)) * 10.0 ** rng.integers(-20, 20, (300, 7))
    frame = pd.DataFrame(x, columns=[f"f{i}" for i in range(7)])
    frame.to_csv(tmp_path / "x.csv", index=False)
    parsed = parse((tmp_path / "x.csv").read_text().split("\n", 1)[1], list(frame))
    np.testing.assert_array_equal(parsed.x, x.astype(np.float32))
    np.testing.assert_array_equal(parsed.x, pl.read_csv(tmp_path / "x.csv").to_numpy().astype(np.float32))
    np.testing.assert_array_equal(parsed.x, pd.read_csv(tmp_path / "x.csv").to_numpy().astype(np.float32))


def test_float16_is_the_rounded_float32(rng):
    x = rng.standard_normal((50, 3)).astype(np.float32)
    body = "\n".join(",".join(map(repr, row)) for row in x.tolist())
    np.testing.assert_array_equal(parse(body, ["0", "1", "2"], "float16").x, x.astype(np.float16))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_blank_lines_are_skipped_and_lines_are_counted_as_they_stand(delimiter):
    body = "1,a\n\n\r\n2,b\r\n".replace(",", delimiter)
    parsed = parse(body, ["f0", "path"], delimiter=delimiter)
    assert parsed.line.tolist() == [0, 3]
    assert parsed.record.tolist() == [0, 1]
    assert parsed.path.to_pylist() == ["a", "b"]


BAD = {
    "": "column 'f1' is empty",
    "  ": "column 'f1' is empty",
    "cat": "column 'f1' is 'cat', not a number",
    '"-0,25"': f"column 'f1' is '-0,25', not a number{POINTS}",
    "1.2.3": "column 'f1' is '1.2.3', not a number",
    "1_000": "column 'f1' is '1_000', not a number",
    "-": "column 'f1' is '-', not a number",
    ".": "column 'f1' is '.', not a number",
    "1e": "column 'f1' is '1e', not a number",
    "0e99999x": "column 'f1' is '0e99999x', not a number",
    "1-2": "column 'f1' is '1-2', not a number",
    "nan": "column 'f1' is NaN",
    "-inf": "column 'f1' is infinite",
    "1e999": "column 'f1' is infinite",
    "70000": "column 'f1' is '70000', beyond the largest float16 (65504); --dtype float32 holds it",
    "1e39": "column 'f1' is '1e39', beyond the largest float16 (65504)",
    "1,2": "4 fields, but the header has 3",
    '"1"x': "text after a closing quote",
}


@pytest.mark.parametrize("cell", BAD)
def test_a_bad_row_is_named_and_its_neighbours_stay(cell):
    parsed = parse(f'1,2,a\n3,{cell},"b\nb"\n5,6,c\n', ["f0", "f1", "path"], "float16")
    assert [(bad.record, bad.line, bad.reason) for bad in parsed.bad] == [(1, 1, BAD[cell])]
    assert parsed.x.tolist() == [[1, 2], [5, 6]]
    assert parsed.record.tolist() == [0, 2]
    assert parsed.line.tolist() == [0, 3]
    assert parsed.path.to_pylist() == ["a", "c"]


def test_numbers_in_two_fields_each_have_decimal_commas():
    parsed = parse("1,5,2,5,a\n", ["f0", "f1", "path"])
    assert [bad.reason for bad in parsed.bad] == [
        "5 fields, but the header has 3, as where numbers have decimal commas; export it with decimal points"
    ]


@pytest.mark.parametrize(
    "text", ["label;f0;f1\na;-0,25;1,5\nb;0,5;2,0\n", 'label,f0,f1\na,"-0,25","1,5"\nb,"0,5","2,0"\n']
)
def test_the_command_for_decimal_commas_writes_the_file_with_points(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my table.csv").write_text(text)
    said = with_way_out(f"'-0,25', not a number{POINTS}", Location.of("my table.csv"))
    command = shlex.split(said.partition("`")[2].partition("`")[0])
    subprocess.run([sys.executable, *command[1:]], check=True)
    assert (tmp_path / "my table-points.csv").read_text() == "label,f0,f1\na,-0.25,1.5\nb,0.5,2.0\n"


def test_a_quote_that_never_closes_takes_only_its_own_row():
    parsed = parse('1,2,a\n3,4,"b\n', ["f0", "f1", "path"])
    assert [bad.reason for bad in parsed.bad] == ["a quote is opened and never closed"]
    assert len(parsed.x) == 1


def test_text_that_is_not_utf8_is_a_bad_row():
    parsed = parse(b"1,2,caf\xe9\n3,4,\xc3\xa9\n", ["f0", "f1", "path"])
    assert [bad.reason for bad in parsed.bad] == ["the path is not UTF-8"]
    assert parsed.path.to_pylist() == ["é"]


@pytest.mark.parametrize(
    ("text", "end"),
    [
        (b"1,a\n2", 4),
        (b'1,"a\nb"\n2', 8),
        (b'1,"a""\nb"\n2', 10),
        (b'1,a"b\n2,c"d\n3', 12),
        (b'1,a""b\n2', 7),
        (b'"a","b\n', 0),
        (b'1,"a\n' + b"x" * 200 + b'\nb"\n2', 209),
        (b"1," + b"x" * 100 + b"\n" + b"3," + b"x" * 500, 103),
    ],
)
def test_records_end_where_no_quote_is_open(text, end):
    padded = np.frombuffer(text + bytes(PADDING), np.uint8)
    before, breaks = text[:end].count(b"\n"), text.count(b"\n")
    assert last_record_end(padded, len(text), ord(",")) == (end, before, breaks)

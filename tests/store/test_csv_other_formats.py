"""What is called .csv and is none is refused in a sentence that says what it is."""

import gzip

import pytest

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.store.csv.header import read_header

TABLE = "label,f0,f1\n0,1,2\n1,3,4\n"
REFUSED = {
    "compressed without saying so": (gzip.compress(TABLE.encode()), r"is compressed; call it t\.csv\.gz"),
    "lines of old Macs": (TABLE.replace("\n", "\r").encode(), "end with a carriage return alone; .*tr"),
    "UTF-16 without a mark": (TABLE.encode("utf-16-le"), "is UTF-16 without a byte order mark"),
    "a list of objects": (b'[{"label": 0, "f0": 1}]', "is JSON, not a CSV"),
    "lines of objects": (b'{"label": 0, "f0": 1}\n{"label": 1, "f0": 1}\n', "is JSON, not a CSV"),
    "a page that asks to log in": (b"<!DOCTYPE html>\n<html></html>", "is a web page, not a CSV"),
    "a workbook": (b"PK\x03\x04" + bytes(40), "is a zip archive or an Excel workbook"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_another_format_under_the_name_of_csv_is_called_what_it_is(tmp_path, name):
    content, sentence = REFUSED[name]
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        read_header(Location.of(tmp_path / "t.csv"))


def test_carriage_returns_before_line_feeds_are_no_fault(tmp_path):
    (tmp_path / "t.csv").write_text(TABLE.replace("\n", "\r\n"))
    assert read_header(Location.of(tmp_path / "t.csv")).names == ("label", "f0", "f1")

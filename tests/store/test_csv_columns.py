"""Features, label and path are found by their names; what is unclear is refused with the way out."""

import pytest

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.store.csv.header import read_header, sniff
from gapscope.store.imports.columns import Choice, find_columns, refuse_other_columns

NUMBERED = {
    "plain": ["0", "1", "2"],
    "feature_0": ["feature_0", "feature_1", "feature_2"],
    "feature_0000": ["feature_0000", "feature_0001", "feature_0002"],
    "f0": ["f0", "f1", "f2"],
    "emb_0": ["emb_0", "emb_1", "emb_2"],
    "x0": ["x0", "x1", "x2"],
    "X1": ["X1", "X2", "X3"],
    "v2_0": ["v2_0", "v2_1", "v2_2"],
    "Feature 00 (pool)": ["Feature 00 (pool)", "Feature 01 (pool)", "Feature 02 (pool)"],
}


@pytest.mark.parametrize("features", NUMBERED.values(), ids=NUMBERED)
@pytest.mark.parametrize("label", ["label", "Class", "TARGET", "y", "Class Name", "Ground Truth"])
@pytest.mark.parametrize("path", ["path", "image_path", "FileName", "file", "File Name", "image-path"])
def test_usual_names_are_found_in_any_order(features, label, path):
    found = find_columns([path, *reversed(features), label])
    assert found.features == tuple(features)
    assert (found.label, found.path) == (label, path)


def test_numbers_at_the_end_count_before_those_within():
    within = [f"q{i}_std" for i in range(5)]
    assert find_columns(["f0", "f1", *within]).features == ("f0", "f1")
    assert find_columns(["f0", "f1", *within], Choice(prefix="q")).features == tuple(within)


def test_features_stand_in_the_order_of_their_numbers():
    assert find_columns([f"f{i}" for i in (10, 9, 2, 1)]).features == ("f1", "f2", "f9", "f10")


def test_an_index_column_is_ignored():
    for index in ("", "Unnamed: 0"):
        assert find_columns([index, "f0", "f1", "label", "path"]).features == ("f0", "f1")


def test_missing_label_path_and_numbers_are_noted():
    notes = " ".join(find_columns(["f0", "f2"]).notes)
    assert "every label is -1" in notes
    assert "called by their number" in notes
    assert "gaps" in notes


def test_the_users_word_counts_before_the_names():
    names = ["a0", "a1", "b0", "b1", "label", "truth", "path", "where"]
    found = find_columns(names, Choice(label="TRUTH", path="where", prefix="b"))
    assert (found.features, found.label, found.path) == (("b0", "b1"), "truth", "where")
    assert find_columns(names, Choice(features=("b1", "a0"))).features == ("b1", "a0")


@pytest.mark.parametrize(
    ("names", "choice", "sentence"),
    [
        (["a0", "a1", "b0", "b1"], Choice(), "say with --feature-prefix"),
        (["height", "label"], Choice(), "no feature columns found"),
        (["filename", "label"], Choice(), "no features, but names and labels alone; `gapscope extract FOLDER --labels"),
        (["f0", "f1", "label"], Choice(label="lable"), "did you mean 'label'"),
        (["f0", "f1", "label", "label"], Choice(), "column 'label' of the file is there twice"),
        (["f0", "f1"], Choice(prefix="g"), "no column .* is called 'g' and a number .*f0, f1"),
    ],
)
def test_what_is_unclear_is_refused(names, choice, sentence):
    with pytest.raises(InputError, match=sentence):
        find_columns(names, choice)


def test_other_columns_are_refused_with_the_difference_and_another_order_is_not():
    refuse_other_columns(["f0", "f1"], ["f1", "f0"], "b.csv", "a.csv")
    with pytest.raises(InputError, match=r"b\.csv has other columns than a\.csv: it lacks f1 and has g1 besides"):
        refuse_other_columns(["f0", "f1"], ["f0", "g1"], "b.csv", "a.csv")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter):
    assert sniff(delimiter.join(["label", "f0", "f1"])) == delimiter


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("label f0 f1", r"2 times ' ', which seems to stand between its fields; pass --delimiter ' '$"),
        ("label   f0   f1", r"fields; `tr -s ' ' < \S*a.csv > NEW.csv` makes one of several; pass --delimiter ' '$"),
        ("0.5 -1e-3 7", "2 times ' '"),
        ("label:f0:f1", r"first line \(label:f0:f1\), but 2 times ':', .*pass --delimiter :$"),
        ("label^f0^f1", r"pass --delimiter '\^'$"),
    ],
)
def test_another_delimiter_is_named_with_its_option(tmp_path, line, said):
    with pytest.raises(InputError, match=said):
        header_of(tmp_path, f"{line}\n1 2 3\n".encode())


@pytest.mark.parametrize("line", ["feature 0", "f0", "embedding.dim_0", '"f:0"'])
def test_one_column_is_a_table_too(tmp_path, line):
    assert len(header_of(tmp_path, f"{line}\n1\n".encode()).names) == 1


def header_of(tmp_path, content, **options):
    (tmp_path / "a.csv").write_bytes(content)
    return read_header(Location(str(tmp_path / "a.csv")), **options)


def test_a_header_may_have_a_mark_quotes_blank_lines_and_line_breaks(tmp_path):
    found = header_of(tmp_path, b'\xef\xbb\xbf\r\n"f0","the\nlabel",f1\r\n1,2,3\r\n')
    assert found.names == ("f0", "the\nlabel", "f1")
    assert (found.length, found.lines) == (26, 3)


def test_numbered_columns_are_a_header_and_other_numbers_are_not(tmp_path):
    assert header_of(tmp_path, b"0,1,2\n").names == ("0", "1", "2")
    with pytest.raises(InputError, match="has no header: its first line holds numbers"):
        header_of(tmp_path, b"0.5,1.5,3\n1,2,3\n")
    found = header_of(tmp_path, b"0.5,1.5,3\n1,2,3\n", named=False)
    assert (found.names, found.length, found.lines) == (("0", "1", "2"), 0, 0)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        ("f0,f1".encode("utf-16"), "is UTF-16"),
        (b"PK\x03\x04rest", "is a zip archive"),
        (b"f0,caf\xe9\n", "is not UTF-8"),
    ],
)
def test_what_is_no_csv_is_refused(tmp_path, content, sentence):
    with pytest.raises(InputError, match=sentence):
        header_of(tmp_path, content)

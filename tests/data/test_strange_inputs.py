"""Archives, tables, Parquet files, names and images as people have them: each comes out right, or as one sentence."""

import gzip
import io
import json
import os
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from test_archives import entry, zipped
from trees import counted, grow, opened, picture

from gapscope.core.errors import InputError
from gapscope.data.catalogue import open_dataset
from gapscope.data.source import Undecodable

C1, C2, C3 = ({"cat": count, "dog": count} for count in (1, 2, 3))
R2, R3 = {"rule": C2}, {"rule": C3}
NAMES = [f"{at}.png" for at in range(6)]
KINDS = ["cat", "dog"] * 3
PAIRS = list(zip(NAMES, KINDS, strict=True))
C0 = {"0": 3, "1": 3}


def files(*names, pad=""):
    """Bytes of different images by name."""
    return {f"{pad}{name}": picture(at) for at, name in enumerate(names)}


def both(folder="", count=3):
    return [f"{folder}{kind}/{at}.png" for kind in ("cat", "dog") for at in range(count)]


def tar(place, content, **kinds):
    with tarfile.open(place, "w") as archive:
        for name, data in content.items():
            entry(archive, name, data)
        for name, (kind, link) in kinds.items():
            entry(archive, name.replace("__", "/"), kind=kind, link=link)
    return place


def tar_bytes(content):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in content.items():
            entry(archive, name, data)
    return file.getvalue()


def zip_bytes(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return file.getvalue()


def with_folders(place, content):
    """A tar that holds entries for its folders, before and behind what lies in them."""
    with tarfile.open(place, "w") as archive:
        for folder in ("./", "./cat", "./cat/"):
            entry(archive, folder, kind=tarfile.DIRTYPE)
        for name, data in content.items():
            entry(archive, f"./{name}", data)
        entry(archive, "dog/", kind=tarfile.DIRTYPE)
        entry(archive, "empty/", kind=tarfile.DIRTYPE)
    return place


def zip_with_folders(place, content):
    with zipfile.ZipFile(place, "w") as archive:
        for name in ("set/", "set/cat/", "set/empty/"):
            archive.mkdir(name)
        for name, data in content.items():
            archive.writestr(f"set/{name}", data)
    return place


def twice(place, content):
    """A zip with one member twice."""
    with zipfile.ZipFile(place, "w") as archive:
        for name, data in [*content.items(), (next(iter(content)), picture(99))]:
            archive.writestr(name, data)
    return place


def prefixed(place, content, before=b"#!/bin/sh\nexit 0\n"):
    """A zip behind a program, as archives are that unpack themselves."""
    place.write_bytes(before + zip_bytes(content))
    return place


ARCHIVES = {
    "a tar with entries of its folders": (lambda t: with_folders(t / "a.tar", files(*both())), R3),
    "a zip with entries of its folders": (lambda t: zip_with_folders(t / "a.zip", files(*both())), R3),
    "a folder around a folder around the splits": (
        lambda t: tar(t / "a.tar", files(*both("x/y/train/", 2), *both("x/y/test/", 1))),
        {"train": C2, "test": C1},
    ),
    "an archive called as its only folder": (lambda t: zipped(t / "pets.zip", files(*both("pets/"))), R3),
    "debris of a Mac inside": (
        lambda t: zipped(
            t / "a.zip",
            files(*both("set/")) | {f"__MACOSX/set/cat/._{at}.png": b"\0\5\26\7" for at in range(3)},
        ),
        R3,
    ),
    "splits as archives in an archive": (
        lambda t: zipped(
            t / "a.zip", {"train.tar": tar_bytes(files(*both("", 2))), "test.tar": tar_bytes(files(*both("", 1)))}
        ),
        r"holds no images \(2 files: 2 \.tar; archives in it are not read, unpack it\)",
    ),
    "a zip in a zip": (lambda t: zipped(t / "a.zip", {"inner.zip": zip_bytes(files(*both()))}), "unpack it"),
    "a tar.gz in a zip": (
        lambda t: zipped(t / "a.zip", {"inner.tar.gz": gzip.compress(tar_bytes(files(*both())))}),
        "unpack it",
    ),
    "an archive beside class folders": (
        lambda t: grow(t / "set", "cat*3", "dog*3", "backup.zip = x"),
        R3,
    ),
    "a member twice in a zip": (lambda t: twice(t / "a.zip", files(*both())), R3),
    "a zip behind a program": (lambda t: prefixed(t / "a.zip", files(*both())), R3),
    "a table of labels in a zip": (
        lambda t: zipped(
            t / "a.zip",
            files(*NAMES, pad="images/") | {"labels.csv": "\n".join(["file,label", *map(",".join, PAIRS)])},
        ),
        R3,
    ),
    "a class list in a tar": (
        lambda t: tar(t / "a.tar", files(*both()) | {"classes.txt": b"cat\ndog\n"}),
        R3,
    ),
    "upper case suffix of the archive": (lambda t: zipped(t / "A.ZIP", files(*both())), R3),
    "upper case suffix of a packed tar": (
        lambda t: _written(t / "A.TAR.GZ", gzip.compress(tar_bytes(files(*both())))),
        R3,
    ),
    "a zip called tar": (lambda t: _written(t / "a.tar", zip_bytes(files(*both()))), R3),
    "a tar called zip": (lambda t: _written(t / "a.zip", tar_bytes(files(*both()))), R3),
    "a packed tar called tgz that is plain": (lambda t: _written(t / "a.tgz", tar_bytes(files(*both()))), R3),
    "names of Windows drives": (
        lambda t: zipped(t / "a.zip", files(*(f"C:/data/set/{one}".replace("/", "\\") for one in both()))),
        R3,
    ),
    "names in the letters of an old DOS": (lambda t: _dos(t / "a.zip"), {"rule": {"caf\u00e9_": 3, "dog": 3}}),
    "an empty zip": (lambda t: zipped(t / "a.zip", {}), "holds no images.*it is empty"),
    "a zip of nothing but folders": (lambda t: zip_with_folders(t / "a.zip", {}), "holds no images.*it is empty"),
    "a tar of a link that leads to itself": (
        lambda t: tar(t / "a.tar", files(*both()), cat__loop=(tarfile.SYMTYPE, "../cat")),
        R3,
    ),
}


def _written(place, data):
    place.write_bytes(data)
    return place


def _dos(place):
    """A zip without the mark of UTF-8, its names in code page 437, as old programs write them."""
    content = files(*(f"caf\x82/{at}.png" for at in range(3)), *(f"dog/{at}.png" for at in range(3)))
    file = io.BytesIO(zip_bytes(content))
    data = file.getvalue().replace("caf\x82".encode(), b"caf\x82_")  # the same length: two bytes each
    data = bytearray(data)
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + offset + 1] &= ~8 & 0xFF
            at = data.find(mark, at + 4)
    return _written(place, bytes(data).replace(b"caf\x82_", b"caf\x82_"))


def _check(place, meaning, **options):
    if isinstance(meaning, str):
        with pytest.raises(InputError, match=meaning) as caught:
            counted(opened(place, **options))
        assert "\n" not in str(caught.value)
        return None
    dataset = opened(place, **options)
    assert counted(dataset) == meaning
    for split in dataset.splits:
        source = dataset.source(split)
        for index in range(len(source.listing)):
            source.image(index)
    return dataset


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_holds_what_its_owner_would_say(tmp_path, name):
    make, meaning = ARCHIVES[name]
    _check(make(tmp_path), meaning)


# --- tables of labels: what they say, as bytes, and what that means for six images


def lines(header="file,label", end="\n", separator=",", rows=None):
    rows = PAIRS if rows is None else rows
    return end.join([header.replace(",", separator), *(separator.join(row) for row in rows)]) + end


BOM = b"\xef\xbb\xbf"
TABLES = {
    "a mark of UTF-8, semicolons, ends of Windows": (BOM + lines(end="\r\n", separator=";").encode(), R3),
    "UTF-16 of Excel": (lines(separator="\t").encode("utf-16"), R3),
    "a mark of UTF-8 before a quote": (BOM + lines('"file","label"').encode(), R3),
    "ends of old Macs": (lines(end="\r").encode(), R3),
    "ends of both kinds": (lines().replace("\n", "\r\n", 3).encode(), R3),
    "empty lines between": (lines(end="\n\n").encode(), R3),
    "a line of commas at the end": ((lines() + ",\n,\n").encode(), R3),
    "a quote doubled in a label": (
        lines(rows=[(n, '"a ""cat"""' if k == "cat" else "dog") for n, k in PAIRS]).encode(),
        {"rule": {'a "cat"': 3, "dog": 3}},
    ),
    "a line break in quotes, in a column that nobody reads": (
        lines("file,caption,label", rows=[(n, f'"a\n{k}"', k) for n, k in PAIRS]).encode(),
        R3,
    ),
    "a line break in a label": (
        lines(rows=[(n, '"a\ncat"' if k == "cat" else "dog") for n, k in PAIRS]).encode(),
        {"rule": {"a\ncat": 3, "dog": 3}},
    ),
    "a separator in quotes": (
        lines(rows=[(n, '"cat, big"' if k == "cat" else "dog") for n, k in PAIRS]).encode(),
        {"rule": {"cat, big": 3, "dog": 3}},
    ),
    "rows twice": (lines(rows=2 * PAIRS).encode(), R3),
    "rows that disagree": (
        lines(rows=[*PAIRS, ("0.png", "dog")]).encode(),
        r"line 8: '0.png' is 'dog' here and 'cat' in line 2; keep one",
    ),
    "rows that disagree behind a line break": (
        lines(
            "file,caption,label", rows=[("0.png", '"a\nb"', "cat"), ("1.png", "c", "dog"), ("0.png", "d", "dog")]
        ).encode(),
        r"line 5: '0.png' is 'dog' here and 'cat' in line 3; keep one",
    ),
    "the same image by two names": (
        lines(rows=[*PAIRS, ("./0.png", "dog")]).encode(),
        r"'./0.png' is 'dog' here and 'cat' in line 2; keep one",
    ),
    "fractions for classes": (
        lines(rows=[(n, f"{at % 2}.0") for at, n in enumerate(NAMES)]).encode(),
        {"rule": C0},
    ),
    "numbers in the manner of science": (
        lines(rows=[(n, f"{at % 2}e0") for at, n in enumerate(NAMES)]).encode(),
        {"rule": {"0e0": 3, "1e0": 3}},
    ),
    "true and false": (
        lines(rows=[(n, str(bool(at % 2))) for at, n in enumerate(NAMES)]).encode(),
        {"rule": {"False": 3, "True": 3}},
    ),
    "an index of pandas before": (
        lines(",file,label", rows=[(str(at), n, k) for at, (n, k) in enumerate(PAIRS)]).encode(),
        R3,
    ),
    "blanks around all": (
        lines(" file , label ", rows=[(f" {n} ", f" {k} ") for n, k in PAIRS]).encode(),
        R3,
    ),
    "a header of one quote too many": (
        b'file,"label\n' + lines(header="0.png,cat").encode(),
        "quote is opened and never closed",
    ),
    "a separator said in the first line": (b"sep=;\n" + lines(separator=";").encode(), R3),
    "comments": (b"# made by hand\n" + lines().encode(), "line 2: 2 fields, the header has 1; mend that line"),
    "a list in each cell": (
        lines(rows=[(n, f'"[""{k}""]"') for n, k in PAIRS]).encode(),
        {"rule": {'["cat"]': 3, '["dog"]': 3}},
    ),
    "several labels with bars between": (
        lines(rows=[(n, f"{k}|pet") for n, k in PAIRS]).encode(),
        {"rule": {"cat|pet": 3, "dog|pet": 3}},
    ),
    "a null in the text": (lines().replace("dog", "d\0g").encode(), "holds zero bytes"),
    "nothing at all": (b"", "have no labels"),
    "nothing but a header": (b"file,label\n", "have no labels"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_what_its_owner_would_say(tmp_path, name):
    data, meaning = TABLES[name]
    root = grow(tmp_path / "set", *NAMES)
    (root / "labels.csv").write_bytes(data)
    if meaning == "have no labels":
        dataset = opened(root)
        assert any(meaning in note for note in dataset.notes)
        assert counted(dataset) == {"all": {None: 6}}
        return
    _check(root, meaning)


JSON = {
    "metadata.jsonl with objects inside": (
        "metadata.jsonl",
        [{"file_name": n, "label": k, "box": {"x": 1, "of": [1, 2]}} for n, k in PAIRS],
        R3,
    ),
    "metadata.jsonl with a label in an object": (
        "metadata.jsonl",
        [{"file_name": n, "label": {"name": k}} for n, k in PAIRS],
        {"rule": {'{"name": "cat"}': 3, '{"name": "dog"}': 3}},
    ),
    "metadata.jsonl with labels that are true or false": (
        "metadata.jsonl",
        [{"file_name": n, "label": k == "cat"} for n, k in PAIRS],
        {"rule": {"false": 3, "true": 3}},
    ),
    "metadata.jsonl with rows of other keys": (
        "metadata.jsonl",
        [{"file_name": n, "label": k} | ({"note": "x"} if k == "cat" else {}) for n, k in PAIRS],
        R3,
    ),
    "metadata.jsonl with texts in Unicode escapes": (
        "metadata.jsonl",
        [{"file_name": n, "label": "caf\u00e9" if k == "cat" else k} for n, k in PAIRS],
        {"rule": {"caf\u00e9": 3, "dog": 3}},
    ),
    "metadata.jsonl with null for a label": (
        "metadata.jsonl",
        [{"file_name": n, "label": k if at else None} for at, (n, k) in enumerate(PAIRS)],
        {"rule": {"cat": 2, "dog": 3, None: 1}},
    ),
}


@pytest.mark.parametrize("name", JSON)
def test_lines_of_json_say_what_their_owner_would_say(tmp_path, name):
    file, rows, meaning = JSON[name]
    root = grow(tmp_path / "set", *NAMES)
    (root / file).write_text("\n".join(map(json.dumps, rows)))
    _check(root, meaning)


# --- Parquet

CONTENT = [{"bytes": picture(at), "path": f"{at}.png"} for at in range(6)]
PARQUET = {
    "images as categories": (
        {"image": pa.array([picture(at) for at in range(6)]).dictionary_encode(), "label": KINDS},
        R3,
    ),
    "labels as categories": ({"image": CONTENT, "label": pa.array(KINDS).dictionary_encode()}, R3),
    "labels as categories of numbers": (
        {"image": CONTENT, "label": pa.array([0, 1] * 3).dictionary_encode()},
        {"rule": C0},
    ),
    "labels that are true or false": ({"image": CONTENT, "label": [True, False] * 3}, {"rule": C0}),
    "labels in lists of one": ({"image": CONTENT, "label": [[k] for k in KINDS]}, R3),
    "labels in lists of two": (
        {"image": CONTENT, "label": [[k, "pet"] for k in KINDS]},
        "holds lists of labels, up to 2",
    ),
    "labels in objects": ({"image": CONTENT, "label": [{"name": k} for k in KINDS]}, "which is no label"),
    "labels that are fractions": ({"image": CONTENT, "label": [0.0, 1.0] * 3}, {"rule": C0}),
    "labels that are measures": ({"image": CONTENT, "label": [0.5, 1.0] * 3}, "a measure and no class"),
    "labels with gaps": (
        {"image": CONTENT, "label": [None, *KINDS[1:]]},
        {"rule": {"cat": 2, "dog": 3, None: 1}},
    ),
    "labels as dates": (
        {"image": CONTENT, "label": pa.array([0, 1] * 3, pa.date32())},
        {"rule": {"1970-01-01": 3, "1970-01-02": 3}},
    ),
    "images in a list of one": ({"image": [[one] for one in CONTENT], "label": KINDS}, "no image"),
    "texts in another form of Arrow": (
        {"image": CONTENT, "label": pa.array(KINDS, pa.large_string())},
        R3,
    ),
}


@pytest.mark.parametrize("name", PARQUET)
def test_a_parquet_file_says_what_its_owner_would_say(tmp_path, name):
    columns, meaning = PARQUET[name]
    (tmp_path / "set").mkdir()
    pq.write_table(pa.table(columns), tmp_path / "set" / "rows.parquet")
    _check(tmp_path / "set", meaning)


# --- names on the disk


def _links(root):
    (root / "cat" / "again").symlink_to(root, target_is_directory=True)
    (root / "dog" / "up").symlink_to("..", target_is_directory=True)
    (root / "loop").symlink_to("loop")
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")


def _hidden(root):
    for name in (".cat/0.png", "cat/.9.png", "cat/._0.png", ".DS_Store", "dog/Thumbs.db", ".git/x.png"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(picture(50))


def _renamed(root, **names):
    for old, new in names.items():
        (root / old).rename(root / new)


TREES = {
    "loops of links": (_links, R3),
    "hidden files": (_hidden, R3),
    "a class with a line break": (lambda r: _renamed(r, cat="c\nat"), {"rule": {"c\nat": 3, "dog": 3}}),
    "a class from right to left": (
        lambda r: _renamed(r, cat="\u200f\u05d7\u05ea\u05d5\u05dc"),
        {"rule": {"\u200f\u05d7\u05ea\u05d5\u05dc": 3, "dog": 3}},
    ),
    "a class that turns the line around": (
        lambda r: _renamed(r, cat="c\u202eat"),
        {"rule": {"c\u202eat": 3, "dog": 3}},
    ),
    "a class in markup": (lambda r: _renamed(r, cat="[red]<b>"), {"rule": {"[red]<b>": 3, "dog": 3}}),
    "a class in the control characters of a terminal": (
        lambda r: _renamed(r, cat="\x1b[31mcat"),
        {"rule": {"\x1b[31mcat": 3, "dog": 3}},
    ),
    "a class of 200 letters": (lambda r: _renamed(r, cat="c" * 200), {"rule": {"c" * 200: 3, "dog": 3}}),
    "a class that begins with a dash": (lambda r: _renamed(r, cat="--cat"), {"rule": {"--cat": 3, "dog": 3}}),
    "a class that is a blank": (lambda r: _renamed(r, cat=" "), {"rule": {" ": 3, "dog": 3}}),
    "suffixes of any case": (
        lambda r: [(r / f"cat/{at}.png").rename(r / f"cat/{at}.{s}") for at, s in enumerate(("PNG", "Png", "pNG"))],
        R3,
    ),
    "names with line breaks": (lambda r: (r / "cat/0.png").rename(r / "cat/a\nb.png"), R3),
    "names from right to left and in markup": (
        lambda r: [
            (r / f"cat/{at}.png").rename(r / f"cat/{n}.png") for at, n in enumerate(("\u202egnp", "[red]", "<b>"))
        ],
        R3,
    ),
    "a folder called like an image": (lambda r: (r / "cat/odd.png").mkdir(), R3),
    "a folder called like an image, with images": (
        lambda r: grow(r, "cat/odd.png*2"),
        {"rule": {"cat": 5, "dog": 3}},
    ),
    "a folder called like an archive": (lambda r: grow(r, "dog/more.zip*1"), {"rule": {"cat": 3, "dog": 4}}),
    "hard links": (lambda r: os.link(r / "cat/0.png", r / "cat/again.png"), {"rule": {"cat": 4, "dog": 3}}),
}


@pytest.mark.parametrize("name", TREES)
def test_names_on_the_disk_cost_no_image(tmp_path, name):
    change, meaning = TREES[name]
    change(root := grow(tmp_path / "set", "cat*3", "dog*3"))
    dataset = _check(root, meaning)
    assert "\n" not in dataset.accounting.sentence
    assert "\x1b" not in "".join(dataset.notes)


# --- images


def _png(array, mode=None, **options):
    file = io.BytesIO()
    Image.fromarray(np.asarray(array), mode).save(file, "PNG", **options)
    return file.getvalue()


def _gif(frames):
    file = io.BytesIO()
    pictures = [Image.new("P", (4, 4), index) for index in range(frames)]
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=5)
    return file.getvalue()


def _jpeg(mode, size=(9, 5), **options):
    file = io.BytesIO()
    Image.new(mode, size, 0).save(file, "JPEG", **options)
    return file.getvalue()


def _rotated(turn, size=(9, 5)):
    exif = Image.Exif()
    exif[0x0112] = turn
    return _jpeg("RGB", size, exif=exif)


IMAGES = {
    "nothing": (b"", "the file is empty"),
    "a byte": (b"\xff", "is not an image"),
    "the first bytes of a PNG": (picture(0)[:20], "Truncated"),
    "half of a PNG": (picture(0)[: len(picture(0)) // 2], "cut short|truncated|damaged|broken"),
    "one pixel": (_png(np.zeros((1, 1, 3), np.uint8)), (1, 1)),
    "30,000 x 1": (_png(np.zeros((1, 30_000, 3), np.uint8)), (30_000, 1)),
    "1 x 30,000": (_png(np.zeros((30_000, 1, 3), np.uint8)), (1, 30_000)),
    "sixteen bits": (_png(np.full((5, 9), 40_000, np.uint16)), (9, 5)),
    "one bit": (_png(np.ones((5, 9), bool)), (9, 5)),
    "grey with transparency": (_png(np.zeros((5, 9, 2), np.uint8), "LA"), (9, 5)),
    "a palette with transparency": (_png(np.zeros((5, 9), np.uint8), "P", transparency=0), (9, 5)),
    "an animation": (_gif(3), (4, 4)),
    "four inks": (_jpeg("CMYK"), (9, 5)),
    "turned by its camera": (_rotated(6), (5, 9)),
    "turned by no number that means a turn": (_rotated(77), (9, 5)),
    "a JPEG with bytes behind its end": (_jpeg("RGB") + b"junk" * 50, (9, 5)),
    "a progressive JPEG that is cut": (
        _jpeg("RGB", (400, 300), progressive=True, quality=95)[:300],
        "cut short|truncated|damaged|broken",
    ),
    "a web page": (b"<!DOCTYPE html><html></html>", "web page"),
    "a pointer of git lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n",
        "a pointer of Git LFS",
    ),
}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_upright_rgb_or_rejected_with_a_reason_and_its_neighbours_are_kept(tmp_path, name):
    data, expected = IMAGES[name]
    root = grow(tmp_path / "set", "train/cat*2", "train/dog*2", "test/cat*1", "test/dog*1")
    (root / "test/cat/odd.jpg").write_bytes(data)
    source = open_dataset(str(root), None).source("test")
    assert len(source.listing) == 3
    at = next(row for row, one in enumerate(source.listing.names) if one.endswith("odd.jpg"))
    if isinstance(expected, str):
        with pytest.raises(Undecodable, match=expected) as caught:
            source.image(at)
        assert "\n" not in str(caught.value)
    else:
        image = source.image(at)
        assert (image.mode, image.size) == ("RGB", expected)
    for row in {0, 1, 2} - {at}:
        source.image(row)

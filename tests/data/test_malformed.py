"""Archives, shards and tables that are damaged anywhere are read as far as they can be, or refused in one sentence."""

import bz2
import gzip
import io
import json
import lzma
import random
import tarfile
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_archives import entry, packed, zipped
from trees import grow, picture

from gapscope.core.errors import GapscopeError
from gapscope.data.catalogue import open_dataset
from gapscope.data.source import Undecodable

ROUNDS = 60
PIECES = (b"\0" * 8, b"\xff" * 8, b"../../..", b"99999999", b"77777777")


def shard(tree):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for key in range(4):
            entry(archive, f"{key}.png", picture(key))
            entry(archive, f"{key}.json", json.dumps({"label": key % 2, "more": {"x": 1}}).encode())
    return file.getvalue()


def rows(tree):
    return [(path.relative_to(tree).as_posix(), path.parent.name) for path in sorted(tree.rglob("*.png"))]


def parquet(tree):
    file = io.BytesIO()
    pq.write_table(pa.table(dict(zip(("path", "label"), zip(*rows(tree), strict=True), strict=True))), file)
    return file.getvalue()


KINDS = {
    "set.tar": packed,
    "set.tar.gz": lambda tree: gzip.compress(packed(tree)),
    "set.tar.bz2": lambda tree: bz2.compress(packed(tree)),
    "set.tar.xz": lambda tree: lzma.compress(packed(tree)),
    "set.zip": lambda tree: zipped(tree.parent / "z", {n: (tree / n).read_bytes() for n, _ in rows(tree)}).read_bytes(),
    "test-0000.tar": shard,
    "tree/rows.csv": lambda tree: "\n".join(["path,label", *map(",".join, rows(tree))]).encode(),
    "tree/rows.jsonl": lambda tree: "\n".join(json.dumps({"image": n, "label": c}) for n, c in rows(tree)).encode(),
    "tree/rows.parquet": parquet,
}


def damaged(data, dice):
    """`data` with some bytes changed, cut out, cut off or put in."""
    data = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 5, 20))):
        if not data:
            break
        at = dice.randrange(len(data))
        match dice.randrange(5):
            case 0:
                data[at] = dice.randrange(256)
            case 1:
                del data[at:]
            case 2:
                del data[at : at + dice.randrange(1, 600)]
            case 3:
                data[at:at] = dice.randbytes(dice.randrange(1, 40))
            case 4:
                data[at : at + 8] = dice.choice(PIECES)
    return bytes(data)


def read(place):
    """Read all there is, as an extraction does."""
    dataset = open_dataset(str(place), place.parent)
    for split in dataset.splits:
        source = dataset.source(split)
        source.stamps()
        for row in range(len(source.listing)):
            with suppress(Undecodable):
                source.image(row)
    assert "\n" not in dataset.accounting.sentence


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_damaged_ends_in_one_sentence(kind, tmp_path):
    whole = KINDS[kind](grow(tmp_path / "tree", "test/cat*2", "test/dog*2"))
    dice = random.Random(kind)
    for _ in range(ROUNDS):
        (tmp_path / kind).write_bytes(damaged(whole, dice))
        with suppress(GapscopeError):  # whose messages have one line
            read(tmp_path / kind)


def test_names_that_no_file_may_have_are_rejected(tmp_path):
    place = grow(tmp_path / "tree", "cat*1") / "rows.jsonl"
    place.write_text("\n".join(json.dumps({"image": name, "label": "cat"}) for name in ("cat/0.png", "cat/\0.png")))
    source = open_dataset(str(place), None).openers["train"].func.__self__.whole()
    with pytest.raises(Undecodable, match="is no name that a file may have"):
        source.read([name.count("\0") for name in source.listing.names].index(1))

"""What becomes of input files with a mistake in them: a sentence, or the same rows as before, never a traceback.

    python benchmarks/mutations.py                   10,000 files of twenty kinds
    python benchmarks/mutations.py --files 400       a few, to see that it runs
    python benchmarks/mutations.py --kinds features  those of features alone

Each file is a valid one with one mutation: bits, bytes, lines and numbers are changed, left out, doubled or swapped,
the file is cut or written in another encoding. A reader may refuse it with a sentence (`GapscopeError`); any other
exception is a fault. If it reads the file, each row whose line was not mutated must be what it was before. Files of
numbers hold no digest, so that of these only tracebacks are counted, and rows that vanish: as many must be stored and
rejected as the file says it has.
"""

import argparse
import contextlib
import io
import json
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import zarr
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

from gapscope.core.errors import GapscopeError
from gapscope.core.location import Location
from gapscope.data.catalogue import open_dataset
from gapscope.formats.open import open_tables
from gapscope.jobs.command_line import execute
from gapscope.jobs.import_features import ImportFeaturesConfig, build
from gapscope.jobs.import_features import run as import_csv
from gapscope.predictions import read_predictions
from gapscope.predictions.valid_labels import read_valid_labels
from gapscope.store import Piece, open_store
from gapscope.store.selection import read_selection

ROWS = 40
CLASSES = ("cat", "dog", "owl")
ODD = (b"", b"nan", b"inf", b"-1", b"1e400", b"9" * 20, b"0x10", b"\xff", b"\0", b'"', b"'", b"null", b"[")
MARKS = b',;"\n\r\t\0{}[]:-. \xff\xfe'


class Kind(NamedTuple):
    """A kind of file: a valid one, and how it is read.

    Attributes
    ----------
    rows
        From the file to its rows by name; what a row is decides whether two are the same. Empty where only tracebacks
        are looked for.
    name_of
        From a line of the file to the name of its row; None where a line is no row.
    """

    file: str
    content: bytes
    rows: Callable[[Path], Mapping[str, Any]]
    name_of: Callable[[bytes], str | None] = lambda line: None


def lines(header: str, rows: list[str]) -> bytes:
    """A text of a header and rows."""
    return "".join(f"{line}\n" for line in (header, *rows)).encode()


def first_cell(line: bytes) -> str | None:
    """The name of a row that stands first in its line."""
    return line.split(b",")[0].decode(errors="replace")


def predicted(path: Path) -> dict[str, Any]:
    """Label, best class and confidence of each image."""
    table = read_predictions(str(path))
    names = table.class_names
    confidence = table.confidence if table.confidence is not None else [None] * len(table.label)
    images = table.image.to_pylist() if table.image is not None else map(str, table.sample_id.tolist())
    return {
        str(image): (names[label] if label >= 0 else "", names[top[0]], round(float(sure or 0), 4))
        for image, label, top, sure in zip(images, table.label, table.top, confidence, strict=True)
    }


def selected(path: Path) -> dict[str, Any]:
    """The images that a file of ids lists."""
    ids = read_selection(Location.of(path)).ids
    return {f"{one}|{'/'.join(name)}": True for name, of_set in ids.items() for one in of_set.tolist()}


def valid(path: Path) -> dict[str, Any]:
    """The valid classes of each image, where the file names its images."""
    found = read_valid_labels(str(path), CLASSES)
    return {} if found.sample_id is None else dict(enumerate(found.classes.tolist()))


def imported(path: Path) -> dict[str, Any]:
    """The features and the label of each row of a CSV file; that a quote swallows all that follows is a refusal."""
    with tempfile.TemporaryDirectory() as folder:
        import_csv(
            ImportFeaturesConfig((str(path),), dataset="d", workspace=folder, on_bad_row="reject", dtype="float32")
        )
        (manifest,) = Path(folder).glob("embeddings/*/*/*/manifest.json")
        store = open_store(Location.of(manifest.parent))
        chunk, names = store.view().read(), store.class_names
        if swallowed := [one for one in store.rejected() if "never closed" in one["reason"]]:
            raise GapscopeError(swallowed[0]["reason"])
        paths = store.paths(Piece(0, store.rows))
        labels = [names[one] if one >= 0 else "" for one in chunk.y.tolist()]
        return {name: (label, x.tolist()) for name, label, x in zip(paths, labels, chunk.x, strict=True)}


def features(path: Path) -> dict[str, Any]:
    """Nothing; every row that the file says it has is stored or rejected."""
    with tempfile.TemporaryDirectory() as folder:
        place = next((one for one in path.parents if one.name in ("x.zarr", "saved")), path)
        config = ImportFeaturesConfig((str(place),), dataset="d", workspace=folder, on_bad_row="reject")
        rows = sum(table.rows for table in open_tables(config.files, config.split)[1])
        manifest = build(config)
        if manifest.rows + manifest.rejected != rows:
            raise RuntimeError(f"of {rows} rows {manifest.rows} are stored and {manifest.rejected} rejected")
    return {}


def beside(path: Path) -> dict[str, Any]:
    """Nothing; labels beside features are read, or refused."""
    with tempfile.TemporaryDirectory() as folder:
        x = np.zeros((ROWS, 5), np.float32)
        build(ImportFeaturesConfig(x, labels=str(path), dataset="d", workspace=folder, on_bad_row="reject"))
    return {}


def binary(folder: Path, rng: np.random.Generator) -> dict[str, Kind]:
    """Files of features in every format that is one file."""
    x, label = rng.standard_normal((ROWS, 5)).astype(np.float32), np.array([CLASSES[n % 3] for n in range(ROWS)])
    columns = {"embedding": x.tolist(), "label": label.tolist()}
    np.save(folder / "x.npy", x)
    np.save(folder / "label.npy", label)
    np.savez(folder / "x.npz", x=x, label=label)
    np.savez_compressed(folder / "compressed.npz", x=x, label=label)
    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(16, 5), compression="gzip")
        file.create_dataset("label", data=label.astype("S"))
    pq.write_table(pa.table(columns), folder / "x.parquet", row_group_size=16)
    feather.write_feather(pa.table(columns), folder / "x.feather", chunksize=16)
    zarr.create_array(folder / "x.zarr", data=x, chunks=(16, 5))
    (folder / "saved").mkdir()
    with pa.ipc.new_stream(folder / "saved" / "data.arrow", pa.table(columns).schema) as stream:
        stream.write_table(pa.table(columns), max_chunksize=16)
    (folder / "saved" / "state.json").write_text('{"_data_files": [{"filename": "data.arrow"}]}')
    names = (
        *("x.npy", "x.npz", "compressed.npz", "x.h5", "x.parquet", "x.feather"),
        *("x.zarr/zarr.json", "x.zarr/c/0/0", "saved/state.json", "saved/data.arrow"),
    )
    kinds = {f"features, {name}": Kind(name, (folder / name).read_bytes(), features) for name in names}
    kinds["labels beside, .npy"] = Kind("label.npy", (folder / "label.npy").read_bytes(), beside)
    return kinds | {"labels beside, text": Kind("label.txt", "\n".join(label).encode(), beside)}


def labelled(path: Path) -> dict[str, Any]:
    """The class of each image that a table of labels names."""
    dataset = open_dataset(str(path.parent / "images"), path.parent, labels=path)
    found = {}
    for split in dataset.splits:
        listing = dataset.source(split).listing
        names = (listing.class_names[one] if one >= 0 else "" for one in listing.labels.tolist())
        found |= dict(zip((Path(one).name for one in listing.names), names, strict=True))
    return found


def configured(path: Path) -> dict[str, Any]:
    """Nothing; the command says what is wrong with its options, or runs."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = execute(["runs", "--config", str(path)])
    if code == 2:
        raise GapscopeError(said.getvalue().strip())
    return {}


def parquet(columns: Mapping[str, Any]) -> bytes:
    """A Parquet file as another program writes it."""
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def kinds(folder: Path) -> dict[str, Kind]:
    """A valid file of each kind; those of images lie in `folder`."""
    rng = np.random.default_rng(0)
    best, sure = rng.integers(0, 3, ROWS), rng.uniform(0.4, 1, ROWS).round(4)
    rows = [(f"{n}.png", CLASSES[n % 3], CLASSES[best[n]], float(sure[n])) for n in range(ROWS)]
    features = rng.standard_normal((ROWS, 5)).round(4).tolist()
    (folder / "images").mkdir(parents=True)
    for n in range(ROWS):
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).save(folder / "images" / f"{n}.png")
    names = ("image", "label", "prediction", "confidence")
    as_lines = [",".join(map(str, row)) for row in rows]
    ids = [f"{n},toys,test" for n in range(ROWS)]
    plain = {"image": [row[0] for row in rows], "labels": [[row[1]] for row in rows]}
    in_columns = {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    numbers = [f"{n}.png,{CLASSES[n % 3]},{','.join(map(str, x))}" for n, x in enumerate(features)]
    return {
        "predictions, CSV": Kind("p.csv", lines(",".join(names), as_lines), predicted, first_cell),
        "predictions, JSON": Kind(
            "p.json", json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=0).encode(), predicted
        ),
        "predictions, Parquet": Kind("p.parquet", parquet(in_columns), lambda path: predicted(path) and {}),
        "features, CSV": Kind("f.csv", lines("path,label,f0,f1,f2,f3,f4", numbers), imported, first_cell),
        "ids, CSV": Kind(
            "i.csv",
            lines("sample_id,dataset,split", ids),
            selected,
            lambda line: f"{first_cell(line)}|toys/test",
        ),
        "labels of images, CSV": Kind(
            "l.csv", lines("image,label", [f"{row[0]},{row[1]}" for row in rows]), labelled, first_cell
        ),
        "valid labels, JSON": Kind("v.json", json.dumps(plain).encode(), valid),
        "options, YAML": Kind("o.yaml", b"workspace: /nowhere/at/all\n# a comment\n", configured),
    } | binary(folder, rng)


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """`content` with one mutation."""
    place = int(rng.integers(len(content)))
    rest = content[place + 1 :]
    match int(rng.integers(10)):
        case 0:
            return content[:place] + bytes([content[place] ^ (1 << int(rng.integers(8)))]) + rest
        case 1:
            return content[:place] + rest
        case 2:
            return content[:place] + bytes([MARKS[int(rng.integers(len(MARKS)))]]) + content[place:]
        case 3:
            return content[:place]
        case 4:
            return content[:place] + bytes([MARKS[int(rng.integers(len(MARKS)))]]) + rest
        case 5:
            stop = min(len(content), place + int(rng.integers(1, 40)))
            return content[:stop] + content[place:stop] + content[stop:]
        case 6:
            return content[:place] + content[place + int(rng.integers(1, 40)) :]
        case 7:
            return _cell_changed(content, place, rng)
        case 8:
            return _line_moved(content, rng)
        case _:
            return _written_otherwise(content, rng)


def _cell_changed(content: bytes, place: int, rng: np.random.Generator) -> bytes:
    ends = b",\n:"
    start = max(content.rfind(bytes([end]), 0, place) for end in ends) + 1
    stops = [stop for end in ends if (stop := content.find(bytes([end]), place)) >= 0]
    return content[:start] + ODD[int(rng.integers(len(ODD)))] + content[min(stops, default=len(content)) :]


def _line_moved(content: bytes, rng: np.random.Generator) -> bytes:
    parts = content.split(b"\n")
    one, other = rng.integers(len(parts), size=2).tolist()
    parts[one], parts[other] = parts[other], parts[one]
    return b"\n".join(parts)


def _written_otherwise(content: bytes, rng: np.random.Generator) -> bytes:
    text = content.decode("latin-1")
    return [
        b"\xef\xbb\xbf" + content,
        text.encode("utf-16"),
        content.replace(b"\n", b"\r\n"),
        content.replace(b",", b";"),
        content + content,
        b"",
    ][int(rng.integers(6))]


def changed_rows(kind: Kind, before: Mapping[str, Any], after: Mapping[str, Any], spoilt: bytes) -> list[str]:
    """Rows whose lines, and the header, stand unchanged and once in the mutated file, and that are read otherwise."""
    whole, now = kind.content.splitlines(), spoilt.splitlines()
    if not before or now[:1] != whole[:1]:
        return []
    named: dict[str, list[bytes]] = {}
    for line in now[1:]:
        named.setdefault(kind.name_of(line) or "", []).append(line)
    untouched = [name for line in whole[1:] if (name := kind.name_of(line)) and named.get(name) == [line]]
    return [name for name in untouched if after.get(name) != before.get(name)]


class Tally(NamedTuple):
    """What became of the mutated files of a kind."""

    kind: str
    files: int
    refused: int
    read: int
    faults: list[str]


def attempt(kind: Kind, before: Mapping[str, Any], spoilt: bytes, folder: Path) -> str:
    """``refused``, ``read``, or what is wrong."""
    path = folder / kind.file
    path.write_bytes(spoilt)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            after = kind.rows(path)
    except GapscopeError as error:
        return "refused" if "\n" not in str(error) else f"a message of several lines: {error}"
    except Exception:  # noqa: BLE001  # whatever it is, it is counted
        return traceback.format_exc(limit=-3)
    rows = changed_rows(kind, before, after, spoilt)
    return f"rows {rows[:3]} changed without a word" if rows else "read"


def measure(files: int, seed: int = 0, keep: Path | None = None, only: str = "") -> list[Tally]:
    """So many mutated files, as many of each kind whose name begins with `only`; those with a fault go to `keep`."""
    results = []
    with tempfile.TemporaryDirectory() as place:
        chosen = {name: kind for name, kind in kinds(Path(place)).items() if name.startswith(only)}
        for name, kind in chosen.items():
            path = Path(place) / kind.file
            path.write_bytes(kind.content)
            before, said = kind.rows(path), []
            for number in range(files // len(chosen)):
                spoilt = mutated(kind.content, np.random.default_rng([seed, len(results), number]))
                said.append(attempt(kind, before, spoilt, Path(place)))
                if keep is not None and said[-1] not in ("refused", "read"):
                    (keep / f"{number}-{kind.file}").write_bytes(spoilt)
            path.write_bytes(kind.content)
            faults = [one for one in said if one not in ("refused", "read")]
            results.append(Tally(name, len(said), said.count("refused"), said.count("read"), faults))
    return results


def main() -> None:
    """Print one JSON object for each kind; the exit code says whether there was no fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--keep", type=Path, help="folder for the files that show a fault")
    parser.add_argument("--kinds", default="", help="how the names of the kinds begin")
    given = parser.parse_args()
    results = measure(given.files, keep=given.keep, only=given.kinds)
    for result in results:
        print(json.dumps(result._asdict()))
    sys.exit(any(one.faults for one in results))


if __name__ == "__main__":
    main()

"""A workspace whose writers are killed at random moments, two at a time, ends as an undisturbed one.

    python benchmarks/reliability.py                            100 kills of each command
    python benchmarks/reliability.py --kills 3 --only extract   a few of one, to see that it runs
    python benchmarks/reliability.py --kills 4 --images 3000 --rows 45000 > benchmarks/results/reliability.txt

In each round two processes are started with the same command. One gets the lease of the folder; the other ends with a
sentence that names the first. Both are killed after a random time, until as many kills have been made as were wanted;
then the command runs to its end. Stores must have the rows and digests of one that nobody disturbed, runs the same
models and tables but for the clock's, and nothing may be left beside them. Flipped bits are sampled by
`tests/verification` (`--runslow` for more).
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.forked import Forked, Server, forking
from gapscope.core.location import Location
from gapscope.schemas.embeddings import Fingerprint, Provenance, Tensor, embedding_schema
from gapscope.store import StoreWriter, open_store
from gapscope.store.write import embedding_column
from gapscope.verification import verify_workspace
from gapscope.words.bank import CLASS_GROUP, bank

# What commands load before they write.
LOADED = ("gapscope.jobs.extract", "gapscope.extraction.pipeline", "gapscope.backbones", "gapscope.store.csv")
BUSY = "is being worked on by process"
# Columns of tables, and results, that say how long something took or where it lies.
CLOCK = ("seconds", "per_second", "memory", "rate", "path", "place")
CLASSES = 4
# What the time to kill at is shortened by when a command has ended before.
SOONER = 0.7


# Stands for the workspace in a command that names a file there.
WORKSPACE = "WORKSPACE"


class Command(NamedTuple):
    """A command that writes, those that make what it reads, and a function that makes more in their workspace."""

    words: list[str]
    before: Sequence[list[str]] = ()
    made: Callable[[Path], object] = str


def make_images(folder: Path, count: int) -> Path:
    """`count` random images of two classes, bright and dark ones, and a third as many for a test split."""
    rng = np.random.default_rng(0)
    for number in range(count + count // 3):
        place = folder / ("train" if number < count else "test") / ("cat", "dog")[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        low = 80 * (number % 2)
        Image.fromarray(rng.integers(low, low + 160, (24, 24, 3), np.uint8)).save(place)
    return folder


def make_csv(place: Path, rows: int, seed: int) -> Path:
    """`rows` rows of 64 features about a centre for each class, one of them bad."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((CLASSES, 64))
    values = (centres[np.arange(rows) % CLASSES] + 2 * rng.standard_normal((rows, 64))).round(4)
    lines = [f"{row % CLASSES},{','.join(map(str, value))}\n" for row, value in enumerate(values.tolist())]
    lines[3] = lines[3].replace(",", ",x", 1)
    place.write_text("label," + ",".join(f"f{number}" for number in range(64)) + "\n" + "".join(lines))
    return place


def make_arrays(folder: Path, rows: int) -> list[str]:
    """An archive of features and labels, which is a zip file, three shards of the same, and the features alone."""
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((rows, 64)).astype(np.float32), np.arange(rows) % CLASSES
    np.savez(folder / "rows.npz", x=x, label=y)
    np.save(folder / "rows.npy", x)
    for shard, part in enumerate(np.array_split(np.arange(rows), 3)):
        table = pa.table({"embedding": list(x[part]), "label": y[part]})
        pq.write_table(table, folder / f"shard-{shard}.parquet")
    return [str(folder / name) for name in ("rows.npz", "shard-*.parquet", "rows.npy")]


def make_predictions(place: Path, rows: int) -> str:
    """Answers to the rows of a file of `make_csv` that are good, three of four right."""
    rng = np.random.default_rng(6)
    lines = [f"{row},{row % CLASSES},{(row + (rng.random() < 0.25)) % CLASSES}\n" for row in range(rows) if row != 3]
    place.write_text("sample_id,label,predicted\n" + "".join(lines))
    return str(place)


def make_joint(workspace: Path) -> None:
    """Two stored sets in the space of the text tower `encoded`."""
    rng, classes = np.random.default_rng(7), ("cat", "dog")
    named = encoded([one.text for one in bank(classes) if one.group == CLASS_GROUP])
    for name, lean in (("old", 0.0), ("new", 0.5)):
        x = rng.standard_normal((400, 64)) / 8 + np.tile(named, (200, 1)) + lean * encoded(["a dark photo"])
        made = Provenance(
            backbone="towers", decoder="none", dataset=name, split="test", dim=64, dtype="float32", part_rows=400,
            seed=0, code_version="", fingerprint=Fingerprint(count=400, hash=name), class_names=list(classes),
            tensor=Tensor(joint=True),
        )  # fmt: skip
        writer = StoreWriter(Location.of(workspace / "embeddings" / "towers" / name / "test"), made)
        writer.begin()
        columns = [pa.array(np.arange(400)), pa.array([f"{row}.png" for row in range(400)]),
                   pa.array(np.arange(400) % 2, pa.int32()), embedding_column(x, "float32")]  # fmt: skip
        writer.part(0, pa.table(columns, schema=embedding_schema(64, "float32")))
        writer.finish(1)


def encoded(texts: Sequence[str]) -> np.ndarray:
    """A text tower that knows no language: a direction of its own for each text."""
    rows = [np.random.default_rng(crc32(text.encode())).standard_normal(64) for text in texts]
    return np.array(rows) / 8


def commands(folder: Path, images: int, rows: int) -> dict[str, Command]:
    """The commands by name, without their workspace."""
    pets = str(make_images(folder / "pets", images))
    size = {"train": rows, "val": rows // 4, "test": rows // 4}
    parts = ["--part-rows", str(max(500, rows // 20))]
    imports = [
        [
            *("import-csv", str(make_csv(folder / f"{split}.csv", count, seed)), "--dataset", "d", "--split", split),
            *("--on-bad-row", "reject", *parts),
        ]
        for seed, (split, count) in enumerate(size.items())
    ]
    large = ["import-csv", str(make_csv(folder / "large.csv", 10 * rows, 9)), "--dataset", "large", *imports[0][4:]]
    fit = ["fit-incremental", "d", "--checkpoint-seconds", "0", "--name", "model"]
    other = ["fit-incremental", "d", "--model", "lda", "--name", "other"]
    run, fewer = "fit-incremental-model", ["--replicates", "50"]
    sets = ["--reference", "d/val", "--target", "d/test"]
    train = ["train-cnn", pets, "--epochs", "3", "--batch-size", "16", "--network", "simple-cnn"]
    archive, shards, array = make_arrays(folder, 10 * rows)
    answers = make_predictions(folder / "answers.csv", rows // 4)
    fitted = [*imports, fit]
    by_tiny = ["--backbone", "tiny", "--part-rows", str(max(8, images // 20))]
    extract = ["extract", pets, "--split", "train", "--decode-workers", "2", "--batch-size", "4", *by_tiny]
    seen = [
        extract,
        ["extract", pets, f"{pets}+night:4", "--split", "test", *by_tiny],
        ["fit-incremental", "pets", "--model", "lda", "--name", "pets"],
    ]
    night = ["--reference", "pets/test", "--target", "pets+night:4/test"]
    return {
        "import-features of an archive": Command(["import-features", archive, "--dataset", "a", *parts]),
        "import-features of shards": Command(["import-features", shards, "--dataset", "s", *parts]),
        "import-features of an array": Command(["import-features", array, "--dataset", "n", *parts]),
        "import-predictions": Command(["import-predictions", answers, "--dataset", "d/val"], imports),
        "words": Command(
            [
                *("words", "--reference", "old/test", "--target", "new/test", "--texts", f"{WORKSPACE}/made.texts"),
                *("--encoder", f"{__name__ if __name__ != '__main__' else 'benchmarks.reliability'}:encoded"),
            ],
            made=make_joint,
        ),
        "extract": Command(extract),
        "import-csv": Command(large),
        "fit-incremental": Command(fit, imports),
        "tune": Command(["tune", "d"], imports),
        "predict": Command(["predict", run, "--dataset", "d/val"], fitted),
        "evaluate": Command(["evaluate", run, *fewer], fitted),
        "compare": Command(["compare", run, "fit-incremental-other", "--dataset", "d/test"], [*fitted, other]),
        "gate": Command(["gate", run, run, *sets], fitted),
        "gap": Command(["gap", run, *sets, *fewer], fitted),
        "shift": Command(["shift", *sets, *fewer], imports),
        "forecast": Command(["forecast", run, *sets, *fewer], fitted),
        "budget": Command(["budget", run, *sets, "--label-rows", "100"], fitted),
        "label-queue": Command(["label-queue", run, "--target", "d/test"], fitted),
        "verify-labels": Command(["verify-labels", run, "--target", "d/test"], fitted),
        "map": Command(["map", "d/test", "--method", "pca"], imports),
        "train-cnn": Command(train),
        "refit-head": Command(["refit-head", "train-cnn-pets-simple-cnn"], [train]),
        "augment": Command(["augment", pets, "--method", "mixup-pixels", "--balance", "2x"]),
        "study-modifications": Command(
            [
                *("study-modifications", pets, "--modify", "night:3", "--network", "simple-cnn", "--epochs", "2"),
                *("--seeds", "2"),
            ]
        ),
        "explain": Command(["explain", "fit-incremental-pets", *night, "--images", "100"], seen),
        "repair": Command(["repair", run, *sets], fitted),
        "report": Command(["report", run], fitted),
    }


def start(server: Server, command: list[str], workspace: Path) -> Forked:
    """The command as a process of its own."""
    errors = workspace.parent / f"said-{time.monotonic_ns()}.txt"
    words = [word.replace(WORKSPACE, str(workspace)) for word in command]
    return server.start([*words, "--workspace", str(workspace)], errors)


def finished(server: Server, command: list[str], workspace: Path) -> None:
    """Run the command to its end, which has to be a good one."""
    process = start(server, command, workspace)
    said = process.wait()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {said}")


def content(workspace: Path) -> dict[str, Any]:
    """What a workspace holds: digest, rows and rejected rows of each store, models, and tables without the clock's."""
    found: dict[str, Any] = {}
    for manifest in workspace.rglob("manifest.json"):
        if manifest.is_relative_to(workspace / "embeddings"):
            store = open_store(Location.of(manifest.parent))
            found[str(manifest.relative_to(workspace))] = (store.digest, store.rows, store.rejected())
    for place in (workspace / "runs").rglob("*") if (workspace / "runs").exists() else ():
        name = str(place.relative_to(workspace))
        if place.suffix == ".parquet":
            found[name] = timeless(pq.read_table(place))
        elif place.suffix in (".safetensors", ".npy"):
            found[name] = sha256(place.read_bytes()).hexdigest()
        elif place.is_file() and place.suffix not in (".json", ".html", ".log"):
            found[name] = "there"
    return found


def timeless(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of a table without what the clock or the folder decides; numbers as text, so that NaN equals itself."""
    names = [name for name in table.column_names if not any(word in name for word in CLOCK)]
    rows = table.select(names).to_pylist()
    rows = [row for row in rows if not any(word in str(row.get("metric", "")) for word in CLOCK)]
    return [{name: repr(value) for name, value in row.items()} for row in rows]


def fresh(before: Path, workspace: Path) -> None:
    """Make `workspace` what lies `before` the command."""
    shutil.rmtree(workspace, ignore_errors=True)
    shutil.copytree(before, workspace)


def disturbed(
    server: Server,
    command: list[str],
    before: Path,
    workspace: Path,
    kills: int,
    seconds: float,
    rng: np.random.Generator,
) -> dict[str, int]:
    """Kill pairs of the command, which takes so many `seconds`, until `kills` have been killed, then let it end;
    what happened, counted. Where one ended before its kill, the next ones begin anew and are killed sooner.
    """
    counts = {"kills": 0, "rounds": 0, "refused": 0, "ended": 0}
    while counts["kills"] < kills and counts["rounds"] < 4 * kills:
        pair = [start(server, command, workspace) for _ in range(2)]
        time.sleep(float(rng.uniform(0.2, 1)) * seconds)
        ended = counts["ended"]
        for process in pair:
            process.kill()
            said = process.wait()
            counts["refused"] += BUSY in said
            counts["ended"] += process.returncode == 0
            counts["kills"] += process.returncode == -9
        counts["rounds"] += 1
        if counts["ended"] > ended:
            seconds *= SOONER
            fresh(before, workspace)
    finished(server, command, workspace)
    return counts


def measure(kills: int, images: int, rows: int, only: Sequence[str] = (), seed: int = 0) -> Iterator[dict]:
    """A row for each command: its kills, and whether the workspace is that of an undisturbed run."""
    with tempfile.TemporaryDirectory() as place, forking(LOADED) as server:
        folder = Path(place)
        for name, (words, before, made) in commands(folder, images, rows).items():
            if only and name not in only:
                continue
            prepared = folder / "before" / sha256(repr((before, made)).encode()).hexdigest()
            if not prepared.exists():
                prepared.mkdir(parents=True)
                made(prepared)
                for command in before:
                    finished(server, command, prepared)
            calm, wild = folder / "calm", folder / "wild"
            fresh(prepared, calm)
            fresh(prepared, wild)
            began = time.monotonic()
            finished(server, words, calm)
            seconds = time.monotonic() - began
            counts = disturbed(server, words, prepared, wild, kills, seconds, np.random.default_rng(seed))
            found = verify_workspace(Location.of(wild))
            left = [*found.leftovers, *map(str, wild.rglob(".import"))]
            same = content(wild) == content(calm)
            yield {"command": name, **counts, "same": same, "damaged": len(found.findings), "left": len(left)}


def main() -> None:
    """Print one JSON object for each command; the exit code says whether all workspaces are the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0, help="Decides the moments.")
    parser.add_argument("--only", nargs="*", default=(), help="names of commands, such as gap")
    given = parser.parse_args()
    whole = True
    for one in measure(given.kills, given.images, given.rows, given.only, given.seed):
        print(json.dumps(one), flush=True)
        whole &= one["same"] and not one["damaged"] and not one["left"]
    sys.exit(not whole)


if __name__ == "__main__":
    main()

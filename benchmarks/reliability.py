"""What becomes of a store when its writers are killed at random moments, two at a time: it ends as an undisturbed one.

    python benchmarks/reliability.py                100 kills of `extract` and of `import-csv` each
    python benchmarks/reliability.py --kills 3      a few, to see that it runs

In each round two processes are started with the same command. One gets the lease of the folder; the other ends with a
sentence that names the first. Both are killed after a random time, until as many kills have been made as were wanted;
then the command runs to its end. The store must have the rows and digests of one that nobody disturbed, and nothing may
be left beside them. Flipped bits are sampled by `tests/verification` (`--runslow` for more).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

from gapscope.core.location import Location
from gapscope.store import open_store
from gapscope.verification import verify_workspace

ROOT = Path(__file__).parent.parent
BUSY = "is being worked on by process"


def make_images(folder: Path, count: int) -> Path:
    """`count` random images of two classes, and a few for a test split."""
    rng = np.random.default_rng(0)
    for number in range(count + 4):
        place = folder / ("train" if number < count else "test") / ("cat", "dog")[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8)).save(place)
    return folder


def make_csv(place: Path, rows: int) -> Path:
    """`rows` rows of 64 features, one of them bad."""
    values = np.random.default_rng(0).standard_normal((rows, 64)).round(4)
    lines = [f"{row % 5},{','.join(map(str, value))}\n" for row, value in enumerate(values.tolist())]
    lines[3] = lines[3].replace(",", ",x", 1)
    place.write_text("label," + ",".join(f"f{number}" for number in range(64)) + "\n" + "".join(lines))
    return place


def commands(folder: Path, images: int, rows: int) -> dict[str, list[str]]:
    """The commands by name, without their workspace."""
    pictures, table = make_images(folder / "pets", images), make_csv(folder / "a.csv", rows)
    return {
        "extract": [
            *("extract", str(pictures), "--split", "train", "--backbone", "tiny", "--part-rows", "8"),
            *("--decode-workers", "1", "--batch-size", "4"),
        ],
        "import-csv": [
            *("import-csv", str(table), "--dataset", "d", "--on-bad-row", "reject", "--part-rows", "500"),
        ],
    }


def start(command: list[str], workspace: Path) -> subprocess.Popen:
    """The command as a process of its own."""
    words = [sys.executable, str(ROOT / "cli.py"), *command, "--workspace", str(workspace)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def content(workspace: Path) -> tuple[str, int, list]:
    """The digest of the only store's rows, how many there are, and the rejected ones."""
    (manifest,) = (workspace / "embeddings").glob("*/*/*/manifest.json")
    store = open_store(Location.of(manifest.parent))
    return store.digest, store.rows, store.rejected()


def disturbed(
    command: list[str], workspace: Path, kills: int, seconds: float, rng: np.random.Generator
) -> dict[str, int]:
    """Kill pairs of the command, which takes so many `seconds`, until `kills` have been killed, then let it end;
    what happened, counted.
    """
    counts = {"kills": 0, "rounds": 0, "refused": 0, "ended": 0}
    while counts["kills"] < kills and counts["rounds"] < 4 * kills:
        pair = [start(command, workspace) for _ in range(2)]
        time.sleep(float(rng.uniform(0.4, 1.2)) * seconds)
        for process in pair:
            process.kill()
            said = process.communicate()[1]
            counts["refused"] += BUSY in said
            counts["ended"] += process.returncode == 0
            counts["kills"] += process.returncode == -9
        counts["rounds"] += 1
    last = start(command, workspace)
    out = last.communicate()
    if last.returncode:
        raise SystemExit(f"the last run failed: {out[1]}")
    return counts


def measure(kills: int, images: int, rows: int, seed: int = 0) -> list[dict]:
    """A row for each command: its kills, and whether the store is that of an undisturbed run."""
    results = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, command in commands(folder, images, rows).items():
            calm, wild = folder / f"{name}-calm", folder / f"{name}-wild"
            began = time.monotonic()
            start(command, calm).communicate()
            counts = disturbed(command, wild, kills, time.monotonic() - began, np.random.default_rng(seed))
            found = verify_workspace(Location.of(wild))
            left = [*found.leftovers, *map(str, wild.rglob(".import"))]
            same = content(wild) == content(calm)
            results.append({"command": name, **counts, "same": same, "damaged": len(found.findings), "left": len(left)})
    return results


def main() -> None:
    """Print one JSON object for each command; the exit code says whether all stores are the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--rows", type=int, default=20_000)
    given = parser.parse_args()
    results = measure(given.kills, given.images, given.rows)
    for result in results:
        print(json.dumps(result))
    sys.exit(not all(one["same"] and not one["damaged"] and not one["left"] for one in results))


if __name__ == "__main__":
    main()

"""What training on a proven cause wins back, through features and through a network: a table of `docs/remedies.md`.

    python -m benchmarks.cause_training run ../shared/data FOLDER --weights FILE --rows 5000 --seeds 0 1
    python -m benchmarks.cause_training table

Of CIFAR-10 the images of `--rows` a split are used, and the target are its test images after the cause. Heads are
trained on stored features, networks on images; each on plain images, on plain and modified ones, and on modified ones
alone, with all their labels. The seed decides which images, and the training.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import process_time

import numpy as np

from gapscope.jobs import run_job

RESULTS = Path(__file__).parent / "results" / "cause_training.json"
PLAIN, BOTH, TARGET = "plain images", "plain and modified images", "modified images, with all their labels"
Row = Mapping[str, object]


def study(data: Path, folder: Path, *, weights: Path, rows: int, cause: str, epochs: int, seed: int) -> list[Row]:
    """Accuracy on the plain and on the modified test images, of heads and networks trained in three ways."""
    plain = f"cifar10@{rows}"
    modified = f"{plain}+{cause}"
    place = {"workspace": str(folder / f"seed-{seed}"), "seed": seed}
    tests = (f"{plain}/test", f"{modified}/test")
    run_job(
        "extract",
        {
            "dataset": (plain, modified),
            "backbone": "mobilenetv2_100",
            "weights": str(weights),
            "backbone_args": ("input_size=3,64,64",),
            "attributes": False,
            "data_root": data,
            **place,
        },
    )
    head = {"model": ("softmax",), "evaluate": tests, "report": False, **place}
    trained = {
        PLAIN: (f"{plain}/train",),
        BOTH: (f"{plain}/train", f"{modified}/train"),
        TARGET: (f"{modified}/train",),
    }
    found = []
    for number, (way, sets) in enumerate(trained.items()):
        options = {"dataset": sets, "name": f"head-{number}", **head}
        found.append(_measured("head on features", way, "fit-incremental", options, tests, seed))
    network = {
        "network": "simple-cnn",
        "epochs": epochs,
        "device": "cpu",
        "evaluate": tests,
        "data_root": data,
        "report": False,
        **place,
    }
    ways = {
        PLAIN: {"dataset": plain},
        BOTH: {"dataset": plain, "modify": cause, "modify_probability": 0.5},
        TARGET: {"dataset": modified},
    }
    for number, (way, own) in enumerate(ways.items()):
        options = {"name": f"network-{number}", **network, **own}
        found.append(_measured("network on images", way, "train-cnn", options, tests, seed))
    return found


def _measured(kind: str, way: str, job: str, options: Mapping, tests: Sequence[str], seed: int) -> Row:
    """One training, and its accuracy on the two sets."""
    start = process_time()
    result = run_job(job, options)
    seconds = process_time() - start
    of_set = {f"{one.dataset}/{one.split}": one for one in result.results if one.metric == "accuracy"}
    plain, modified = (of_set[name].value for name in tests)
    return {"kind": kind, "way": way, "seed": seed, "plain": plain, "modified": modified, "seconds": round(seconds, 1)}


SECTION = """
`explain` names a cause that `extract`, `fit-incremental` and `train-cnn --modify` take. Of CIFAR-10, {rows:,} images a
split (plain and after {cause}), the seeds {seeds}: heads on 1,280 features of MobileNetV2 at 64 pixels, and
`simple-cnn` trained from scratch for {epochs} epochs, half of its training images modified. Points are those of the
same kind trained on plain images; means, and the range over seeds; processor time is that of the training, features
read from disk, on two cores. `python -m benchmarks.cause_training run` makes it.
"""


def section(results: Mapping) -> str:
    """What docs/remedies.md says of it: how it was measured, and the table."""
    seeds = " and ".join(str(seed) for seed in dict.fromkeys(row["seed"] for row in results["found"]))
    return SECTION.lstrip().format(**{**results, "seeds": seeds}) + "\n" + table(results["found"])


def table(rows: Sequence[Row]) -> str:
    """The means over seeds, with their ranges where there are several."""
    lines = [
        "| trained | on | plain test images | modified test images | regained | paid on plain images | processor |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, way in dict.fromkeys((row["kind"], row["way"]) for row in rows):
        accuracy = _of(rows, kind, way)
        change = 100 * (accuracy - _of(rows, kind, PLAIN))
        cells = [f"{value:.1%}" for value in accuracy.mean(axis=0)]
        seconds = f"{np.mean([row['seconds'] for row in _rows(rows, kind, way)]):.0f} s"
        points = ["-", "-"] if way == PLAIN else [_points(change[:, 1]), _points(-change[:, 0])]
        lines.append(f"| {kind} | {way} | {' | '.join([*cells, *points, seconds])} |")
    return "\n".join(lines) + "\n"


def _of(rows: Sequence[Row], kind: str, way: str) -> np.ndarray:
    """Accuracy on plain and modified images, a line a seed, ascending."""
    return np.array([[row["plain"], row["modified"]] for row in _rows(rows, kind, way)])


def _rows(rows: Sequence[Row], kind: str, way: str) -> list[Row]:
    """Those of a kind and a way, by ascending seed."""
    return sorted((row for row in rows if (row["kind"], row["way"]) == (kind, way)), key=lambda row: row["seed"])


def _points(values: np.ndarray) -> str:
    spread = f" ({values.min():+.1f} to {values.max():+.1f})" if len(values) > 1 else ""
    return f"{values.mean():+.1f}{spread}"


def main(arguments: Sequence[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("places", type=Path, nargs="*", help="DATA and FOLDER")
    parser.add_argument("--weights", type=Path, help="those of MobileNetV2 for ImageNet")
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--cause", default="night:3")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args(arguments)
    if given.what == "run":
        options = {"weights": given.weights, "rows": given.rows, "cause": given.cause, "epochs": given.epochs}
        found = [row for seed in given.seeds for row in study(*given.places, seed=seed, **options)]
        given.out.write_text(json.dumps({**options, "weights": given.weights.name, "found": found}, indent=1) + "\n")
    print(section(json.loads(given.out.read_text())), end="")


if __name__ == "__main__":
    main()

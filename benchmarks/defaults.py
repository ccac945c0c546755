"""How far the default softmax ends below the converged optimum, over rows, classes, features and kinds of data.

    python -m benchmarks.defaults                              simulated sets, minutes
    python -m benchmarks.defaults --out benchmarks/results/defaults.json
    python -m benchmarks.defaults --store FOLDER --test FOLDER     a store, and a set to test on

The optimum is `logistic` with the penalty that it chooses on the same held-out rows, brought to a relative duality gap
that certifies it. Differences are in points of test accuracy; the standard error of each is given.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from time import perf_counter

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.location import Location
from gapscope.core.random import stream
from gapscope.probes.options import ProbeOptions
from gapscope.probes.train import train
from gapscope.store import ArrayStore, View, open_store
from gapscope.stream import Workers, connect

ROWS, CLASSES, FEATURES = (1000, 10_000, 100_000), (2, 10, 100, 1000), (64, 768)
KINDS = ("gaussian", "rectified", "unequal")
TEST_ROWS = 10_000
# Numbers in a training matrix, at most: some settings of the grid would take hours here.
LARGEST, LARGEST_EVALUATION = 10**8, 2 * 10**9


def simulated(kind: str, rows: int, classes: int, dim: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """``x : (rows + TEST_ROWS, dim)`` and labels: classes around centres in a latent space, mixed with a power law.

    `rectified` features are those of a network behind its last ReLU: sparse, skewed, correlated; `unequal` adds
    classes of very unequal size and features of very unequal scale.
    """
    rng = stream(seed, "defaults", kind, classes, dim)
    latent = min(dim, 128)
    centres = rng.standard_normal((classes, latent)) * (1.2 if classes < 100 else 1.6) * np.sqrt(8 / latent)
    mixing = rng.standard_normal((latent, dim)) * np.arange(1, latent + 1)[:, None] ** -0.4
    scales = np.exp(rng.standard_normal(dim) * (2 if kind == "unequal" else 0.3))
    rng = stream(seed, "rows", kind, rows, classes, dim)
    n = rows + TEST_ROWS
    shares = rng.dirichlet(np.full(classes, 0.7)) if kind == "unequal" else np.full(classes, 1 / classes)
    y = rng.choice(classes, n, p=shares).astype(np.int32)
    x = (centres[y] + rng.standard_normal((n, latent))) @ mixing
    x += 0.5 * rng.standard_normal((n, dim))
    if kind != "gaussian":
        x = np.maximum(x - 0.3, 0)
    return (x * scales).astype(np.float32), y


def compare(rows: View, holdout: View, test: Chunk, workers: Workers) -> dict[str, float]:
    """Test accuracy of both, their difference in points with its standard error, and seconds."""
    options, found, right = ProbeOptions(), {}, {}
    for name in ("softmax", "logistic"):
        start = perf_counter()
        model = train(name, rows, holdout, options, workers)
        found[f"{name}_seconds"] = perf_counter() - start
        right[name] = (model.predict(test.x) == test.y).astype(float)
        found[name] = float(right[name].mean())
    difference = right["softmax"] - right["logistic"]
    found["points"] = 100 * float(difference.mean())
    found["standard_error"] = 100 * float(difference.std() / np.sqrt(len(difference)))
    return found


def grid(*, tiny: bool) -> Iterator[tuple[str, int, int, int]]:
    """The settings that fit here: kind, rows, classes, features."""
    if tiny:
        yield from (("rectified", 600, 3, 16), ("unequal", 600, 5, 16))
        return
    for kind, rows, classes, dim in product(KINDS, ROWS, CLASSES, FEATURES):
        possible = rows >= 4 * classes and rows * dim <= LARGEST and rows * dim * classes <= LARGEST_EVALUATION
        if possible:
            yield kind, rows, classes, dim
    yield "rectified", 1000, 10, 4096


def _line(row: dict) -> str:
    return " ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, print a line each, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    table = []
    with connect() as workers:
        if options.store:
            store, test = (open_store(Location(str(place))) for place in (options.store, options.test))
            held = min(store.rows // 10, 10_000)
            rows, holdout = store.view(0, store.rows - held), store.view(store.rows - held)
            table.append({"set": str(options.store.name), **compare(rows, holdout, test.view().read(), workers)})
            print(_line(table[-1]), flush=True)
        for kind, n, classes, dim in () if options.store else grid(tiny=options.tiny):
            if options.kind not in (None, kind):
                continue
            x, y = simulated(kind, n, classes, dim)
            store = ArrayStore(x[:n], y[:n], [str(index) for index in range(classes)])
            test = Chunk(np.arange(len(x) - n), x[n:], y[n:])
            found = compare(store.view(0, n - n // 10), store.view(n - n // 10), test, workers)
            table.append({"kind": kind, "rows": n, "classes": classes, "features": dim, **found})
            print(_line(table[-1]), flush=True)
    print(f"worst: {min(row['points'] for row in table):+.2f} points")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()

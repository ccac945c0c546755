"""The whole journey at ImageNet's size, from CSV to the report, beside what people use now for each step.

    python -m benchmarks.imagenet_scale FOLDER --out benchmarks/results/imagenet_scale.json
    python -m benchmarks.imagenet_scale FOLDER --scale 0.1
    python -m benchmarks.imagenet_scale FOLDER --scale 0.1 --test-scale 1      a tenth to train on, all to test on
    python -m benchmarks.imagenet_scale FOLDER --out FILE --steps gap repair   these again; FILE keeps the others

Features have a known structure (`benchmarks.synthetic_store`) and are as people's are: sorted by class, each feature in
a unit of its own between 1e-3 and 1e3, a part of the training labels wrong. Beside the training set and the test set
stands a second test set that is harder (noise on all features) and shifted. A model that was trained on the latter has
all training rows as its target ("large"). Every step is a process of its own, so that its peak memory is its own.
Steps cannot be faster than these ceilings of the same run:

* import: the file is read once (page cache included);
* fit: the covariance and two epochs of a softmax, ``d² + 8 d k`` flops a row, at the rate of matrix products;
* shift and map: the covariance, ``d²`` flops a row.

A tenth needs 2 GB of disk, the whole 20 GB. There are no images, so `explain` says what happened to the features.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv

from benchmarks import process
from benchmarks.shift import gemm_ceiling
from benchmarks.synthetic_store import TEST_ROWS, TRAIN_ROWS, Recipe
from gapscope.core.random import stream

BLOCK = 4096
WRONG_LABELS = 0.05
# What the second test set has: noise of this deviation on isotropic coordinates, and all features moved by so many of
# their deviations.
NOISE, MOVED = 0.6, 0.3
SETS = {"train": ("imagenet", "train"), "test": ("imagenet", "test"), "harder": ("harder", "test")}
EPOCHS, RATE, BATCH = 12, 1e-3, 1024
# Commands without the option: what they hold does not grow with the rows.
NO_MEMORY_OPTION = ("import-csv",)


class Step(NamedTuple):
    """One step of the journey: a command of gapscope, and functions of this module that do it as people do now."""

    name: str
    arguments: tuple[str, ...]
    beside: tuple[str, ...] = ()


def units(dim: int) -> np.ndarray:
    """What each feature is multiplied by, ``(d,)``, from 1e-3 to 1e3 in random order."""
    return stream(0, "units").permutation(np.geomspace(1e-3, 1e3, dim)).astype(np.float32)


def blocks(recipe: Recipe, split: str, rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Features and labels of a set, sorted by class, in blocks of rows."""
    rng, scale = stream(recipe.seed, "csv", split), units(recipe.dim)
    label = np.sort(rng.integers(0, recipe.classes, rows))
    for start in range(0, rows, BLOCK):
        y = label[start : start + BLOCK]
        z = rng.standard_normal((len(y), recipe.dim), dtype=np.float32) + recipe.centres[y]
        if split == "harder":
            z += np.float32(NOISE) * rng.standard_normal(z.shape, dtype=np.float32)
        x = z @ recipe.mixing + recipe.origin
        if split == "harder":
            x += np.float32(MOVED) * np.sqrt(np.square(recipe.mixing).sum(axis=0))
        if split == "train":
            wrong = rng.random(len(y)) < WRONG_LABELS
            y = np.where(wrong, rng.integers(0, recipe.classes, len(y)), y)
        yield x * scale, y


def write_csv(place: Path, recipe: Recipe, split: str, rows: int) -> Path:
    """A set as a CSV file: label, path, and a column for each feature."""
    if place.exists():
        return place
    names = ["label", "path", *(f"f{index}" for index in range(recipe.dim))]
    start, begun = 0, place.with_suffix(".begun")
    with begun.open("wb") as file:
        for x, y in blocks(recipe, split, rows):
            paths = pa.array([f"{split}/{index:08d}.jpg" for index in range(start, start + len(y))])
            labels = pa.array([f"class-{one:04d}" for one in y])
            table = pa.table([labels, paths, *(pa.array(column) for column in np.ascontiguousarray(x.T))], names)
            pyarrow.csv.write_csv(table, file, pyarrow.csv.WriteOptions(include_header=start == 0))
            start += len(y)
    return begun.rename(place)


def steps(folder: Path) -> list[Step]:
    """The journey, each step after those that it needs."""
    train, test, harder = (f"{'/'.join(one)}" for one in SETS.values())
    both, large = (("--reference", test, "--target", one) for one in (harder, train))
    run, other = "fit-incremental-imagenet", "fit-incremental-harder"
    imports = [
        Step(
            f"import {name}",
            ("import-csv", str(folder / f"{name}.csv"), "--dataset", dataset, "--split", split)
            + (("--companion-of", "imagenet") if name == "harder" else ()),
            ("pandas_read", "polars_read") if name == "train" else (),
        )
        for name, (dataset, split) in SETS.items()
    ]
    return [
        *imports,
        Step("fit", ("fit-incremental", "imagenet", "--name", "imagenet"), ("sgd_classifier", "torch_recipe")),
        Step("evaluate", ("evaluate", run)),
        Step("gap", ("gap", run, *both, "--name", "scale")),
        Step("shift", ("shift", *both, "--model", run, "--name", "scale"), ("scipy_loop",)),
        Step("explain", ("explain", run, *both, "--name", "scale")),
        Step("repair", ("repair", run, *both, "--name", "scale")),
        Step("forecast", ("forecast", run, *both, "--heads", "0", "--name", "scale")),
        Step("fit small", ("fit-incremental", "harder", "--split", "test", "--evaluate", test, "--name", "harder")),
        Step("gap large", ("gap", other, *large, "--name", "large")),
        Step("shift large", ("shift", *large, "--model", other, "--name", "large")),
        Step("repair large", ("repair", other, *large, "--name", "large")),
        Step("map", ("map", "imagenet", "--split", "train", "--name", "scale"), ("umap_learn",)),
        Step("report", ("report", "gap-scale", "shift-scale", "--out", str(folder / "report.html"))),
        Step("verify", ("verify",)),
    ]


# What people use now, each a function of the folder that prints what it found; only `main` calls them, by name.


def pandas_read(folder: str) -> None:
    """`pandas.read_csv` of the training set, in chunks that are thrown away."""
    import pandas as pd

    print(sum(len(chunk) for chunk in pd.read_csv(Path(folder) / "train.csv", chunksize=20_000)), "rows")


def polars_read(folder: str) -> None:
    """`polars.read_csv` of the training set, whole."""
    import polars as pl

    print(len(pl.read_csv(Path(folder) / "train.csv")), "rows")


def _parsed(place: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    import pandas as pd

    for chunk in pd.read_csv(place, chunksize=20_000):
        yield chunk.iloc[:, 2:].to_numpy(np.float32), chunk["label"].str[6:].to_numpy(np.int64)


def _arrays(place: Path) -> tuple[np.ndarray, np.ndarray]:
    parts = list(_parsed(place))
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def sgd_classifier(folder: str) -> None:
    """`SGDClassifier.partial_fit` over chunks of pandas, as files are sorted: what the habit is worth."""
    from sklearn.linear_model import SGDClassifier

    model, test = SGDClassifier(loss="log_loss"), _arrays(Path(folder) / "test.csv")
    classes = np.unique(test[1])
    for x, y in _parsed(Path(folder) / "train.csv"):
        known = np.isin(y, classes)
        model.partial_fit(x[known], y[known], classes=classes)
    print(f"accuracy {np.mean(model.predict(test[0]) == test[1]):.4f}")


def torch_recipe(folder: str) -> None:
    """A linear layer on standardised features in memory, Adam, twelve epochs of shuffled batches."""
    import torch

    (x, y), (x_test, y_test) = (_arrays(Path(folder) / f"{name}.csv") for name in ("train", "test"))
    mean, deviation = x.mean(axis=0), x.std(axis=0) + 1e-12
    x, x_test = (torch.from_numpy((one - mean) / deviation) for one in (x, x_test))
    labels, generator = torch.from_numpy(y), torch.Generator().manual_seed(0)
    layer = torch.nn.Linear(x.shape[1], int(max(y.max(), y_test.max())) + 1)
    optimiser = torch.optim.Adam(layer.parameters(), RATE)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x), generator=generator).split(BATCH):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(layer(x[batch]), labels[batch]).backward()
            optimiser.step()
    with torch.no_grad():
        print(f"accuracy {np.mean(layer(x_test).argmax(1).numpy() == y_test):.4f}")


def scipy_loop(folder: str) -> None:
    """`ks_2samp` of each feature of both test sets."""
    from scipy.stats import ks_2samp

    one, other = (_arrays(Path(folder) / f"{name}.csv")[0] for name in ("test", "harder"))
    print(f"largest {max(ks_2samp(a, b, method='asymp').statistic for a, b in zip(one.T, other.T, strict=True)):.4f}")


def umap_learn(folder: str) -> None:
    """`umap.UMAP` of 20,000 training rows: of all of them it would need days and more memory than machines have."""
    import umap

    rows = np.concatenate([x for _, (x, _) in zip(range(1), _parsed(Path(folder) / "train.csv"), strict=False)])
    print(umap.UMAP(random_state=0).fit_transform((rows - rows.mean(0)) / (rows.std(0) + 1e-12)).shape)


def ceiling_seconds(step: str, rows: int, recipe: Recipe, file: Path) -> float | None:
    """Seconds that a step must take at least, by what the machine does in this very run."""
    if step == "import train":
        return _seconds(lambda: _read(file))
    if step not in ("fit", "map"):
        return None
    covariance = rows * recipe.dim**2 / gemm_ceiling(recipe.dim, np.float64)
    if step == "map":
        return covariance
    return covariance + 8 * rows * recipe.dim * recipe.classes / gemm_ceiling(recipe.dim, np.float32)


def _read(file: Path) -> None:
    with file.open("rb", buffering=0) as stream_of:
        while stream_of.read(2**24):
            pass


def _seconds(work: Callable[[], object]) -> float:
    from benchmarks.fit_softmax import best_seconds

    return best_seconds(work, 1)


def measure(options: argparse.Namespace, recipe: Recipe) -> Iterator[dict]:
    """All figures so far, after each step and what people use now for it."""
    folder = options.folder
    test_rows = round(TEST_ROWS * (options.test_scale or options.scale))
    rows = {name: round(TRAIN_ROWS * options.scale) if name == "train" else test_rows for name in SETS}
    for name, count in rows.items():
        write_csv(folder / f"{name}.csv", recipe, name, count)
    about = {
        "machine": process.machine(),
        "scale": options.scale,
        "memory": options.memory,
        "rows": rows,
        "dim": recipe.dim,
        "classes": recipe.classes,
        "csv_bytes": (folder / "train.csv").stat().st_size,
    }
    journey = steps(folder)
    figures = _kept(options)
    for step in journey:
        if options.steps and step.name not in options.steps:
            continue
        figures = [one for one in figures if one["step"] != step.name]
        for one in _measured(step, rows["train"], recipe, options):
            figures.append(one)
            figures.sort(key=lambda figure: [one.name for one in journey].index(figure["step"]))
            yield {**about, "test_accuracy": _accuracy(folder / "workspace" / "runs"), "steps": figures}


def _kept(options: argparse.Namespace) -> list[dict]:
    """Figures of an earlier run of other steps."""
    if not (options.steps and options.out and options.out.exists()):
        return []
    return json.loads(options.out.read_text())["steps"]


def _measured(step: Step, rows: int, recipe: Recipe, options: argparse.Namespace) -> Iterator[dict]:
    folder = options.folder
    allowed = () if step.arguments[0] in NO_MEMORY_OPTION else ("--memory", options.memory)
    done = process.checked(process.command(*step.arguments, "--workspace", str(folder / "workspace"), *allowed))
    yield _figure(step.name, "gapscope", done, ceiling_seconds(step.name, rows, recipe, folder / "train.csv"))
    for other in step.beside:
        if other not in options.skip:
            done = process.checked(process.function("benchmarks.imagenet_scale", other, str(folder)))
            yield _figure(step.name, other, done)


def _figure(step: str, way: str, done: process.Done, least: float | None = None) -> dict:
    said = "" if way == "gapscope" else next(iter(done.output.strip().splitlines()), "")
    share = None if least is None else least / done.seconds
    return {
        "step": step,
        "way": way,
        "seconds": done.seconds,
        "processor_seconds": done.processor_seconds,
        "peak_bytes": done.peak_bytes,
        "share_of_ceiling": share,
        "said": said,
    }


def _accuracy(runs: Path) -> dict[str, float]:
    """By set, of the default classifier where it is trained."""
    import pyarrow.parquet as pq

    places = runs.glob("fit-incremental-imagenet*/results.parquet")
    table = [row for place in places for row in pq.read_table(place).to_pylist()]
    return {
        f"{row['dataset']}/{row['split']}": row["value"]
        for row in table
        if row["metric"] == "accuracy" and row.get("class_name") is None
    }


def table_of(figures: dict) -> str:
    """The figures as a table with the machine above it."""
    heads = f"{'step':14} {'way':16} {'seconds':>9} {'processor':>10} {'peak MiB':>9} {'of ceiling':>10}  "
    lines = [_line(one) for one in figures["steps"]]
    rows = ", ".join(f"{count:,} {name}" for name, count in figures["rows"].items())
    accuracy = ", ".join(f"{value:.1%} on {name}" for name, value in figures["test_accuracy"].items())
    about = f"{figures['machine']}\n{rows} rows x {figures['dim']} features, {figures['classes']} classes"
    return "\n".join([about, f"accuracy {accuracy}", "", heads, *lines])


def _line(one: dict) -> str:
    share = "" if one["share_of_ceiling"] is None else f"{one['share_of_ceiling']:.2f}"
    spent = f"{one['seconds']:>9,.1f} {one['processor_seconds']:>10,.1f} {one['peak_bytes'] // 2**20:>9,}"
    return f"{one['step']:14} {one['way']:16} {spent} {share:>10}  {one['said']}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where files, stores and runs are made; what is there is used again")
    parser.add_argument("--scale", type=float, default=1.0, help="share of ImageNet's rows")
    parser.add_argument("--test-scale", type=float, help="the same of the two test sets; --scale when not given")
    parser.add_argument("--dim", type=int, default=1024)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--skip", nargs="*", default=[], help="names of other tools to leave out, such as umap_learn")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    names = [one.name for one in steps(Path())]
    parser.add_argument("--steps", nargs="+", default=[], choices=names, help="only these, after those that they need")
    parser.add_argument("--memory", default="2GB", help="--memory of every command")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    for figures in measure(options, Recipe(options.dim, options.classes)):
        if options.out:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(figures, indent=1))
    print(table_of(figures))


if __name__ == "__main__":
    main()

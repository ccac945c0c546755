"""How much memory and time the commands that read stores take as rows grow, beside what they project.

    python -m benchmarks.memory                          at 20,000 and 60,000 rows
    python -m benchmarks.memory --rows 20000 200000 --dim 256 --classes 100
    python -m benchmarks.memory --rows 2500000 10000000 --train-rows 2500000 10000000 --dim 512     40 GB of disk

Every command first refuses `--memory 1KB` with what it needs, and then runs in a process of its own on stores of two
sizes. What the larger run's peak has above the smaller one's must not exceed what it has projected, and libraries and
compiled loops, which both have, are left out by the difference. A command is right if it takes what it says at most.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.csv import write_csv

from benchmarks import process
from benchmarks.synthetic_store import Recipe, make
from gapscope.core.files import write_tensors
from gapscope.core.location import Location
from gapscope.core.random import stream
from gapscope.jobs import configuration_of
from gapscope.jobs.command_line import execute
from gapscope.schemas.embeddings import Tensor
from gapscope.store import open_store
from gapscope.words.texts import make_texts

MIB = 2**20
TRAIN_ROWS = 4000
REFERENCE, TARGET = "synthetic/val", "synthetic/test"
BOTH = ("--reference", REFERENCE, "--target", TARGET)
PROBES = ("lda", "nearest-mean", "ridge")
# Images that come with scikit-learn, a network of `train-cnn` on them, and how many there are of them at most.
DIGITS, NETWORK, MOST_DIGITS = "digits@{rows}", "train-cnn-network", 1700
ONCE = ("--network", "simple-cnn", "--epochs", "1", "--seeds", "1", "--no-report")
COLUMNS, PREDICTED, TABLES, TEXTS = "columns.csv", "predicted.parquet", "tables", "some.texts"


class Line(NamedTuple):
    """How a command is called.

    Attributes
    ----------
    options
        Beside its memory; ``{folder}`` and ``{rows}`` are those of the workspace.
    models
        How many of the trained runs stand in front.
    of_images
        Whether it needs the workspace of images.
    """

    options: tuple[str, ...]
    models: int = 0
    of_images: bool = False


# By name, with a further word where a command has two ways.
COMMANDS: Mapping[str, Line] = {
    "fit-incremental": Line(("synthetic", "--model", "lda", "--no-report")),
    "tune": Line(("synthetic", "--model", "lda")),
    "augment": Line(("synthetic", "--method", "gaussian", "--balance", "1.5x", "--backbone", "synthetic")),
    "measure columns": Line((TARGET, "--table", f"{{folder}}/{COLUMNS}")),
    "import-predictions": Line((f"{{folder}}/{PREDICTED}", "--dataset", TARGET)),
    "replay-head": Line((TARGET,)),
    "shift": Line((*BOTH, "--no-report")),
    "words": Line((*BOTH, "--texts", f"{{folder}}/{TEXTS}", "--no-report")),
    "map": Line(("synthetic", "--method", "pca", "--no-report")),
    "explore": Line(("map-seen", "--no-browser")),
    "gap": Line((*BOTH, "--no-report"), 1),
    "forecast": Line((*BOTH, "--heads", "0"), 1),
    "evaluate": Line((), 1),
    "compare": Line(("--dataset", "synthetic", "--split", "test"), 2),
    "repair": Line((*BOTH, "--label-rows", "300", "--no-report"), 1),
    "budget": Line((*BOTH, "--label-rows", "300"), 1),
    "label-queue": Line(("--target", TARGET), 1),
    "predict": Line(("--dataset", "synthetic", "--split", "test"), 1),
    "verify-labels": Line(("--target", TARGET), 1),
    "gate": Line(("fit-incremental-lda", "--target", TARGET), 1),
    "export": Line(("--to", "label-studio", "--out", "{folder}/exported"), 1),
    "report": Line(("--out", "{folder}/page.html"), 1),
    "verify": Line(("{folder}",), 0),
    "study-replication": Line((*BOTH, "--replicates", "50", "--no-report"), 3),
    "study-replication published": Line((f"{{folder}}/{TABLES}", "--replicates", "50", "--no-report")),
    "measure": Line((f"{DIGITS}/test",), of_images=True),
    "explain": Line(
        ("--reference", f"{DIGITS}/train", "--target", f"{DIGITS}/test", "--images", "40", "--no-report"),
        of_images=True,
    ),
    "predict images": Line((NETWORK, "--dataset", DIGITS), of_images=True),
    "refit-head": Line((NETWORK, "--no-report"), of_images=True),
    "study-modifications": Line((DIGITS, "--modify", "night", *ONCE), of_images=True),
    "study-augmentation": Line(
        (DIGITS, "--synthetic", "cutmix:1x", "--remedies", "augmentation", *ONCE, "--features", "none"), of_images=True
    ),
}
# Commands that read neither stores nor predictions, and what bounds them.
WITHOUT = {
    "demo": "runs other commands",
    "datasets": "lists names",
    "modify-dataset": "an image at a time",
    "backbones": "lists names",
    "check-backbone": "ten images",
    "extract": "images, a batch at a time, and parts of a store until they are written",
    "import-features": "blocks of rows, whatever their number",
    "train-cnn": "images, which are kept only as far as --memory allows",
    "runs": "lists names",
}
NEEDS = re.compile(r"needs about ([\d,]+) MiB")


class Taken(NamedTuple):
    """What a command projects for stores of some rows, its peak there, both in bytes, and what it took."""

    command: str
    rows: int
    projected: int
    peak: int
    seconds: float
    processor_seconds: float


def stores(workspace: Path, rows: int, recipe: Recipe, train_rows: int = TRAIN_ROWS) -> Path:
    """A workspace with a training set and two sets of `rows`, whose features have a head that is a projection too."""
    for split, count in (("train", train_rows), ("val", rows), ("test", rows)):
        folder = Location.of(workspace) / "embeddings" / "synthetic" / "synthetic" / split
        store = make(folder, split, count, recipe, Tensor(head="projection"))
        head = {"weight": recipe.centres, "bias": np.zeros(recipe.classes, np.float32)}
        write_tensors(store.head, head)
    return workspace


def files(workspace: Path, rows: int, recipe: Recipe) -> None:
    """What commands read beside stores: columns, predictions, tables of many models, vectors of texts."""
    rng, names = stream(0, "files"), np.arange(rows).astype(str)
    write_csv(pa.table({"path": names, "site": rng.integers(0, 5, rows)}), workspace / COLUMNS)
    answers = {model: rng.integers(0, recipe.classes, rows) for model in ("one", "two", "three")}
    label = np.choose(rng.integers(0, 3, rows), list(answers.values()))
    store = open_store(Location.of(workspace) / "embeddings" / "synthetic" / "synthetic" / "test")
    named = {"sample_id": store.sample_ids(), "label": store.labels(), "predicted": answers["one"]}
    pq.write_table(pa.table(named), workspace / PREDICTED)
    (workspace / TABLES).mkdir(exist_ok=True)
    for name in ("validation", "v2-matched-frequency"):
        pq.write_table(pa.table({"image": names, "label": label, **answers}), workspace / TABLES / f"{name}.parquet")
    make_texts("none", lambda texts: rng.standard_normal((len(texts), recipe.classes))).save(workspace / TEXTS)


def images(workspace: Path, rows: int) -> None:
    """A workspace with stored features of images, and a network that was trained on them."""
    digits = DIGITS.format(rows=min(rows, MOST_DIGITS))
    process.checked(ran(workspace, "extract", digits, "--backbone", "tiny", "--decode-workers", "0"))
    network = ("--network", "simple-cnn", "--epochs", "1", "--no-report", "--name", "network")
    process.checked(ran(workspace, "train-cnn", digits, *network))


def ran(workspace: Path, command: str, *options: str) -> process.Done:
    """A command in a process of its own; of one that answers until it is interrupted, its beginning."""
    place = () if command == "verify" else ("--workspace", str(workspace))
    if command == "explore" and "1KB" not in options:
        return process.function("benchmarks.memory", "explored", *options, *place)
    return process.command(command, *options, *place)


def explored(*arguments: str) -> None:
    """What `explore` does until its page is shown."""
    from gapscope.explorer import serve  # panel takes seconds to import

    serve.Served.run = lambda served: served.server.stop()
    if code := execute(["explore", *arguments]):
        sys.exit(code)


def trained(workspace: Path) -> list[str]:
    """Trainings whose runs hold predictions of the target, by name."""
    names = []
    for probe in PROBES:
        options = ("synthetic", "--model", probe, "--no-report", "--name", probe)
        process.checked(ran(workspace, "fit-incremental", *options))
        names.append(f"fit-incremental-{probe}")
    return names


def prepared(folder: Path, rows: int, recipe: Recipe, commands: Sequence[str], train_rows: int = TRAIN_ROWS) -> Path:
    """The workspace in which these commands can be called: of stores, of images below it, or both."""
    lines = [COMMANDS[one] for one in commands]
    workspace = stores(folder / str(rows), rows, recipe, train_rows)
    if any("{folder}" in word for one in lines for word in one.options):
        files(workspace, rows, recipe)
    if any(one.models for one in lines):
        trained(workspace)
    if "explore" in commands:
        process.checked(ran(workspace, "map", TARGET, "--method", "pca", "--no-report", "--name", "seen"))
    if any(one.of_images for one in lines):
        images(workspace, rows)
    return workspace


def called(workspace: Path, command: str, rows: int, memory: str) -> process.Done:
    """A command of the table with so much memory allowed."""
    line, name = COMMANDS[command], command.split()[0]
    models = [f"fit-incremental-{probe}" for probe in PROBES[: line.models]]
    words = [word.format(folder=workspace, rows=min(rows, MOST_DIGITS)) for word in line.options]
    is_named = any(one.name == "name" for one in fields(configuration_of(name)))
    run = ["--name", f"memory-{command.replace(' ', '-')}"] if is_named else []
    return ran(workspace, name, *models, *words, *run, "--memory", memory)


def projected(workspace: Path, command: str, rows: int) -> int:
    """The bytes that a command says it needs where it may have next to none."""
    refused = called(workspace, command, rows, "1KB")
    found = NEEDS.search(refused.output)
    if found is None:
        raise RuntimeError(f"{command} does not say what it needs: {refused.output[-2000:]}")
    return int(found[1].replace(",", "")) * MIB


def taken(workspace: Path, command: str, rows: int) -> Taken:
    """What a command projects and takes."""
    needed = projected(workspace, command, rows)
    done = process.checked(called(workspace, command, rows, "8GB"))
    return Taken(command, rows, needed, done.peak_bytes, done.seconds, done.processor_seconds)


def measure(
    folder: Path, rows: Sequence[int], recipe: Recipe, commands: Sequence[str], train_rows: Sequence[int] = ()
) -> list[Taken]:
    """All commands at all numbers of rows, each with its own number of training rows or with a few."""
    result = []
    for count, train in zip(rows, train_rows or [TRAIN_ROWS] * len(rows), strict=True):
        workspace = prepared(folder, count, recipe, commands, train)
        result += [taken(workspace, command, count) for command in commands]
    return result


def table_of(found: Sequence[Taken]) -> str:
    """A line for each command and size."""
    heads = f"{'command':20} {'rows':>10} {'projected MiB':>14} {'peak MiB':>10} {'seconds':>9} {'processor':>10}"
    return "\n".join([heads, *map(_line, found)])


def _line(one: Taken) -> str:
    memory = f"{one.projected // MIB:>14,} {one.peak // MIB:>10,}"
    return f"{one.command:20} {one.rows:>10,} {memory} {one.seconds:>9,.1f} {one.processor_seconds:>10,.1f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 60_000], help="rows of each of the two sets")
    parser.add_argument("--train-rows", type=int, nargs="+", default=(), help="of the training set at each size")
    parser.add_argument("--folder", type=Path, help="where stores are made, and deleted afterwards")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--commands", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    options = parser.parse_args(arguments)
    recipe = Recipe(options.dim, options.classes)
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        found = measure(Path(scratch), options.rows, recipe, options.commands, options.train_rows)
    print(table_of(found))
    if options.out:
        options.out.write_text(json.dumps([one._asdict() for one in found], indent=1))


if __name__ == "__main__":
    main()

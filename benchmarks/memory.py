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
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import process
from benchmarks.synthetic_store import Recipe, make
from gapscope.core.location import Location

MIB = 2**20
TRAIN_ROWS = 4000
REFERENCE, TARGET = "synthetic/val", "synthetic/test"
# By name: the options of each command; those of one model run after the training that makes it.
COMMANDS = {
    "fit-incremental": ("synthetic", "--model", "lda", "--no-report"),
    "shift": ("--reference", REFERENCE, "--target", TARGET, "--no-report"),
    "map": ("synthetic", "--method", "pca", "--no-report"),
    "gap": ("--reference", REFERENCE, "--target", TARGET, "--no-report"),
    "forecast": ("--reference", REFERENCE, "--target", TARGET, "--heads", "0"),
    "evaluate": (),
    "compare": ("--dataset", "synthetic", "--split", "test"),
    "repair": ("--reference", REFERENCE, "--target", TARGET, "--label-rows", "300", "--no-report"),
    "budget": ("--reference", REFERENCE, "--target", TARGET, "--label-rows", "300"),
    "label-queue": ("--target", TARGET),
    "predict": ("--dataset", "synthetic", "--split", "test"),
    "verify-labels": ("--target", TARGET),
    "gate": ("fit-incremental-lda", "--target", TARGET),
}
OF_MODELS = dict.fromkeys(COMMANDS, 1) | {"fit-incremental": 0, "shift": 0, "map": 0, "compare": 2}
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
    """A workspace with a training set and two sets of `rows`."""
    for split, count in (("train", train_rows), ("val", rows), ("test", rows)):
        make(Location.of(workspace) / "embeddings" / "synthetic" / "synthetic" / split, split, count, recipe)
    return workspace


def ran(workspace: Path, command: str, *options: str) -> process.Done:
    """A command in a process of its own."""
    return process.command(command, *options, "--workspace", str(workspace))


def trained(workspace: Path) -> list[str]:
    """Two trainings whose runs hold predictions of the target, by name."""
    names = []
    for probe in ("lda", "nearest-mean"):
        options = ("synthetic", "--model", probe, "--no-report", "--name", probe)
        process.checked(ran(workspace, "fit-incremental", *options))
        names.append(f"fit-incremental-{probe}")
    return names


def options_of(command: str, models: Sequence[str]) -> list[str]:
    """What a command is called with, beside its memory."""
    return [*models[: OF_MODELS.get(command, 0)], *COMMANDS[command], "--name", f"memory-{command}"]


def projected(workspace: Path, command: str, models: Sequence[str]) -> int:
    """The bytes that a command says it needs where it may have next to none."""
    refused = ran(workspace, command, *options_of(command, models), "--memory", "1KB")
    found = NEEDS.search(refused.output)
    if found is None:
        raise RuntimeError(f"{command} does not say what it needs: {refused.output[-2000:]}")
    return int(found[1].replace(",", "")) * MIB


def taken(workspace: Path, command: str, rows: int, models: Sequence[str]) -> Taken:
    """What a command projects and takes."""
    needed = projected(workspace, command, models)
    done = process.checked(ran(workspace, command, *options_of(command, models), "--memory", "8GB"))
    return Taken(command, rows, needed, done.peak_bytes, done.seconds, done.processor_seconds)


def measure(
    folder: Path, rows: Sequence[int], recipe: Recipe, commands: Sequence[str], train_rows: Sequence[int] = ()
) -> list[Taken]:
    """All commands at all numbers of rows, each with its own number of training rows or with a few."""
    result = []
    for count, train in zip(rows, train_rows or [TRAIN_ROWS] * len(rows), strict=True):
        workspace = stores(folder / str(count), count, recipe, train)
        models = trained(workspace) if any(OF_MODELS.get(one) for one in commands) else []
        result += [taken(workspace, command, count, models) for command in commands]
    return result


def table_of(found: Sequence[Taken]) -> str:
    """A line for each command and size."""
    heads = f"{'command':16} {'rows':>10} {'projected MiB':>14} {'peak MiB':>10} {'seconds':>9} {'processor':>10}"
    return "\n".join([heads, *map(_line, found)])


def _line(one: Taken) -> str:
    memory = f"{one.projected // MIB:>14,} {one.peak // MIB:>10,}"
    return f"{one.command:16} {one.rows:>10,} {memory} {one.seconds:>9,.1f} {one.processor_seconds:>10,.1f}"


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

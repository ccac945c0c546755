"""What every repair regains without labels on made shifts, and how good the choice between them is.

    python -m benchmarks.repairs WORKSPACE tiny/digits/RUN mobilenetv2_100/cifar10-1000/RUN
    python -m benchmarks.repairs --page          docs/remedies.md from the results

Of every stored set ``NAME/test`` one half of the rows is the reference; the other half of each modification of it
(``NAME+night-3/test``; one of the same images only, which the reference has not) is the target, of which one half is
fitted to and the other judged. Each target is taken as it is, with a third of its classes, and with a long tail of
classes. The same repairs, criterion and choice as `repair`.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.location import Location
from gapscope.core.random import stream
from gapscope.probes.model import Classifier, load_model
from gapscope.repairs.fit import chosen_without_labels, with_signs, without_labels
from gapscope.repairs.seen import LabelledBy, SeenBy, prepared
from gapscope.store import ArrayStore, View, open_store

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks/results/repairs.json", ROOT / "docs/remedies.md"
MIXES = ("as it is", "a third of the classes", "a long tail of classes")
SHOWN = ("mean", "scale", "coral", "directions", "classes", "t3a")
NEAR, LOSS = 0.02, 0.01


def read(place: Path) -> Chunk:
    """All rows of a store."""
    return open_store(Location.of(str(place))).view().read()


def view(rows: Chunk, names: Sequence[str]) -> View:
    """Rows in memory."""
    return ArrayStore(rows.x, rows.y, list(names), "made/test", rows.sample_id).view()


def mixed(y: np.ndarray, classes: int, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """The rows of each class mix."""
    order = rng.permutation(classes)
    share = 0.6 ** np.arange(classes)
    yield MIXES[0], np.arange(len(y))
    yield MIXES[1], np.flatnonzero(np.isin(y, order[: max(2, classes // 3)]))
    yield MIXES[2], np.flatnonzero(rng.random(len(y)) < share[np.argsort(order)][y])


def trial(model: Classifier, reference: Chunk, fitted: Chunk, judged: Chunk) -> dict:
    """Accuracies on the judged rows by repair, and which is chosen."""
    found = without_labels(model, LabelledBy(model)(reference), [SeenBy(model)(fitted)])
    views = (view(rows, model.class_names) for rows in (reference, fitted))
    found = with_signs(model, found, *views)
    z = prepared(model, judged.x)
    accuracy = {
        one.name: float((one.head.scores(z).argmax(axis=1) == judged.y).mean()) for one in found if one.head is not None
    }
    return {"accuracy": accuracy, "chosen": chosen_without_labels(found, len(fitted.y)), "judged": len(judged.y)}


def trials(workspace: Path, backbone: str, name: str, run: str, seed: int) -> Iterator[dict]:
    """One for each modification and class mix."""
    model = load_model(Location.of(str(workspace / "runs" / run)))
    folder = workspace / "embeddings" / backbone
    base = read(folder / name / "test")
    order = stream(seed, "halves", name).permutation(len(base.y))
    ids = np.sort(base.sample_id)[order]
    halves = ids[: len(ids) // 2], ids[len(ids) // 2 :]
    reference = base.take(np.isin(base.sample_id, halves[0]))
    for place in sorted(folder.glob(f"{name}*")):
        if place.name != name and not place.name.startswith((f"{name}+", f"{name}-night")):
            continue
        rows = read(place / "test")
        rows = rows.take(np.isin(rows.sample_id, halves[1]))
        rng = stream(seed, "mix", place.name)
        for mix, at in mixed(rows.y, len(model.class_names), rng):
            at = rng.permutation(at)
            cut = len(at) // 2
            if cut >= 20:
                about = {"set": name, "shift": place.name.removeprefix(name).strip("+-") or "none", "mix": mix}
                yield about | {"seed": seed} | trial(model, reference, rows.take(at[:cut]), rows.take(at[cut:]))


def quality(rows: Sequence[Mapping]) -> dict[str, float]:
    """How good the choice is: the shares of trials near the best and without loss, the mean gain."""
    chosen = np.array([row["accuracy"][row["chosen"]] for row in rows])
    best = np.array([max(row["accuracy"].values()) for row in rows])
    before = np.array([row["accuracy"]["nothing"] for row in rows])
    near, fine = (best - chosen <= NEAR + 1e-9).mean(), (chosen - before >= -LOSS - 1e-9).mean()
    return {"trials": len(rows), "near": float(near), "no_loss": float(fine), "gain": float((chosen - before).mean())}


def page(rows: Sequence[Mapping]) -> str:
    """docs/remedies.md."""
    lines = [TEXT.strip(), "", "| targets | trials | within 2 points of the best | loses at most 1 point | mean gain |"]
    lines += ["|---|---|---|---|---|"]
    for mix in MIXES:
        q = quality([row for row in rows if row["mix"] == mix])
        lines.append(
            f"| {mix} | {q['trials']} | {q['near']:.0%} | {q['no_loss']:.0%} | {100 * q['gain']:+.1f} points |"
        )
    lines += ["", "## Every repair by every shift", "", TABLE.strip(), ""]
    lines += [f"| set | shift | accuracy | {' | '.join(SHOWN)} | chosen |", "|---" * (len(SHOWN) + 4) + "|"]
    plain = [row for row in rows if row["mix"] == MIXES[0]]
    for key in dict.fromkeys((row["set"], row["shift"]) for row in plain):
        some = [row for row in plain if (row["set"], row["shift"]) == key]
        before = np.array([row["accuracy"]["nothing"] for row in some])
        cells = [_change(some, name, before) for name in SHOWN]
        chosen = ", ".join(dict.fromkeys(row["chosen"] for row in some))
        lines.append(f"| {key[0]} | {key[1]} | {before.mean():.1%} | {' | '.join(cells)} | {chosen} |")
    return "\n".join(lines) + "\n"


def _change(rows: Sequence[Mapping], name: str, before: np.ndarray) -> str:
    """Mean and range of the points over the seeds."""
    if not all(name in row["accuracy"] for row in rows):
        return "-"
    points = 100 * (np.array([row["accuracy"][name] for row in rows]) - before)
    return f"{points.mean():+.1f} ({points.min():+.1f} to {points.max():+.1f})"


TEXT = """
# What repairs win back

`repair` fits several changes of a linear head to a new set, without labels or with a few, and chooses one. This page
says what those without labels won back on made shifts, and how far the choice between them can be relied on.
`python -m benchmarks.repairs` makes it from `benchmarks/results/repairs.json`.

The thresholds of the choice were set on digits and CIFAR-10, and the check of the class mix after a repair was added
when Fashion-MNIST had been looked at. So the shares below are not of fresh shifts, and a few dozen trials leave them
uncertain by several points.

## How good the choice without labels is

The choice is cautious: where the class mix may have changed too, an alignment would make up for it, and nothing is
done. It rarely loses, and it leaves gains to those who give labels (`--label-rows`, `--labels`). The best of all
repairs is known only afterwards, and is partly the best by chance.
"""
TABLE = """
Points of accuracy beside doing nothing, on rows that were not fitted to, mean and range over two divisions of the rows.
Targets have the class mix of the reference. T3A is never chosen without labels.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path, nargs="?")
    parser.add_argument("sets", nargs="*", help="backbone/NAME/RUN, with the run's own or one of its models")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--page", action="store_true")
    given = parser.parse_args(arguments)
    if given.workspace:
        found = []
        for one in given.sets:
            backbone, name, run = one.split("/", 2)
            for seed in range(given.seeds):
                found += trials(given.workspace, backbone, name, run, seed)
        given.out.write_text(json.dumps(found, indent=1) + "\n")
    if given.page:
        PAGE.write_text(page(json.loads(given.out.read_text())))


if __name__ == "__main__":
    main()

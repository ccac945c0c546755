"""Whether the account of a gap is true: sets of real features, made so that one cause alone is at work.

    python -m benchmarks.truth make FOLDER --data ../shared/data       features of CIFAR-10, ten minutes on two cores
    python -m benchmarks.truth make FOLDER --dataset fashion-mnist --encoder patches              other ones, a minute
    python -m benchmarks.truth run FOLDER --out one.json               the examination, an hour
    python -m benchmarks.truth run FOLDER --rows 100 --seeds 5 --causes nothing blur --out another.json
    python -m benchmarks.truth table one.json another.json             the table of docs/truth.md

Two halves of the images stand for two populations. From one a reference is drawn, from the other a target, to which
one thing is done: its classes are drawn unequally, labels are changed, hard rows are preferred, or images that were
modified before their features were made take their place. What the largest term says is *right*, where it names the
cause (or where nothing was done and no loss is claimed), *unknown* where the account says that it cannot tell, or else
*wrong*. Terms whose value in the population is known have to hold it in their intervals.
"""

import argparse
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.gaps.breakdown import GapBreakdown, break_down, inputs_of
from gapscope.gaps.exchanged import confidence_of, shares_as_seen
from gapscope.gaps.keys import strangers
from gapscope.gaps.mix import Counts, mix_of
from gapscope.gaps.split import Seen
from gapscope.predictions import Predictions
from gapscope.probes.model import Classifier
from gapscope.probes.options import ProbeOptions
from gapscope.probes.train import train
from gapscope.shifts.confidence import Sureness, WithConfidence
from gapscope.shifts.domain import domain_scores
from gapscope.shifts.looks import looks
from gapscope.store import ArrayStore, View
from gapscope.stream import Workers, connect

Array = np.ndarray
# An image by its number, labels ``(n,)``, and the names of the classes.
Images = tuple[Callable[[int], Any], Array, list[str]]
CLEAN, MODIFIED = "clean", ("gaussian-noise:1", "blur:1", "night:2", "drawing")
ROWS = (100, 400, 2000, 6000)
TRAINING, HOLDOUT, AXES, REPLICATES = 2000, 400, 128, 100
# Of a population, the most that is drawn.
LARGEST_PART = 0.8
INPUTS, LABELS = ("x_shift", "novel_x"), ("y_given_x", "exchanged_labels")
# What the largest term may be called for each cause.
CAUSES: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "class mix": ("class_mix",),
    "classes removed": ("class_mix",),
    "harder rows": INPUTS,
    "a class relabelled": LABELS,
    "5 % wrong labels": ("y_given_x",),
    "20 % wrong labels": ("y_given_x",),
    "noise": INPUTS,
    "blur": INPUTS,
    "night": INPUTS,
    "drawings": INPUTS,
    "night and 20 % wrong labels": (*INPUTS, "y_given_x"),
}
IMAGES = {"noise": "gaussian-noise:1", "blur": "blur:1", "night": "night:2", "drawings": "drawing"}
IMAGES["night and 20 % wrong labels"] = "night:2"
# Class 5 (dogs) mostly becomes class 0 (airplanes); the target prefers classes 2 to 5, or lacks 1, 8 and 9.
RELABELLED, PREFERRED, REMOVED = (5, 0, 0.7), (2, 3, 4, 5), (1, 8, 9)


class Rows(NamedTuple):
    """Features ``(n, d)``, labels ``(n,)``, and what each row counts in its population ``(n,)``."""

    x: Array
    y: Array
    weight: Array


class World(NamedTuple):
    """A model, the population of the reference, and those of the targets by cause, with its classes' names."""

    model: Classifier
    reference: Rows
    targets: dict[str, Rows]
    class_names: list[str]


class Outcome(NamedTuple):
    """What one account said, and whether intervals held what is known, by term."""

    verdict: str
    held: dict[str, bool]


def world_of(folder: Path, workers: Workers) -> World:
    """The populations from the features in a folder that `make` has left, in their first 128 principal axes."""
    files = {name: np.load(folder / f"{name.replace(':', '-')}.npz") for name in (CLEAN, *MODIFIED)}
    names = [str(name) for name in files[CLEAN]["names"]]
    sets = {name: (file["x"].astype(np.float32), file["y"]) for name, file in files.items()}
    first = sets[CLEAN][0][: 2 * TRAINING]
    axes = np.linalg.svd(first - first.mean(axis=0), full_matrices=False)[2][:AXES].T
    sets = {name: ((x - first.mean(axis=0)) @ axes, y) for name, (x, y) in sets.items()}
    return world_from(sets, names, workers)


def world_from(sets: dict[str, tuple[Array, Array]], names: list[str], workers: Workers) -> World:
    """The populations from rows of clean and of modified images."""
    x, y = sets[CLEAN]
    parts = np.split(np.arange(len(x)), [TRAINING, TRAINING + HOLDOUT, (len(x) + TRAINING + HOLDOUT) // 2])
    held = Chunk(parts[1], x[parts[1]], y[parts[1]].astype(np.int32))
    model = train("logistic", view_of(x[parts[0]], y[parts[0]], names), held, ProbeOptions(), workers)
    reference, clean = (Rows(x[part], y[part], np.ones(len(part))) for part in parts[2:])
    images = {cause: Rows(*sets[name], np.ones(len(sets[name][1]))) for cause, name in IMAGES.items() if name in sets}
    targets = {cause: images.get(cause, clean) for cause in CAUSES if cause in images or cause not in IMAGES}
    return World(model, reference, {cause: _done(cause, rows, model) for cause, rows in targets.items()}, names)


def _done(cause: str, rows: Rows, model: Classifier) -> Rows:
    """The population with one thing done to it."""
    x, y, rng = rows.x, rows.y, np.random.default_rng(1)
    if cause == "class mix":
        return rows._replace(weight=np.where(np.isin(y, PREFERRED), 3.0, 0.4))
    if cause == "classes removed":
        return rows._replace(weight=np.where(np.isin(y, REMOVED), 0.0, 1.0))
    if cause == "harder rows":
        return rows._replace(weight=np.where(model.probabilities(x).max(axis=1) < 0.8, 1.0, 0.25))
    if cause == "a class relabelled":
        old, new, share = RELABELLED
        return rows._replace(y=np.where((y == old) & (rng.random(len(y)) < share), new, y))
    if "wrong labels" in cause:
        wrong = rng.random(len(y)) < int(cause.split(" %")[0].split()[-1]) / 100
        return rows._replace(y=np.where(wrong, (y + rng.integers(1, 10, len(y))) % 10, y))
    return rows


def examined(world: World, cause: str, rows: int, seed: int, workers: Workers) -> Outcome:
    """The account of one pair of sets of `rows` rows."""
    rng = np.random.default_rng([seed, rows])
    sides = [_sample(one, rows, rng) for one in (world.reference, world.targets[cause])]
    account = _account(world, sides, seed, workers)
    known = known_terms(world, cause, account)
    held = {name: bool(account.term(name).low <= value <= account.term(name).high) for name, value in known.items()}
    return Outcome(_verdict(account, CAUSES[cause]), held)


def _sample(rows: Rows, count: int, rng: np.random.Generator) -> Rows:
    kept = np.flatnonzero(rng.random(len(rows.y)) < rows.weight / rows.weight.max())
    some = rng.permutation(kept)[:count]
    return Rows(*(column[some] for column in rows))


def enough(world: World, cause: str, rows: int) -> bool:
    """Whether the populations have so many rows that a sample of them is not most of what there is."""
    sides = (world.reference, world.targets[cause])
    return all(rows <= LARGEST_PART * float((one.weight / one.weight.max()).sum()) for one in sides)


def _account(world: World, sides: Sequence[Rows], seed: int, workers: Workers) -> GapBreakdown:
    model, names = world.model, world.class_names
    views = [view_of(one.x, one.y, names) for one in sides]
    predictions = [_predictions(model, one, names) for one in sides]
    seen = WithConfidence(model.probabilities)
    where = {"seed": seed, "workers": workers}
    domain = domain_scores(*views, change=seen, emphasis=seen.emphasis(views[0].store.dim), **where)
    p, q = shares_as_seen(*predictions)
    ratio = np.divide(q, p, out=np.ones_like(p), where=(p > 0) & (q > 0))
    odds = tuple(model.probabilities(one.x) @ ratio for one in sides)
    several = looks(*views, seed=seed, confidence=Sureness(model.probabilities))
    evidence = Seen((domain.reference, domain.target), odds, several, confidence_of(*predictions))
    keys = strangers(*(one.sample_id for one in predictions))
    return break_down(*predictions, seen=evidence, keys=keys, replicates=REPLICATES, seed=seed)


def _verdict(account: GapBreakdown, wanted: tuple[str, ...]) -> str:
    """What the first sentence claims, against the cause."""
    if not account.significant:
        return "unknown" if wanted else "right"
    named = account.lead
    if named is None or (named.name == "novel_x" and inputs_of(account) == "unknown"):
        return "unknown"
    if named.name == "class_mix" and account.mix_or_labels:
        return "unknown"
    return "right" if named.name in wanted else "wrong"


def known_terms(world: World, cause: str, account: GapBreakdown) -> dict[str, float]:
    """The terms whose value in the population is known, for terms that the account has."""
    counts = [_counts(world, one) for one in (world.reference, world.targets[cause])]
    mix = mix_of(*counts)
    refused = account.split is not None and bool(account.split.refused)
    known = {"sampling_noise": 0.0}
    if cause != "a class relabelled":
        known["class_mix"] = float(mix.mix.sum())
    within = float(mix.within.sum())
    if refused and cause != "a class relabelled":
        known["novel_x"] = within
    elif cause in ("nothing", "class mix", "classes removed"):
        known |= {"x_shift": 0.0, "y_given_x": 0.0}
    elif cause == "harder rows":
        known |= {"x_shift": within, "y_given_x": 0.0}
    elif cause.endswith("wrong labels") and cause not in IMAGES:
        known |= {"x_shift": 0.0, "y_given_x": within}
    return known


def _counts(world: World, rows: Rows) -> Counts:
    right = world.model.predict(rows.x) == rows.y
    classes = len(world.class_names)
    return Counts(*(np.bincount(rows.y, rows.weight * one, classes) for one in (right, np.ones(len(right)))))


def view_of(x: Array, y: Array, names: list[str]) -> View:
    """Rows in memory."""
    return ArrayStore(np.asarray(x, np.float32), y, names).view()


def _predictions(model: Classifier, rows: Rows, names: list[str]) -> Predictions:
    p = model.probabilities(rows.x)
    ids, top = np.arange(len(p)), np.argsort(-p, axis=1)[:, :2].astype(np.int32)
    return Predictions(
        "model", "set", "", tuple(names), ids, rows.y.astype(np.int32), top, p.max(axis=1).astype(np.float32)
    )


def table_of(outcomes: Sequence[tuple[str, int, Outcome]]) -> Iterator[str]:
    """Rows of a Markdown table: cause, rows, seeds, shares of verdicts, and coverage of each known term."""
    yield "| cause | rows | seeds | right | unknown | wrong | intervals that hold what is known |"
    yield "|---|---|---|---|---|---|---|"
    groups: dict[tuple[str, int], list[Outcome]] = {}
    for cause, rows, outcome in outcomes:
        groups.setdefault((cause, rows), []).append(outcome)
    for (cause, rows), several in groups.items():
        verdicts, n = Counter(one.verdict for one in several), len(several)
        shares = " | ".join(f"{verdicts[name] / n:.0%}" for name in ("right", "unknown", "wrong"))
        held: dict[str, list[bool]] = {}
        for one in several:
            for name, value in one.held.items():
                held.setdefault(name, []).append(value)
        words = ", ".join(f"{name.replace('_', ' ')} {np.mean(some):.0%}" for name, some in held.items())
        yield f"| {cause} | {rows:,} | {n} | {shares} | {words} |"


def read_outcomes(places: Sequence[Path]) -> list[tuple[str, int, Outcome]]:
    """What runs have left, by cause and rows."""
    rows = [row for place in places for row in json.loads(place.read_text())]
    order = {cause: place for place, cause in enumerate(CAUSES)}
    rows.sort(key=lambda row: (order[row[0]], row[1]))
    return [(cause, count, Outcome(verdict, held)) for cause, count, verdict, held in rows]


def make(folder: Path, data: Path, dataset: str, encoder: str) -> None:
    """Features of the images of a set, plain and modified, other images for either."""
    image, labels, names = SETS[dataset](data)
    size, encode = ENCODERS[encoder](data, image)
    order = np.random.default_rng(0).permutation(len(labels))
    folder.mkdir(parents=True, exist_ok=True)
    for name, chosen in ((CLEAN, order[:18_000]), *((name, order[30_000:36_000]) for name in MODIFIED)):
        modified, features = _modification(name), []
        for start in range(0, len(chosen), 32):
            some = [(_sized(image(index), size), int(index)) for index in chosen[start : start + 32]]
            features.append(encode(np.stack([modified(one, index) for one, index in some])))
        x = np.concatenate(features).astype(np.float16)
        np.savez(folder / f"{name.replace(':', '-')}.npz", x=x, y=labels[chosen], names=names)


def _sized(image: Any, size: int) -> Any:
    from PIL import Image

    return image.resize((size, size), Image.Resampling.BICUBIC)


def _cifar10(data: Path) -> Images:
    import pyarrow.parquet as pq
    from PIL import Image

    tables = [pq.read_table(file) for file in sorted((data / "cifar10").glob("train*.parquet"))]
    content = [one["bytes"] for table in tables for one in table["image"].to_pylist()]
    labels = np.concatenate([table["label"].to_numpy() for table in tables])
    names = "airplane automobile bird cat deer dog frog horse ship truck".split()
    return lambda index: Image.open(io.BytesIO(content[index])).convert("RGB"), labels, names


def _fashion_mnist(data: Path) -> Images:
    import gzip

    from PIL import Image

    raw = data / "FashionMNIST" / "raw"
    pixels, labels = (
        np.frombuffer(gzip.decompress((raw / f"train-{name}-ubyte.gz").read_bytes()), np.uint8, offset=start)
        for name, start in (("images-idx3", 16), ("labels-idx1", 8))
    )
    pixels, names = pixels.reshape(-1, 28, 28), "top trouser pullover dress coat sandal shirt sneaker bag boot".split()
    return lambda index: Image.fromarray(pixels[index]).convert("RGB"), labels.astype(np.int64), names


def _mobilenet(data: Path, _image: Callable) -> tuple[int, Callable]:
    from gapscope.backbones import load_backbone

    arguments = {"pad_type": "same", "mean": 0.5, "std": 0.5}
    weights = str(data / "weights/mobilenetv2_100.imagenet.safetensors")
    backbone = load_backbone("mobilenetv2_100", weights, image_size=96, arguments=arguments, device="cpu")
    return 96, backbone.features


def _patches(_data: Path, image: Callable) -> tuple[int, Callable]:
    from benchmarks.patches import IMAGES, SIZE, patches_of

    return SIZE, patches_of(np.stack([np.asarray(_sized(image(index), SIZE)) for index in range(IMAGES)]))


SETS: dict[str, Callable[[Path], Images]] = {"cifar10": _cifar10, "fashion-mnist": _fashion_mnist}
ENCODERS = {"mobilenetv2": _mobilenet, "patches": _patches}


def _modification(name: str) -> Callable:
    from PIL import ImageFilter, ImageOps

    from gapscope.data.modifications.modification import parse

    if name == CLEAN:
        return lambda image, _: np.asarray(image)
    if name != "drawing":
        return lambda image, index: parse(name)[0](np.asarray(image), np.random.default_rng(index))

    def drawing(image, _index: int) -> Array:
        edges = image.convert("L").filter(ImageFilter.SMOOTH_MORE).filter(ImageFilter.FIND_EDGES)
        lines = ImageOps.invert(edges).point(lambda value: 255 if value > 225 else max(0, value - 80))
        return np.asarray(lines.convert("RGB"))

    return drawing


def main(arguments: Sequence[str] | None = None) -> None:
    """See the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "run", "table"))
    parser.add_argument("places", type=Path, nargs="+", help="the folder of features; of table, files of outcomes")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--dataset", choices=SETS, default="cifar10")
    parser.add_argument("--encoder", choices=ENCODERS, default="mobilenetv2")
    parser.add_argument("--rows", type=int, nargs="*", default=ROWS)
    parser.add_argument("--causes", nargs="*", default=list(CAUSES))
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    if options.what == "make":
        make(options.places[0], options.data, options.dataset, options.encoder)
        return
    if options.what == "table":
        print("\n".join(table_of(read_outcomes(options.places))))
        return
    outcomes = []
    with connect(threads=1) as workers:
        world = world_of(options.places[0], workers)
        for rows in options.rows:
            for cause in filter(lambda one: enough(world, one, rows), options.causes):
                several = [examined(world, cause, rows, seed, workers) for seed in range(options.seeds)]
                outcomes += [(cause, rows, one) for one in several]
                print(list(table_of([(cause, rows, one) for one in several]))[-1], flush=True)
                if options.out:
                    options.out.write_text(json.dumps([(c, n, *one) for c, n, one in outcomes]) + "\n")


if __name__ == "__main__":
    main()

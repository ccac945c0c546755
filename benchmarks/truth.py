"""Whether the account of a gap is true: sets of real features, made so that one cause alone is at work.

    python -m benchmarks.truth make FOLDER --dataset cifar10 --encoder mobilenetv2     features, minutes on one core
    python -m benchmarks.truth run FOLDER FOLDER --out truth.json      the examination of several, half an hour each
    python -m benchmarks.truth run FOLDER --rows 100 --seeds 5 --causes nothing blur --out truth.json
    python -m benchmarks.truth table truth.json                        the tables of docs/truth.md

A run that was stopped goes on where it was: what the file has is not done again, and more seeds are added to it.

From one population of images a reference and a target are drawn that share no image, anew for each seed. To the target
one thing is done: its classes are drawn unequally, labels are changed, hard rows are preferred, or images are modified
before their features are made. What the largest term says is *right*, where it names the cause (or where nothing was
done and no loss is claimed), *unknown* where the account says that it cannot tell, or else *wrong*. Terms whose value
in the population is known have to hold it in their intervals.
"""

import argparse
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.random import stream
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
# Rows of either set, and how many pairs of sets are drawn.
SEEDS = {100: 50, 400: 50, 2000: 50, 10_000: 15}
IMAGES, TRAINING, PART_TRAINING, AXES, REPLICATES = 45_000, 2000, 0.25, 128, 200
# A term of which so much is known to be in the population is at work there.
AT_WORK = 0.005
# Of the rows of a population that a target prefers, the most that are drawn.
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
CHANGED = {"noise": "gaussian-noise:1", "blur": "blur:1", "night": "night:2", "drawings": "drawing"}
CHANGED["night and 20 % wrong labels"] = "night:2"
# Of a class that is relabelled, the share that is; and how many classes a set needs so that some can be removed.
RELABELLED, FEWEST_CLASSES = 0.7, 5


class Rows(NamedTuple):
    """Features ``(n, d)``, labels ``(n,)``, and what each row counts in its population ``(n,)``."""

    x: Array
    y: Array
    weight: Array


class World(NamedTuple):
    """A model, the population of the reference, and by cause that of the target, the same images in the same order; and
    the names of the classes.
    """

    model: Classifier
    reference: Rows
    targets: dict[str, Rows]
    class_names: list[str]


class Outcome(NamedTuple):
    """What one account said, and whether intervals held what is known, by term."""

    verdict: str
    held: dict[str, bool]


class Cell(NamedTuple):
    """What so many accounts said of one set, cause and number of rows: how many have each verdict, and of how many a
    term's interval held what is known, with how many there are.
    """

    set: str
    cause: str
    rows: int
    seeds: int
    verdicts: dict[str, int]
    held: dict[str, list[int]]

    def joined(self, other: "Cell") -> "Cell":
        """Of the accounts of both."""
        verdicts = dict(Counter(self.verdicts) + Counter(other.verdicts))
        names = [*self.held, *(name for name in other.held if name not in self.held)]
        held = {
            name: [a + b for a, b in zip(self.held.get(name, (0, 0)), other.held.get(name, (0, 0)), strict=True)]
            for name in names
        }
        return self._replace(seeds=self.seeds + other.seeds, verdicts=verdicts, held=held)

    @classmethod
    def of(cls, name: str, cause: str, rows: int, outcomes: Sequence[Outcome]) -> "Cell":
        """Of the accounts given."""
        cell = cls(name, cause, rows, 0, {}, {})
        for one in outcomes:
            held = {term: [int(value), 1] for term, value in one.held.items()}
            cell = cell.joined(cls(name, cause, rows, 1, {one.verdict: 1}, held))
        return cell


def world_of(folder: Path, workers: Workers) -> World:
    """The populations from the features in a folder that `make` has left."""
    files = {name: np.load(folder / f"{_slug(name)}.npz") for name in (CLEAN, *MODIFIED)}
    names = [str(name) for name in files[CLEAN]["names"]]
    return world_from({name: (file["x"], file["y"]) for name, file in files.items()}, names, workers)


def world_from(sets: dict[str, tuple[Array, Array]], names: list[str], workers: Workers) -> World:
    """The populations from rows of the same images, clean and modified."""
    x, y = sets[CLEAN]
    training = min(TRAINING, int(PART_TRAINING * len(x)))
    start = training + training // 5
    held = Chunk(np.arange(training, start), x[training:start], y[training:start].astype(np.int32))
    model = train("logistic", view_of(x[:training], y[:training], names), held, ProbeOptions(), workers)
    rows = {name: Rows(x[start:], y[start:], np.ones(len(x) - start)) for name, (x, y) in sets.items()}
    causes = [one for one in CAUSES if CHANGED.get(one, CLEAN) in rows]
    causes = [one for one in causes if one != "classes removed" or len(names) >= FEWEST_CLASSES]
    sure = model.probabilities(rows[CLEAN].x).max(axis=1)
    targets = {one: _done(one, rows[CHANGED.get(one, CLEAN)], sure, len(names)) for one in causes}
    return World(model, rows[CLEAN], targets, names)


def _done(cause: str, rows: Rows, sure: Array, k: int) -> Rows:
    """The population of k classes with one thing done to it; `sure` is the model's confidence in the clean images."""
    y, rng = rows.y, np.random.default_rng(1)
    if cause == "class mix":
        preferred = k // 5 + np.arange(max(2 * k // 5, 1))
        return rows._replace(weight=np.where(np.isin(y, preferred), 3.0, 0.4))
    if cause == "classes removed":
        return rows._replace(weight=np.where(np.isin(y, (1, k - 2, k - 1)), 0.0, 1.0))
    if cause == "harder rows":
        return rows._replace(weight=np.where(sure < np.median(sure), 1.0, 0.25))
    if cause == "a class relabelled":
        return rows._replace(y=np.where((y == k // 2) & (rng.random(len(y)) < RELABELLED), 0, y))
    if "wrong labels" in cause:
        wrong = rng.random(len(y)) < int(cause.split(" %")[0].split()[-1]) / 100
        return rows._replace(y=np.where(wrong, (y + rng.integers(1, k, len(y))) % k, y))
    return rows


def examined(world: World, cause: str, rows: int, seed: int, workers: Workers) -> Outcome:
    """The account of one pair of sets of `rows` rows."""
    account = _account(world, drawn(world, cause, rows, seed), seed, workers)
    known = known_terms(world, cause, account)
    held = {name: bool(account.term(name).low <= value <= account.term(name).high) for name, value in known.items()}
    return Outcome(_verdict(account, CAUSES[cause], known), held)


def drawn(world: World, cause: str, rows: int, seed: int) -> tuple[Rows, Rows]:
    """A reference and a target that share no image. Their difference scatters as that of samples of an endless
    population, also where they are most of this one. Each cause has draws of its own, so that one which an interval
    misses by chance does not count against all causes.
    """
    rng = stream(seed, "truth", cause, rows)
    target = world.targets[cause]
    first, rest = np.split(rng.permutation(len(target.y)), [rows])
    kept = rest[rng.random(len(rest)) < (target.weight / target.weight.max())[rest]][:rows]
    reference, target = (
        Rows(*(column[some] for column in one)) for one, some in ((world.reference, first), (target, kept))
    )
    return reference, target


def enough(world: World, cause: str, rows: int) -> bool:
    """Whether the population has so many rows."""
    weight = world.targets[cause].weight
    return rows <= LARGEST_PART * (len(weight) - rows) * float((weight / weight.max()).mean())


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


def _verdict(account: GapBreakdown, wanted: tuple[str, ...], known: dict[str, float]) -> str:
    """What the first sentence claims, against the cause. Of a part that is at work in the population (harder rows are
    rows of harder classes, too) it says nothing wrong where it says of a larger one that it may be chance.
    """
    if not account.significant:
        return "unknown" if wanted else "right"
    named = account.lead
    if named is None or (named.name == "novel_x" and inputs_of(account) == "unknown"):
        return "unknown"
    if named.name == "class_mix" and account.mix_or_labels:
        return "unknown"
    if named.name in wanted:
        return "right"
    at_work = known.get(named.name, 0.0) * np.sign(account.gap) > AT_WORK
    return "unknown" if at_work and account.largest is not named else "wrong"


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
    elif cause.endswith("wrong labels") and cause not in CHANGED:
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


def table_of(cells: Sequence[Cell], by: str = "cause") -> Iterator[str]:
    """Rows of a Markdown table, for each cause or set: shares of verdicts, and coverage of each known term."""
    yield f"| {by} | rows | accounts | right | unknown | wrong | intervals that hold what is known |"
    yield "|---|---|---|---|---|---|---|"
    groups: dict[tuple[str, int], Cell] = {}
    for cell in cells:
        key = (getattr(cell, by), cell.rows if by == "cause" else 0)
        groups[key] = groups[key].joined(cell) if key in groups else cell
    for (name, rows), cell in groups.items():
        shares = " | ".join(_percent(cell.verdicts.get(one, 0), cell.seeds) for one in ("right", "unknown", "wrong"))
        words = ", ".join(f"{one.replace('_', ' ')} {_percent(*of)}" for one, of in sorted(cell.held.items()))
        yield f"| {name} | {f'{rows:,}' if rows else 'all'} | {cell.seeds} | {shares} | {words} |"


def summary_of(cells: Sequence[Cell]) -> str:
    """What all accounts come to, and those where nothing was done."""
    every, null = _all(cells), _all([one for one in cells if one.cause == "nothing"])
    counts = {name: every.verdicts.get(name, 0) for name in ("right", "unknown", "wrong")}
    held = ", ".join(
        f"{name.replace('_', ' ')} {_percent(*of)} of {of[1]:,}" for name, of in sorted(every.held.items())
    )
    return (
        f"Of {every.seeds:,} accounts {counts['right']:,} are right, {counts['unknown']:,} say that they cannot tell, "
        f"and {counts['wrong']:,} ({counts['wrong'] / every.seeds:.1%}) are wrong. Where nothing was done, "
        f"{_percent(null.verdicts.get('right', 0), null.seeds)} of {null.seeds:,} claim nothing and "
        f"{null.verdicts.get('wrong', 0):,} name a cause. Intervals hold what is known: {held}."
    )


def _all(cells: Sequence[Cell]) -> Cell:
    return reduce(Cell.joined, cells)


def _percent(some: int, of: int) -> str:
    return f"{some / of:.0%}"


def read_cells(place: Path) -> list[Cell]:
    """What runs have left, in the order of the causes and rows."""
    cells = [Cell(*row) for row in json.loads(place.read_text())] if place.exists() else []
    order = {cause: index for index, cause in enumerate(CAUSES)}
    return sorted(cells, key=lambda one: (order[one.cause], one.rows, one.set))


def run(folder: Path, place: Path, causes: Sequence[str], seeds: dict[int, int], workers: Workers) -> None:
    """The examination on the features in one folder, added to what the file at `place` has."""
    world = world_of(folder, workers)
    for rows, most in seeds.items():
        for cause in [one for one in causes if one in world.targets and enough(world, one, rows)]:
            others = {(one.set, one.cause, one.rows): one for one in read_cells(place)}
            key = (folder.name, cause, rows)
            cell = others.pop(key, Cell.of(*key, ()))
            new = [examined(world, cause, rows, seed, workers) for seed in range(cell.seeds, most)]
            cell = cell.joined(Cell.of(*key, new))
            lines = ",\n".join(json.dumps(one) for one in (*others.values(), cell))
            place.write_text(f"[\n{lines}\n]\n")
            print(list(table_of([cell]))[-1], flush=True)


def make(folder: Path, data: Path, dataset: str, encoder: str, count: int) -> None:
    """Features of images of a set, plain and modified, in the first principal axes of those that train the model."""
    image, labels, names = SETS[dataset](data)
    size, encode = ENCODERS[encoder](data, image)
    chosen = np.random.default_rng(0).permutation(len(labels))[:count]
    folder.mkdir(parents=True, exist_ok=True)
    first: Array | None = None
    for name in (CLEAN, *MODIFIED):
        modified, features = _modification(name), []
        for start in range(0, len(chosen), 32):
            some = [(_sized(image(index), size), int(index)) for index in chosen[start : start + 32]]
            features.append(encode(np.stack([modified(one, index) for one, index in some])).astype(np.float16))
        x = np.concatenate(features)
        if first is None:
            first = x[: 2 * TRAINING].astype(np.float32)
            axes = np.linalg.svd(first - first.mean(axis=0), full_matrices=False)[2][:AXES].T
        x = np.concatenate([(x[part : part + 1000] - first.mean(axis=0)) @ axes for part in range(0, len(x), 1000)])
        np.savez(folder / f"{_slug(name)}.npz", x=x.astype(np.float32), y=labels[chosen], names=names)


def _slug(name: str) -> str:
    return name.replace(":", "-")


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


def _photographs(folder: Path) -> Images:
    from PIL import Image

    def image(index: int) -> Any:
        return Image.open(places[index]).convert("RGB")

    places = sorted(file for file in folder.glob("*/*") if file.suffix == ".jpg")
    places = [place for index, place in enumerate(places) if _opens(image, index)]
    names = sorted({place.parent.name for place in places})
    return image, np.array([names.index(place.parent.name) for place in places]), names


def _opens(image: Callable[[int], Any], index: int) -> bool:
    try:
        image(index)
    except OSError:
        return False
    return True


def _mobilenet(data: Path, _image: Callable) -> tuple[int, Callable]:
    from gapscope.backbones import load_backbone

    arguments = {"pad_type": "same", "mean": 0.5, "std": 0.5}
    weights = str(data / "weights/mobilenetv2_100.imagenet.safetensors")
    backbone = load_backbone("mobilenetv2_100", weights, image_size=MOBILENET_SIZE, arguments=arguments, device="cpu")
    return MOBILENET_SIZE, backbone.features


def _patches(_data: Path, image: Callable) -> tuple[int, Callable]:
    from benchmarks.patches import IMAGES, SIZE, patches_of

    return SIZE, patches_of(np.stack([np.asarray(_sized(image(index), SIZE)) for index in range(IMAGES)]))


def _pixels(_data: Path, _image: Callable) -> tuple[int, Callable]:
    return PIXELS, lambda images: images.reshape(len(images), -1) / np.float32(255)


SETS: dict[str, Callable[[Path], Images]] = {
    "cifar10": _cifar10,
    "fashion-mnist": _fashion_mnist,
    "cats-vs-dogs": lambda data: _photographs(data / "cats-vs-dogs" / "PetImages"),
    "objects37": lambda data: _photographs(data / "objects37"),
}
MOBILENET_SIZE, PIXELS = 64, 16
ENCODERS = {"mobilenetv2": _mobilenet, "patches": _patches, "pixels": _pixels}


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
    parser.add_argument("places", type=Path, nargs="+", help="folders of features; of table, a file of outcomes")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--dataset", choices=SETS, default="cifar10")
    parser.add_argument("--encoder", choices=ENCODERS, default="mobilenetv2")
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--rows", type=int, nargs="*", default=list(SEEDS))
    parser.add_argument("--causes", nargs="*", default=list(CAUSES))
    parser.add_argument("--seeds", type=int, help="how many pairs of sets; by default more of few rows")
    parser.add_argument("--out", type=Path, default=Path("truth.json"))
    options = parser.parse_args(arguments)
    if options.what == "make":
        make(options.places[0], options.data, options.dataset, options.encoder, options.images)
    elif options.what == "table":
        cells = read_cells(options.places[0])
        print("\n".join([summary_of(cells), "", *table_of(cells), "", *table_of(cells, by="set")]))
    else:
        seeds = {rows: options.seeds or SEEDS.get(rows, min(SEEDS.values())) for rows in options.rows}
        with connect(threads=1) as workers:
            for folder in options.places:
                run(folder, options.out, options.causes, seeds, workers)


if __name__ == "__main__":
    main()

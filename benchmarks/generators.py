"""How good the images of `diffusion` and `gan` become while they train, on Fashion-MNIST.

    python -m benchmarks.generators --data-root DATA                                     both, 6,000 training images
    python -m benchmarks.generators --data-root DATA --only gan --gan-steps 100 1000     one of them, shorter
    python -m benchmarks.generators --data-root DATA --out benchmarks/results/generators.json
    python -m benchmarks.generators --tiny                                               digits, to see that it runs

Three sets of real images have no image in common: those that the generator learns from, those that the judge learns
from, and the test images, which neither has seen. The judge is the small network `simple-cnn`; what its last layer sees
are the features of the KID, and its answers say which share of the generated images is recognised as the class that was
asked for. The best that can be had stands beside it, from the same run: the judge's accuracy on test images, and the
KID of as many real images that nobody has learnt from, which is 0 but for chance.

A training is looked at after several numbers of steps, and goes on. Each look is written to --out at once, with a
contact sheet beside it; what is trained is kept in --work. So the same command goes on where it was killed; looks that
are in the file are not taken again.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from gapscope.backbones.body import without
from gapscope.cnn.data import pixel_statistics
from gapscope.cnn.images import Held, open_images
from gapscope.cnn.recipe import Recipe
from gapscope.cnn.train import TrainingData, fit
from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.core.hashing import digest_json
from gapscope.core.location import Location
from gapscope.core.random import stream
from gapscope.data.catalogue import open_dataset
from gapscope.data.source import Source
from gapscope.data.sources.subset import Subset
from gapscope.draw.contact import ClassSheet, Shown, contact_sheet
from gapscope.generators import GENERATORS
from gapscope.generators.diffusion import DiffusionRecipe
from gapscope.generators.gan import GanRecipe
from gapscope.generators.generator import Generator
from gapscope.inference import clopper_pearson
from gapscope.networks.design import Design, head_name
from gapscope.networks.frame import own_frame, peek
from gapscope.networks.trained import Trained
from gapscope.realism.kid import kid
from gapscope.shifts.prdc import squared_distances

WANTED = 0.8
NETWORK, BYTES = "simple-cnn", 2**33
RECIPES = {"diffusion": DiffusionRecipe(width=24, batch_size=32, lr=1e-3), "gan": GanRecipe(width=32, lr=4e-4)}
ACROSS, CLASSES = 8, 10


@dataclass(frozen=True)
class Roles:
    """Real images without one in common: to learn from, to train the judge, nobody's, and to test on."""

    learnt: Held
    judged: Held
    left: Held
    test: Held

    @property
    def class_names(self) -> list[str]:
        """By class index."""
        return self.test.source.listing.class_names


@dataclass(frozen=True)
class Judge:
    """A network that is no part of a generator.

    Attributes
    ----------
    classifier, features
        The whole network, and all but its last layer.
    test
        Features of the test images that distances are taken from.
    accuracy
        On all test images.
    """

    classifier: Trained
    features: Trained
    test: np.ndarray
    accuracy: float


def roles(dataset: str, data_root: Path, learnt: int, judged: int, left: int) -> Roles:
    """The training split of a dataset, dealt at random, and its test split."""
    opened = open_dataset(dataset, data_root)
    train, test = opened.source("train"), opened.source("test")
    order = stream(0, "roles").permutation(len(train.listing))
    ends = np.cumsum([learnt, judged, left])
    return Roles(*(_held(train, np.sort(order[start:end])) for start, end in zip([0, *ends], ends, strict=False)),
                 _held(test, np.arange(len(test.listing))))  # fmt: skip


def _held(source: Source, rows: np.ndarray) -> Held:
    frame, _ = own_frame(peek(source), None)
    return open_images(Subset.of(source, rows), "real images", frame, BYTES)


def judge_of(real: Roles, epochs: int, compared: int, work: Location) -> Judge:
    """A network trained on images of its own; `compared` test images stand for the distribution of real ones."""
    rows = np.arange(len(real.judged.pixels))
    mean, std = pixel_statistics(real.judged, rows)
    classes, device = len(real.class_names), torch.device("cpu")
    lesson = TrainingData(real.judged, rows, rows[:0], classes, mean, std, device)
    design = Design(NETWORK, real.test.frame, classes)
    recipe = Recipe(epochs=epochs, batch_size=64)
    kept = FolderCheckpoint(work / f"judge-{digest_json([asdict(recipe), len(rows), list(design.frame)])[:12]}")
    model = fit(design.build(0), lesson, recipe, kept).model
    classifier = Trained(NETWORK, design, mean, std, tuple(real.class_names), model, device, {})
    features = replace(classifier, model=without(model, head_name(model)).eval())
    answers = classifier.scores(real.test.pixels).argmax(1)
    accuracy = float((answers == real.test.source.listing.labels).mean())
    chosen = stream(0, "compared").permutation(len(answers))[:compared]
    return Judge(classifier, features, features.scores(real.test.pixels[chosen]), accuracy)


def look(judge: Judge, images: np.ndarray, asked: np.ndarray) -> dict[str, Any]:
    """Distance to the test images, and the share recognised as the class asked for, with 95 % intervals."""
    distance = kid(judge.test, judge.features.scores(images))
    right = judge.classifier.scores(images).argmax(1) == asked
    low, high = clopper_pearson(int(right.sum()), len(right))
    counts = np.bincount(asked)
    return {
        "kid": distance.value,
        "kid_interval": [distance.low, distance.high],
        "recognised": float(right.mean()),
        "recognised_interval": [low, high],
        "recognised_of_class": (np.bincount(asked, right) / counts).tolist(),
    }


def made(generator: Generator, each: int) -> tuple[np.ndarray, np.ndarray]:
    """`each` images of every class, and their classes."""
    classes = range(generator.form.classes)
    images = np.concatenate([generator.sample(label, range(each), 0) for label in classes])
    return images, np.repeat(np.arange(len(classes)), each)


def sheet(real: Roles, judge: Judge, images: np.ndarray, asked: np.ndarray, title: str, place: Path) -> None:
    """A contact sheet: real images, generated ones, and those of the generator's own images that are nearest."""
    labels, learnt = real.learnt.source.listing.labels, judge.features.scores(real.learnt.pixels)
    classes = []
    for label, name in enumerate(real.class_names):
        rows = np.flatnonzero(asked == label)[:ACROSS]
        apart = squared_distances(judge.features.scores(images[rows]), learnt)
        nearest = apart.argmin(1)
        distances = np.sqrt(apart.min(1))
        shown = [Shown(images[row], real.learnt.pixels[near], float(distance), None)
                 for row, near, distance in zip(rows, nearest, distances, strict=True)]  # fmt: skip
        classes.append(ClassSheet(name, list(real.learnt.pixels[labels == label][:ACROSS]), shown))
    place.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(classes, side=48, title=title).save(place)


def trained_to(name: str, recipe: Any, real: Roles, work: Location) -> tuple[Generator, float | None]:
    """The generator after ``recipe.steps`` steps, continued from fewer; steps a second, None where none was left."""
    training = {key: value for key, value in GENERATORS[name].training(recipe).items() if key != "steps"}
    made_of = [training, list(real.learnt.pixels.shape)]
    kept = FolderCheckpoint(work / f"{name}-{digest_json(made_of)[:12]}")
    found = kept.load("generator")
    left = recipe.steps - (len(found.arrays["losses"]) if found else 0)
    labels = real.learnt.source.listing.labels
    begun = perf_counter()
    generator = GENERATORS[name].train(real.learnt.pixels, labels, len(real.class_names), recipe, kept)
    return generator, left / (perf_counter() - begun) if left else None


def line(row: dict[str, Any]) -> str:
    """A look for people."""
    low, high = row["kid_interval"]
    at = f"{row['name']} after {row['steps']:,} steps" if "steps" in row else row["name"]
    return (
        f"{at}: KID {row['kid']:.4f} ({low:.4f} to {high:.4f}), {row['recognised']:.1%} recognised "
        f"({row['recognised_interval'][0]:.1%} to {row['recognised_interval'][1]:.1%})"
    )


class Record:
    """The figures so far, in a file that is replaced at each look."""

    def __init__(self, place: Path | None, setting: dict[str, Any]):
        self.place = place
        found = json.loads(place.read_text()) if place and place.exists() else {}
        self.figures = found if found.get("setting") == setting else {"setting": setting, "looks": []}

    def has(self, **values: Any) -> bool:
        """Whether a look with these values was taken."""
        return any(values.items() <= row.items() for row in self.figures["looks"])

    def add(self, row: dict[str, Any]) -> None:
        """Tell people, and write."""
        print(line(row), flush=True)
        self.figures["looks"].append(row)
        if self.place:
            Location.of(self.place).write_text(json.dumps(self.figures, indent=1))


def measure(
    real: Roles, judge: Judge, courses: Sequence[tuple[str, Any]], record: Record, each: int, work: Location
) -> None:
    """Every look that is missing, in order; a generator's contact sheet is that of its last look."""
    if not record.has(name="real"):
        labels = real.left.source.listing.labels
        record.add({"name": "real"} | look(judge, real.left.pixels, labels))
    for name, recipe in courses:
        if record.has(name=name, steps=recipe.steps):
            continue
        generator, rate = trained_to(name, recipe, real, work)
        begun = perf_counter()
        images, asked = made(generator, each)
        speed = len(images) / (perf_counter() - begun)
        if record.place:
            place = record.place.with_name(f"{record.place.stem}-{name}.png")
            sheet(real, judge, images, asked, f"{name} after {recipe.steps:,} steps", place)
        row = {"name": name, "steps": recipe.steps, "steps_per_second": rate, "images_per_second": speed}
        record.add(row | look(judge, images, asked))


def courses_of(options: argparse.Namespace) -> list[tuple[str, Any]]:
    """Each generator that is asked for with each number of steps, fewest first."""
    steps = {"diffusion": options.diffusion_steps, "gan": options.gan_steps}
    recipes = RECIPES | {"diffusion": replace(RECIPES["diffusion"], ddim_steps=options.ddim_steps)}
    return [(name, replace(recipes[name], steps=number)) for name in options.only for number in sorted(steps[name])]


def asked_for(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--only", nargs="+", choices=sorted(RECIPES), default=sorted(RECIPES))
    parser.add_argument("--images", type=int, default=6000, help="that a generator learns from")
    parser.add_argument("--judged", type=int, default=20_000, help="that the judge learns from")
    parser.add_argument("--compared", type=int, default=1000, help="test images that distances are taken from")
    parser.add_argument("--epochs", type=int, default=5, help="of the judge")
    parser.add_argument("--each", type=int, default=50, help="images generated of each class")
    parser.add_argument("--diffusion-steps", type=int, nargs="+", default=[100, 500, 1500])
    parser.add_argument("--gan-steps", type=int, nargs="+", default=[100, 1000, 6000])
    parser.add_argument("--ddim-steps", type=int, default=25, help="evaluations of diffusion's network for an image")
    parser.add_argument("--work", default="workspace/benchmarks/generators", help="folder of what is trained")
    parser.add_argument("--out", type=Path, help="JSON file for the figures; contact sheets go beside it")
    parser.add_argument("--tiny", action="store_true", help="digits and a few steps, to see that it runs")
    options = parser.parse_args(arguments)
    if options.tiny:
        options.images, options.judged, options.compared, options.epochs, options.each = 200, 400, 100, 1, 4
        options.diffusion_steps, options.gan_steps, options.ddim_steps = [1, 2], [1, 2], 2
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Deal the images, train the judge, then look at each generator after each number of steps."""
    options = asked_for(arguments)
    dataset = "digits" if options.tiny else "fashion-mnist"
    work = Location.of(options.work)
    real = roles(dataset, options.data_root, options.images, options.judged, options.each * CLASSES)
    judge = judge_of(real, options.epochs, options.compared, work)
    print(f"the judge recognises {judge.accuracy:.1%} of {len(real.test.pixels):,} test images", flush=True)
    sizes = {name: getattr(options, name) for name in ("images", "judged", "compared", "epochs", "each", "ddim_steps")}
    told = {"dataset": dataset, "judge_accuracy": judge.accuracy, "threads": torch.get_num_threads(), **sizes}
    recipes = {name: GENERATORS[name].training(recipe) | {"steps": 0} for name, recipe in RECIPES.items()}
    record = Record(options.out, told | {"wanted": WANTED, "recipes": recipes})
    measure(real, judge, courses_of(options), record, options.each, work)


if __name__ == "__main__":
    main()

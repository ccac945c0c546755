"""Is the right cause named? Photographs, changed by recipes that are not among the candidates, and by nothing at all.

A MobileNetV2, a logistic regression on some photographs, and two sets of others: the reference, and a target after
each recipe. Every line is what `explain` says of one set, all of the search included. With --nulls, pairs of sets that
no known modification made different (`explain_nulls.py`): how often is a cause named nevertheless?

    python -m benchmarks.explain ../shared/data --images 200
    python -m benchmarks.explain ../shared/data --photographs cifar10 --images 1000 --recipes dark box --log lines.jsonl
    python -m benchmarks.explain ../shared/data --photographs cifar10 --nulls halves labels mix classes --trials 40

Images after a candidate go through the network once; with --folder, once for all runs. `explain_page.py` makes a part
of docs/explain.md from the lines that --log has written.
"""

import argparse
import gzip
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from pyarrow import parquet
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.explain_nulls import NULLS, pair
from benchmarks.explain_recipes import BACKDROP, RECIPES, pasted
from gapscope.backbones import load_backbone
from gapscope.causes.analysis import Analysis, analyse
from gapscope.causes.candidates import Candidate, causes
from gapscope.causes.families import KINDS
from gapscope.causes.modified import Made, rows_of
from gapscope.causes.proof import Measure, Proof, correct, measured
from gapscope.causes.samples import Sample, in_halves
from gapscope.core.random import stream
from gapscope.core.threads import processors
from gapscope.data.modified import shrunk

Array = np.ndarray
WEIGHTS = "weights/mobilenetv2_100.imagenet.safetensors"
INPUT = {"pad_type": "same", "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
SIDE, TRAINED, TRIALS, SEED = 128, 300, 40, 0
PHOTOGRAPHS = ("cats-vs-dogs", "cifar10", "objects37", "imagenet-sample", "FashionMNIST")
# Sets of one image a class: nothing can be trained on them. Their classes are halves of the order of ImageNet.
WITHOUT_MODEL = ("imagenet-sample",)
# Seconds after which features are kept again for another run.
KEPT_EVERY = 120


def photographs(data: Path, name: str, wanted: int) -> Iterator[tuple[Array, int]]:
    """Images of a set in a fixed random order, with their label."""
    if name == "cifar10":
        yield from rows_from(sorted((data / name).rglob("*test*.parquet"))[0], wanted)
        return
    if name == "FashionMNIST":
        grey, label = idx(data, "t10k"), idx(data, "t10k", "labels")
        for row in np.random.default_rng(0).permutation(len(label))[:wanted]:
            yield np.repeat(grey[row][..., None], 3, axis=2), int(label[row])
        return
    root = data / name / "PetImages" if name == "cats-vs-dogs" else data / name
    folders = sorted(one for one in root.iterdir() if one.is_dir())
    files = [(file, label) for label, folder in enumerate(folders) for file in sorted(folder.iterdir())]
    for index in np.random.default_rng(0).permutation(len(files)):
        try:
            pixels = np.array(shrunk(Image.open(files[index][0]).convert("RGB")))
        except OSError:
            continue
        yield pixels, files[index][1]
        wanted -= 1
        if not wanted:
            return


def idx(data: Path, split: str, what: str = "images") -> Array:
    """Images ``(n, 28, 28) uint8`` or labels ``(n,) uint8`` of Fashion-MNIST, in their order."""
    place = next((data / "FashionMNIST/raw").glob(f"{split}-{what}*gz"))
    values = np.frombuffer(gzip.decompress(place.read_bytes()), np.uint8)
    return values[16:].reshape(-1, 28, 28) if what == "images" else values[8:]


def rows_from(place: Path, wanted: int) -> Iterator[tuple[Array, int]]:
    """Images of a Parquet file in a fixed random order, with their label."""
    table = parquet.read_table(place)
    for index in np.random.default_rng(0).permutation(len(table))[:wanted]:
        data, label = table["image"][int(index)].as_py()["bytes"], table["label"][int(index)].as_py()
        yield np.array(Image.open(BytesIO(data)).convert("RGB")), label


class Pool:
    """Photographs, and what the network makes of each after a candidate or a recipe, asked once."""

    def __init__(self, pixels: list[Array], label: Array, backbone: object, folder: Path | None = None):
        self.pixels, self.label, self.backbone, self.folder = pixels, label, backbone, folder
        self.known: dict[str, dict[int, Array]] = {}
        self.changed: set[str] = set()
        self.backdrops, self.kept = np.arange(len(pixels)), time.monotonic()

    def rows(self, change: Candidate | str, images: Sequence[int]) -> Array:
        """Features, then appearance ``(n, d + b) float32``, of some images after a candidate or a recipe's name."""
        known = self._of(str(change))
        missing = [int(one) for one in images if int(one) not in known]
        if missing:
            wanted = Made(lambda place: self._image(change, missing[place]), len(missing))
            known.update(zip(missing, next(rows_of([wanted], self.backbone, processors())), strict=True))
            self.changed.add(str(change))
        return np.stack([known[int(one)] for one in images])

    def save(self, every: float = 0) -> None:
        """Keep what was made, for another run; not where that was done less than `every` seconds ago."""
        if time.monotonic() - self.kept < every:
            return
        self.kept = time.monotonic()
        for name in self.changed if self.folder else ():
            known = self.known[name]
            np.savez(self.folder / f"{name}.npz", images=list(known), rows=np.stack(list(known.values())))
        self.changed.clear()

    def _of(self, name: str) -> dict[int, Array]:
        if name not in self.known:
            place = self.folder / f"{name}.npz" if self.folder else Path()
            kept = np.load(place) if place.is_file() else {"images": [], "rows": []}
            self.known[name] = dict(zip([int(one) for one in kept["images"]], kept["rows"], strict=True))
        return self.known[name]

    def _image(self, change: Candidate | str, index: int) -> Array:
        if change == BACKDROP:
            behind = stream(SEED, BACKDROP, index).choice(self.backdrops)
            return pasted(self.pixels[index], self.pixels[behind])
        if isinstance(change, str):
            return RECIPES[change][0](self.pixels[index], stream(SEED, change, index))
        return change(self.pixels[index], str(index), SEED)

    def sample(self, name: str, change: str, images: Array, label: Array) -> tuple[Sample, Array]:
        """Images after a recipe as a sample whose halves have the same classes, and its appearance."""
        order = in_halves(label, np.random.default_rng(1))
        rows, dim = self.rows(change, images[order]), self.backbone.dim
        names = [str(one) for one in images[order]]
        return Sample(name, images[order], label[order], names, rows[:, :dim]), rows[:, dim:]


@dataclass(frozen=True, eq=False)
class FromPool:
    """What the search asks of the features of the reference, answered by a pool."""

    pool: Pool
    sample: Sample
    plain: Array
    seed: int = SEED

    def of(self, candidates: Sequence[Candidate], rows: slice, what: str = "") -> list[Array]:
        """Rows of the images at `rows` after each candidate."""
        return [self.pool.rows(one, self.sample.sample_id[rows]) for one in candidates]

    def check(self) -> None:
        """They are not stored."""


class Bench:
    """A pool, a model, and the reference: the first images behind those that the model was trained on.

    Images of another set, `beside`, are behind them in the pool: for targets of other contents, and for backdrops.
    """

    def __init__(self, data: Path, images: int, folder: Path | None, name: str = PHOTOGRAPHS[0],
                 trained: int = TRAINED, side: int = SIDE, beside: str = ""):  # fmt: skip
        backbone = load_backbone("mobilenetv2_100", str(data / WEIGHTS), image_size=side, arguments=INPUT)
        self.trained = 0 if name in WITHOUT_MODEL else trained
        every = list(photographs(data, name, self.trained + 2 * images))
        label = np.array([label for _, label in every])
        if name in WITHOUT_MODEL:
            label = (label >= len(set(label)) / 2).astype(int)
        others = list(photographs(data, beside, 2 * images)) if beside else []
        place = (
            folder / "-".join([f"{name}-{side}", *([beside, str(len(every))] if beside else [])]) if folder else None
        )
        if place:
            place.mkdir(parents=True, exist_ok=True)
        classes = int(label.max()) + 1
        both = np.concatenate([label, [one % classes for _, one in others]]).astype(int)
        self.pool = Pool([pixels for pixels, _ in (*every, *others)], both, backbone, place)
        self.images = np.arange(self.trained, len(every))
        self.others = np.arange(len(every), len(both))
        if beside:
            self.pool.backdrops = self.others
        head = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
        x = self.pool.rows("plain", range(self.trained))[:, : backbone.dim] if self.trained else None
        self.model = head.fit(x, label[: self.trained]) if self.trained else None

    def explained(self, recipe: str, names: Sequence[str] = ()) -> Analysis:
        """What is said of the photographs after a recipe; `names` are the causes to choose from, all where empty."""
        reference, target = np.array_split(self.images, 2)
        return self.between(reference, target, recipe, self.pool.label[target], names)

    def between(
        self, reference: Array, target: Array, recipe: str, label: Array, names: Sequence[str] = ()
    ) -> Analysis:
        """What is said of two sets of images, of which the second has been through a recipe and has such labels."""
        sample, looks = self.pool.sample("reference", "plain", reference, self.pool.label[reference])
        features = FromPool(self.pool, sample, np.concatenate([sample.x, looks], axis=1))
        known = {name: cause for name, cause in causes().items() if not names or name in names}
        other, seen = self.pool.sample(recipe, recipe, target, label)
        found = analyse(features, other, seen, known, self.model)
        self.pool.save(KEPT_EVERY)
        return found

    def lost(self, recipe: str) -> Measure | None:
        """What the recipe costs the reference's own images, which is what its cause should cost."""
        own = np.array_split(self.images, 2)[0]
        before, after = (self.pool.rows(one, own)[:, : self.pool.backbone.dim] for one in ("plain", recipe))
        label = self.pool.label[own]
        return self.model and measured(correct(self.model, before, label) - correct(self.model, after, label))


def nulls(bench: Bench, name: str, images: int, trial: int) -> tuple[str, Analysis]:
    """What was done to the target of a pair of sets that no known modification made different, and what is said."""
    label = bench.pool.label
    breeds_by = bench.pool.rows("plain", bench.images)[:, : bench.pool.backbone.dim] if name == "breeds" else None
    found = pair(name, bench.images, bench.others, label, breeds_by, images, trial)
    return found.recipe, bench.between(*found)


def record(recipe: str, found: Analysis, lost: Measure | None) -> dict[str, object]:
    """What was found, as plain values."""
    best = found.proofs[0] if found.proofs else None
    return {
        "recipe": recipe,
        "right": RECIPES[recipe][1] if recipe in RECIPES else (),
        "accuracies": [one and one.value for one in found.accuracies],
        "p": [round(one.p, 4) for one in found.by_chance],
        "beyond": bool(found.is_beyond_chance),
        "auc": found.auc,
        "first": [KINDS[one.name].family for one in found.ranking[:3]],
        "lost": lost and [*lost],
        "proofs": [told(one) for one in found.proofs[:4]],
        "named": bool(best and best.is_named),
    }


def told(proof: Proof) -> dict[str, object]:
    """A proof as plain values."""
    return {
        "name": proof.explanation.name,
        "versions": [(str(one.candidate or "plain"), round(one.share, 2)) for one in proof.explanation.versions],
        "explained": [*proof.explained],
        "felt": proof.felt and [*proof.felt],
        "auc": proof.auc,
        "lost": proof.lost and [*proof.lost],
        "accuracy": proof.accuracy and proof.accuracy.value,
        "named": bool(proof.is_named),
        "complete": bool(proof.is_complete),
        "rival": bool(proof.is_rival),
        "away": [*proof.away],
        "against": [*proof.against],
    }


def line(found: dict) -> str:
    """The accuracies, the cause, what it explains and reproduces, and whether its family is right."""
    accuracies = " to ".join(f"{one:.1%}" for one in found["accuracies"] if one is not None)
    text = f"{found['recipe']:13} {accuracies:15} p {found['p'][0]:.3f}, {found['p'][-1]:.3f}  "
    if not found["proofs"]:
        return f"{text}no shift"
    best = found["proofs"][0]
    families = {KINDS[name].family for name in best["name"].split("+")}
    verdict = "right" if families <= {*found["right"]} else "wrong"
    first = "yes" if found["first"][0] in found["right"] else "no"
    three = "yes" if {*found["first"]} & {*found["right"]} else "no"
    said = "not named" if not best["named"] else "complete" if best["complete"] else "named"
    versions = ", ".join(f"{share:.0%} {name}" for name, share in best["versions"])
    others = [one["name"] for one in found["proofs"][1:] if one["rival"] and one["named"] and "+" not in best["name"]]
    beside = f" (as well as {', '.join(others)})" if others else ""
    felt = f" ({best['felt'][0]:.0%} of the features)" if best["felt"] else ""
    lost = f", costs {best['lost'][0]:.1%} of {found['lost'][0]:.1%}" if best["lost"] and found["lost"] else ""
    left = f"AUC {found['auc']:.2f} to {best['auc']:.2f}"
    return (
        f"{text}{versions}: {best['explained'][0]:.0%}{felt} explained, {left}{lost}; {said}, {verdict}{beside}; "
        f"first {first}, three {three}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for every recipe, or for every null that a cause is named of, and how many these are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--photographs", choices=PHOTOGRAPHS, default=PHOTOGRAPHS[0])
    parser.add_argument("--trained", type=int, default=TRAINED, help="photographs that the model is trained on")
    parser.add_argument("--side", type=int, default=SIDE, help="pixels of a side that the network sees")
    parser.add_argument("--pool", type=int, default=0, help="images that the samples of nulls are drawn from")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=[*RECIPES])
    parser.add_argument("--nulls", nargs="+", choices=NULLS, default=[])
    parser.add_argument("--beside", choices=PHOTOGRAPHS, default="", help="another set, for other contents, backdrops")
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--folder", type=Path, help="where features are kept for another run")
    parser.add_argument("--log", type=Path, help="a line of JSON for every set is added to this file")
    options = parser.parse_args(arguments)
    held = max(options.images, options.pool // 2)
    bench = Bench(
        options.data, held, options.folder, options.photographs, options.trained, options.side, options.beside
    )
    about = {name: getattr(options, name) for name in ("photographs", "beside", "images", "pool", "side", "trained")}
    about |= {"causes": len(causes())}

    def written(found: dict) -> dict:
        if options.log:
            with options.log.open("a") as file:
                file.write(json.dumps(about | found) + "\n")
        return found

    for recipe in () if options.nulls else options.recipes:
        found = bench.explained(recipe)
        print(line(written(record(recipe, found, bench.lost(recipe)))), flush=True)
    for name in options.nulls:
        said = beyond = 0
        for trial in range(options.trials):
            recipe, analysis = nulls(bench, name, options.images, trial)
            found = written({"null": name, "trial": trial} | record(recipe, analysis, None))
            said, beyond = said + found["named"], beyond + found["beyond"]
            if found["named"]:
                print(line(found), flush=True)
        print(
            f"{name}: of {options.trials} pairs {beyond} differ beyond chance, a cause is named of {said}", flush=True
        )
    bench.pool.save()


if __name__ == "__main__":
    main()

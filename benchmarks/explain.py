"""Is the right cause named? Photographs, changed by recipes that are not among the candidates.

A MobileNetV2 at 128 pixels, a logistic regression on some photographs, and sets of others: as they are, after each
recipe, and of other classes. Every line is what `explain` says of one set; `null` is how many of 100 pairs of random
samples are said to differ.

    python -m benchmarks.explain ../shared/data --images 200
    python -m benchmarks.explain ../shared/data --photographs cifar10 --recipes dark box null

About ten minutes on two cores.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from pyarrow import parquet
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gapscope.backbones import load_backbone
from gapscope.causes.analysis import Analysis, analyse
from gapscope.causes.appearance import appearance
from gapscope.causes.candidates import causes
from gapscope.causes.families import BLUR, BRIGHT, COLOUR, COVERED, DARK, GEOMETRY, KINDS, NOISE, SMALL, TONES
from gapscope.causes.features import Features
from gapscope.causes.kernel import LEVEL, Kernel
from gapscope.causes.samples import Images, Sample, in_halves, prepared
from gapscope.core.location import Location
from gapscope.core.progress import SILENT
from gapscope.data.modified import shrunk

WEIGHTS = "weights/mobilenetv2_100.imagenet.safetensors"
INPUT = {"pad_type": "same", "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
SIDE, TRAINED = 128, 300
PHOTOGRAPHS = ("cats-vs-dogs", "cifar10", "objects37", "imagenet-sample")
# Sets of one image a class: nothing can be trained on them.
WITHOUT_MODEL = ("imagenet-sample",)
NULL, TRIALS = "null", 100
rng = np.random.default_rng(5)


def levels(values: np.ndarray) -> np.ndarray:
    """Rounded and clipped to 8 bits."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def dark(image: np.ndarray) -> np.ndarray:
    """A third of the light, and noise of 6 levels."""
    return levels(0.3 * image + rng.normal(0, 6, image.shape))


def box(image: np.ndarray) -> np.ndarray:
    """A box blur of 7 by 7 pixels."""
    return np.array(Image.fromarray(image).filter(ImageFilter.BoxBlur(3)))


def webcam(image: np.ndarray) -> np.ndarray:
    """A third of the size and back, then JPEG at quality 12."""
    picture, file = Image.fromarray(image), BytesIO()
    small = picture.resize([max(1, side // 3) for side in picture.size], Image.Resampling.BILINEAR)
    small.resize(picture.size, Image.Resampling.BILINEAR).save(file, "JPEG", quality=12)
    return np.array(Image.open(file))


def warm(image: np.ndarray) -> np.ndarray:
    """A quarter more red, a third less blue."""
    return levels(image * np.array([1.25, 1.0, 0.65]))


def crop(image: np.ndarray) -> np.ndarray:
    """The middle 45 % of each side."""
    height, width = (int(0.45 * side) for side in image.shape[:2])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[top : top + height, left : left + width])


def bright(image: np.ndarray) -> np.ndarray:
    """A fifth more light on top of a veil of 60 levels."""
    return levels(1.2 * image + 60)


def noise(image: np.ndarray) -> np.ndarray:
    """Uniform noise of up to 60 levels."""
    return levels(image + rng.uniform(-60, 60, image.shape))


def dark_and_box(image: np.ndarray) -> np.ndarray:
    """Blurred, then darkened."""
    return dark(box(image))


def warm_webcam(image: np.ndarray) -> np.ndarray:
    """A warm cast, then a webcam."""
    return webcam(warm(image))


def dark_crop(image: np.ndarray) -> np.ndarray:
    """The middle, darkened."""
    return dark(crop(image))


def some(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Three images of ten changed, the others as they are."""
    return lambda image: change(image) if rng.random() < 0.3 else image


def turned(image: np.ndarray) -> np.ndarray:
    """Turned by 20 to 35 degrees, with black corners."""
    return np.array(Image.fromarray(image).rotate(rng.uniform(20, 35), Image.Resampling.BILINEAR))


def gamma(image: np.ndarray) -> np.ndarray:
    """Darker mid-tones, white as it was."""
    return levels(255 * (image / 255) ** 2.2)


def faded(image: np.ndarray) -> np.ndarray:
    """Half of the contrast under a veil."""
    return levels(0.45 * image + 70)


def drawing(image: np.ndarray) -> np.ndarray:
    """Black lines on white where the image has edges."""
    lines = np.array(Image.fromarray(image).convert("L").filter(ImageFilter.FIND_EDGES), np.float64)
    return np.repeat(levels(255 - 2 * lines)[..., None], 3, axis=2)


def plain(image: np.ndarray) -> np.ndarray:
    """As it is."""
    return image


# Each recipe with the families that are right; none where no known cause is.
RECIPES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], tuple[str, ...]]] = {
    "dark": (dark, (DARK, NOISE)),
    "box": (box, (BLUR,)),
    "webcam": (webcam, (SMALL, BLUR)),
    "warm": (warm, (COLOUR,)),
    "crop": (crop, (GEOMETRY,)),
    "bright": (bright, (BRIGHT,)),
    "noise": (noise, (NOISE,)),
    "gamma": (gamma, (DARK,)),
    "faded": (faded, (TONES,)),
    "turned": (turned, (GEOMETRY, COVERED)),
    "dark_and_box": (dark_and_box, (DARK, BLUR, NOISE)),
    "warm_webcam": (warm_webcam, (COLOUR, SMALL, BLUR)),
    "dark_crop": (dark_crop, (DARK, GEOMETRY, NOISE)),
    "some_dark": (some(dark), (DARK, NOISE)),
    "some_box": (some(box), (BLUR,)),
    "some_noise": (some(noise), (NOISE,)),
    "drawing": (drawing, ()),
    "plain": (plain, ()),
}


def photographs(data: Path, name: str, wanted: int) -> Iterator[tuple[np.ndarray, int]]:
    """Images of a set in a fixed random order, with their label."""
    if name == "cifar10":
        yield from rows_of(sorted((data / name).rglob("*test*.parquet"))[0], wanted)
        return
    root = data / name / "PetImages" if name == "cats-vs-dogs" else data / name
    folders = sorted(one for one in root.iterdir() if one.is_dir())
    files = [(file, label) for label, folder in enumerate(folders) for file in sorted(folder.iterdir())]
    order = iter(np.random.default_rng(0).permutation(len(files)))
    for index in order:
        try:
            pixels = np.array(shrunk(Image.open(files[index][0]).convert("RGB")))
        except OSError:
            continue
        yield pixels, files[index][1]
        wanted -= 1
        if not wanted:
            return


def rows_of(place: Path, wanted: int) -> Iterator[tuple[np.ndarray, int]]:
    """Images of a Parquet file in a fixed random order, with their label."""
    table = parquet.read_table(place)
    for index in np.random.default_rng(0).permutation(len(table))[:wanted]:
        data, label = table["image"][int(index)].as_py()["bytes"], table["label"][int(index)].as_py()
        yield np.array(Image.open(BytesIO(data)).convert("RGB")), label


class Bench:
    """The reference with its features, a model, and photographs to change."""

    def __init__(self, data: Path, images: int, folder: Location, name: str = PHOTOGRAPHS[0], trained: int = TRAINED):
        self.backbone = load_backbone("mobilenetv2_100", str(data / WEIGHTS), image_size=SIDE, arguments=INPUT)
        trained = 0 if name in WITHOUT_MODEL else trained
        every = list(photographs(data, name, trained + 2 * images))
        pixels, labels = [one for one, _ in every], np.array([label for _, label in every])
        train, reference = slice(0, trained), slice(trained, trained + images)
        self.rest = slice(trained + images, None)
        self.pixels, self.labels, self.of_reference_start = pixels, labels, trained
        head = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
        self.model = head.fit(self.features(pixels[train]), labels[train]) if trained else None
        sample = self.sample("reference", pixels[reference], reference)
        order = [(pixels[reference][int(row)], np.empty(0)) for row in sample.sample_id]
        read = Images.of(order, self.backbone)
        self.of_reference = Features(self.backbone, sample, read, 0, folder, f"benchmark {name}", SILENT)

    def features(self, pixels: list[np.ndarray]) -> np.ndarray:
        """Embeddings of images."""
        views = [prepared(self.backbone, one) for one in pixels]
        batches = range(0, len(views), 16)
        return np.concatenate([self.backbone.features(np.stack(views[start : start + 16])) for start in batches])

    def sample(self, name: str, pixels: list[np.ndarray], rows: slice) -> Sample:
        """Images as a sample whose halves have the same classes."""
        order = in_halves(self.labels[rows], np.random.default_rng(1))
        names = [f"{name} {row}" for row in order]
        return Sample(name, order, self.labels[rows][order], names, self.features(pixels)[order])

    def null(self) -> int:
        """How many of many pairs of random samples of unchanged photographs are said to differ."""
        pixels = self.pixels[self.of_reference_start :]
        seen = np.stack([appearance(prepared(self.backbone, one)) for one in pixels])
        rows = np.concatenate([self.features(pixels), seen], axis=1)
        n, dim, found = len(rows) // 2, rows.shape[1] - seen.shape[1], 0
        for trial in range(TRIALS):
            one, other = np.split(rows[np.random.default_rng(trial).permutation(2 * n)], 2)
            kernel = Kernel.of(one, other, dim, np.ones((n, n), bool), np.random.default_rng(trial))
            found += kernel.p <= LEVEL
        return found

    def explained(self, recipe: str, names: Sequence[str] = ()) -> Analysis:
        """What is said of the photographs after a recipe; `names` are the causes to choose from, all where empty."""
        change = RECIPES[recipe][0]
        changed = [change(one) for one in self.pixels[self.rest]]
        target = self.sample(recipe, changed, self.rest)
        seen = np.stack([appearance(prepared(self.backbone, changed[int(row)])) for row in target.sample_id])
        known = {name: cause for name, cause in causes().items() if not names or name in names}
        return analyse(self.of_reference, target, seen, known, self.model)


def line(recipe: str, found: Analysis) -> str:
    """The accuracies, the cause, what it explains and reproduces, and whether its family is right."""
    accuracies = " to ".join(f"{one.value:.1%}" for one in found.accuracies if one)
    text = f"{recipe:13} {accuracies:15} p {found.by_chance[0].p:.3f}, {found.by_chance[-1].p:.3f}  "
    best = found.proofs[0] if found.proofs else None
    right = RECIPES[recipe][1]
    if best is None or not best.is_named:
        share = (
            f"at most {max(best.explained.value, 0):.0%} explained, by {best.explanation.name}" if best else "nothing"
        )
        first = KINDS[best.explanation.name.split("+")[0]].family if best else ""
        verdict = ("nearest right" if first in right else "wrong") if right else "right"
        return f"{text}no known cause: {share}  {verdict}"
    versions = ", ".join(f"{one.share:.0%} {one.candidate or 'plain'}" for one in best.explanation.versions)
    families = {KINDS[name].family for name in best.explanation.name.split("+")}
    verdict = "right" if families <= {*right} else "wrong"
    felt = f" ({best.felt.value:.0%} of the features)" if best.felt else ""
    reproduced = f", accuracy {best.accuracy.value:.1%}" if best.accuracy else ""
    auc = f"AUC {found.auc:.2f} to {best.auc:.2f}"
    return f"{text}{versions}: {best.explained.value:.0%}{felt} explained, {auc}{reproduced}  {verdict}"


def main() -> None:
    """Print a line for every recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--photographs", choices=PHOTOGRAPHS, default=PHOTOGRAPHS[0])
    parser.add_argument("--trained", type=int, default=TRAINED, help="photographs that the model is trained on")
    parser.add_argument("--recipes", nargs="+", choices=[*RECIPES, NULL], default=[*RECIPES, NULL])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.data, options.images, Location.of(folder), options.photographs, options.trained)
        for recipe in options.recipes:
            if recipe == NULL:
                print(f"{bench.null()} of {TRIALS} pairs of unchanged samples are said to differ", flush=True)
            else:
                print(line(recipe, bench.explained(recipe)), flush=True)


if __name__ == "__main__":
    main()

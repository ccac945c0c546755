"""Is the right cause named? Photographs of cats and dogs, changed by recipes that are not among the candidates.

A MobileNetV2 at 128 pixels, a logistic regression on 200 photographs, and sets of other photographs: as they are, after
each recipe, and others of another kind. Every line is what `explain` says of one set.

    python -m benchmarks.explain ../shared/data --images 200

About ten minutes on two cores. ``--recipes dark box`` measures some.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gapscope.backbones import load_backbone
from gapscope.causes.analysis import Analysis, analyse
from gapscope.causes.candidates import causes
from gapscope.causes.families import BLUR, BRIGHT, COLOUR, DARK, GEOMETRY, KINDS, NOISE, SMALL
from gapscope.causes.features import Features
from gapscope.causes.samples import Images, Sample, prepared
from gapscope.core.location import Location
from gapscope.core.progress import SILENT
from gapscope.data.modified import shrunk

WEIGHTS = "weights/mobilenetv2_100.imagenet.safetensors"
INPUT = {"pad_type": "same", "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
SIDE, TRAINED = 128, 200
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


def drawing(image: np.ndarray) -> np.ndarray:
    """Black lines on white where the image has edges."""
    lines = np.array(Image.fromarray(image).convert("L").filter(ImageFilter.FIND_EDGES), np.float64)
    return np.repeat(levels(255 - 2 * lines)[..., None], 3, axis=2)


def plain(image: np.ndarray) -> np.ndarray:
    """As it is."""
    return image


# Each recipe with the families that are right; none where no known cause is.
RECIPES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], tuple[str, ...]]] = {
    "dark": (dark, (DARK,)),
    "box": (box, (BLUR,)),
    "webcam": (webcam, (SMALL,)),
    "warm": (warm, (COLOUR,)),
    "crop": (crop, (GEOMETRY,)),
    "bright": (bright, (BRIGHT,)),
    "noise": (noise, (NOISE,)),
    "dark_and_box": (dark_and_box, (DARK, BLUR)),
    "drawing": (drawing, ()),
    "plain": (plain, ()),
}


def photographs(data: Path, wanted: int) -> Iterator[tuple[np.ndarray, int]]:
    """Cats and dogs in turn, in a fixed random order, with their label."""
    folders = [sorted((data / "cats-vs-dogs" / "PetImages" / name).iterdir()) for name in ("Cat", "Dog")]
    orders = [iter(np.random.default_rng(0).permutation(len(folder))) for folder in folders]
    for number in range(wanted):
        yield next(_decoded(folders[number % 2], orders[number % 2])), number % 2


def _decoded(files: list[Path], order: Iterator[int]) -> Iterator[np.ndarray]:
    for index in order:
        try:
            yield np.array(shrunk(Image.open(files[index]).convert("RGB")))
        except OSError:
            continue


class Bench:
    """The reference with its features, a model, and photographs to change."""

    def __init__(self, data: Path, images: int, folder: Location):
        self.backbone = load_backbone("mobilenetv2_100", str(data / WEIGHTS), image_size=SIDE, arguments=INPUT)
        every = list(photographs(data, TRAINED + 2 * images))
        pixels, labels = [one for one, _ in every], np.array([label for _, label in every])
        train, reference, self.rest = slice(0, TRAINED), slice(TRAINED, TRAINED + images), slice(TRAINED + images, None)
        self.pixels, self.labels = pixels, labels
        head = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
        self.model = head.fit(self.features(pixels[train]), labels[train])
        sample = self.sample("reference", pixels[reference], reference)
        order = Images([pixels[reference][int(row)] for row in sample.sample_id], np.empty((images, 0)))
        self.of_reference = Features(self.backbone, sample, order, 0, folder, "benchmark", SILENT)

    def features(self, pixels: list[np.ndarray]) -> np.ndarray:
        """Embeddings of images."""
        views = [prepared(self.backbone, one) for one in pixels]
        batches = range(0, len(views), 16)
        return np.concatenate([self.backbone.features(np.stack(views[start : start + 16])) for start in batches])

    def sample(self, name: str, pixels: list[np.ndarray], rows: slice) -> Sample:
        """Images as a sample whose halves have the same classes: the alternating labels of pairs."""
        order = np.concatenate([np.flatnonzero(np.arange(len(pixels)) // 2 % 2 == half) for half in (0, 1)])
        names = [f"{name} {row}" for row in order]
        return Sample(name, order, self.labels[rows][order], names, self.features(pixels)[order])

    def explained(self, recipe: str, names: Sequence[str] = ()) -> Analysis:
        """What is said of the photographs after a recipe; `names` are the causes to choose from, all where empty."""
        change = RECIPES[recipe][0]
        target = self.sample(recipe, [change(one) for one in self.pixels[self.rest]], self.rest)
        known = {name: cause for name, cause in causes().items() if not names or name in names}
        return analyse(self.of_reference, target, known, self.model)


def line(recipe: str, found: Analysis) -> str:
    """The accuracies, the cause, what it explains and reproduces, and whether its family is right."""
    before, after = (one.value for one in found.accuracies if one)
    text = f"{recipe:13} {before:6.1%} {after:6.1%}  p {found.chance:.3f}  "
    best = found.proofs[0] if found.proofs else None
    right = RECIPES[recipe][1]
    if best is None or not best.is_named:
        share = (
            f"at most {max(best.explained.value, 0):.0%} explained, by {best.explanation.name}" if best else "nothing"
        )
        return f"{text}no known cause: {share}  {'wrong' if right else 'right'}"
    versions = ", ".join(f"{one.share:.0%} {one.candidate or 'plain'}" for one in best.explanation.versions)
    families = {KINDS[name].family for name in best.explanation.name.split("+")}
    verdict = (
        "right" if KINDS[best.explanation.name.split("+")[0]].family in right and families <= {*right} else "wrong"
    )
    reproduced = f"AUC {found.auc:.2f} to {best.auc:.2f}, accuracy {best.accuracy.value:.1%}" if best.accuracy else ""
    return f"{text}{versions}: {best.explained.value:.0%} explained, {reproduced}  {verdict}"


def main() -> None:
    """Print a line for every recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--recipes", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.data, options.images, Location.of(folder))
        for recipe in options.recipes:
            print(line(recipe, bench.explained(recipe)), flush=True)


if __name__ == "__main__":
    main()

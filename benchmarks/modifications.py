"""What each modification costs beside what torchvision offers, and the picture of all of them.

    python -m benchmarks.modifications                                    images a second on one core, a minute
    python -m benchmarks.modifications --tiny                             a small check that it runs
    python -m benchmarks.modifications --picture docs/modifications.png   the picture instead

Speed is that of the slowest severity, the best of several repeats, on scikit-learn's photograph of a temple at 224 and
at 32 pixels. torchvision works on the same uint8 pixels with one thread; where it has no modification of this kind, or
one that is deprecated (JPEG), the column is empty. What has the same name is not always the same work: its contrast and
saturation blend with greys, its elastic deformation is handed a ready field.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_sample_image

sys.path.insert(0, str(Path(__file__).parent.parent))

from gapscope.core.threads import blas_threads
from gapscope.data.modifications import MODIFICATIONS
from gapscope.data.modifications.modification import SEVERITIES, Modification

SIDES = (224, 32)
LIMIT_MS = 3.0
PICTURE_SIDE = 64
NAME_WIDTH, GAP, LETTERS = 104, 3, 13
INK = (30, 30, 30)
# A square of the photograph with sky, walls, trees and people.
SQUARE = (107, 0, 534, 427)


def photograph(side: int) -> np.ndarray:
    """The temple, (side, side, 3) uint8."""
    whole = Image.fromarray(load_sample_image("china.jpg")).crop(SQUARE)
    return np.array(whole.resize((side, side), Image.Resampling.BOX))


def seconds_each(work: Callable[[], object], repeats: int) -> float:
    """The shortest time of `repeats` calls after a first one."""
    work()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def slowest(name: str, image: np.ndarray, repeats: int) -> float:
    """Seconds for an image at the severity that takes longest."""
    rng = np.random.default_rng(0)
    return max(seconds_each(partial(Modification(name, s), image, rng), repeats) for s in SEVERITIES)


def torchvision_forms(side: int) -> dict[str, Callable]:
    """What torchvision has of these modifications, at the settings of the slowest severity."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional as tv

    small = side < 64
    bilinear = {"interpolation": InterpolationMode.BILINEAR}
    affine = {"translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0], **bilinear}
    deviation = 1.0 if small else 6.0
    return {
        "blur": lambda x: tv.gaussian_blur(x, 2 * int(4 * deviation + 0.5) + 1, deviation),
        "brightness": lambda x: tv.adjust_brightness(x, 1.5),
        "contrast": lambda x: tv.adjust_contrast(x, 0.5),
        "saturation": lambda x: tv.adjust_saturation(x, 2.0),
        "elastic": lambda x: tv.elastic(x, _displacement(side), **bilinear),
        "rotation": lambda x: tv.rotate(x, 45.0, **bilinear),
        "translation": lambda x: tv.affine(x, 0.0, **(affine | {"translate": [side // 4, 0]})),
        "scale": lambda x: tv.affine(x, 0.0, **(affine | {"scale": 1.8})),
        "grayscale": lambda x: tv.rgb_to_grayscale(x, 3),
        "invert": tv.invert,
        "posterise": lambda x: tv.posterize(x, 1),
        "equalise": tv.equalize,
        "gaussian-noise": lambda x: tv.gaussian_noise(tv.to_dtype(x, _float32(), scale=True), 0.0, 0.38),
    }


def _displacement(side: int):
    import torch

    return torch.zeros(1, side, side, 2)


def _float32():
    import torch

    return torch.float32


def compare(repeats: int, sides: tuple[int, ...]) -> list[tuple]:
    """Name, and for each size images a second here and in torchvision (None where it has no such thing)."""
    import torch

    rows = []
    for name in MODIFICATIONS:
        row = [name]
        for side in sides:
            image = photograph(side)
            tensor = torch.from_numpy(image.copy()).permute(2, 0, 1).contiguous()
            other = torchvision_forms(side).get(name)
            row.append(1 / slowest(name, image, repeats))
            row.append(1 / seconds_each(lambda f=other, x=tensor: f(x), repeats) if other else None)
        rows.append(tuple(row))
    return rows


def picture() -> bytes:
    """All modifications at all severities beside the photograph itself, as a PNG."""
    image = photograph(224)
    rows = {name: [image, *(_modified(name, s, image) for s in SEVERITIES)] for name in MODIFICATIONS}
    return compact_png(thumbnails(rows, ["original", *map(str, SEVERITIES)], side=PICTURE_SIDE))


def thumbnails(
    rows: Mapping[str, Sequence[np.ndarray]], columns: Sequence[str], *, side: int, across: int = 2
) -> Image.Image:
    """The pictures of each row, (h, w, 3) uint8 each, as squares of `side` pixels under the names of `columns`.

    Parameters
    ----------
    across
        How many rows stand beside each other.
    """
    step, per_block = side + GAP, -(-len(rows) // across)
    block = NAME_WIDTH + len(columns) * step + GAP
    sheet = Image.new("RGB", (across * block, LETTERS + 3 * GAP + per_block * step), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(LETTERS)
    for left in range(0, across * block, block):
        for number, title in enumerate(columns):
            pen.text((left + NAME_WIDTH + (number + 0.5) * step, GAP), title, INK, font, anchor="ma")
    for number, (name, pictures) in enumerate(rows.items()):
        left, top = number // per_block * block, LETTERS + 3 * GAP + number % per_block * step
        pen.text((left + NAME_WIDTH - 2 * GAP, top + side // 2), name, INK, font, anchor="rm")
        for place, picture in enumerate(pictures):
            small = Image.fromarray(picture).resize((side, side), Image.Resampling.BOX)
            sheet.paste(small, (left + NAME_WIDTH + place * step, top))
    return sheet


def compact_png(sheet: Image.Image, colours: int = 256) -> bytes:
    """`sheet` as a PNG with a palette, whose gaps are dithered: about a third of the size of one without."""
    stream = BytesIO()
    palette = sheet.quantize(colours)
    sheet.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _modified(name: str, severity: int, image: np.ndarray) -> np.ndarray:
    return Modification(name, severity)(image, np.random.default_rng(7))


def table(rows: list[tuple], sides: tuple[int, ...]) -> Iterator[str]:
    """The lines to print."""
    heads = [head for side in sides for head in (f"{side} px", "torchvision")]
    yield f"{'images/s on one core':22}" + "".join(f"{head:>14}" for head in heads)
    for name, *rates in rows:
        yield f"{name:22}" + "".join(f"{'' if rate is None else f'{rate:,.0f}':>14}" for rate in rates)
    yield f"slowest at {sides[0]} px: {1000 / min(row[1] for row in rows):.2f} ms, wanted at most {LIMIT_MS:g} ms"


def main() -> None:
    """Print the table, or write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    if options.picture:
        options.picture.write_bytes(picture())
        return
    import torch

    torch.set_num_threads(1)
    sides = (32,) if options.tiny else SIDES
    with blas_threads(1):
        print("\n".join(table(compare(1 if options.tiny else 30, sides), sides)))


if __name__ == "__main__":
    main()

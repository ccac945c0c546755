"""Images side by side in four columns: the reference, the reference under the cause, the target, the nearest target."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gapscope.causes.candidates import Candidate
from gapscope.causes.features import Features
from gapscope.causes.samples import Images, Sample

Array = np.ndarray
ROWS, SIDE, GAP, HEAD, LETTERS = 5, 128, 6, 26, 15
INK = "#7A7A7A"
TITLES = ("reference", "under the cause", "target", "nearest target")


def columns(features: Features, candidate: Candidate, target: Sample, images: Images) -> bytes:
    """A PNG of `ROWS` images of the second half of the reference, one of each class first."""
    sample = features.sample
    rows = sample.halves[1]
    x = features.of([candidate], rows)[0][:, : sample.x.shape[1]]
    lines = []
    for place in _of_all_classes(sample.label[rows])[:ROWS]:
        row = rows.start + int(place)
        plain = features.images.pixels[row]
        apart = np.linalg.norm(target.x - x[place], axis=1)
        apart[[name == sample.names[row] for name in target.names]] = np.inf
        other = _of_class(target.label, int(sample.label[row]), len(lines))
        pixels = [plain, candidate(plain, sample.names[row], features.seed)]
        lines.append([*pixels, images.pixels[other], images.pixels[int(apart.argmin())]])
    return _png(lines)


def _of_all_classes(label: Array) -> Array:
    """An order of the rows in which the first of every class come before any second one."""
    turn = np.zeros(len(label), np.int64)
    for one in np.unique(label):
        turn[label == one] = np.arange((label == one).sum())
    return np.argsort(turn, kind="stable")


def _of_class(label: Array, wanted: int, turn: int) -> int:
    """A row of the class, another one at every turn; any row where the class is not there."""
    rows = np.flatnonzero(label == wanted)
    return int(rows[turn % len(rows)]) if len(rows) else turn % len(label)


def _png(lines: Sequence[Sequence[Array]]) -> bytes:
    size = (len(TITLES) * (SIDE + GAP) + GAP, len(lines) * (SIDE + GAP) + HEAD + GAP)
    # Clear paper and letters of a middle grey, which suit a light page and a dark one.
    sheet = Image.new("RGBA", size)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(LETTERS)
    for column, title in enumerate(TITLES):
        draw.text((GAP + column * (SIDE + GAP), GAP), title, fill=INK, font=font)
        for row, line in enumerate(lines):
            small = _thumbnail(line[column])
            corner = (GAP + column * (SIDE + GAP), HEAD + row * (SIDE + GAP))
            sheet.paste(small, (corner[0] + (SIDE - small.width) // 2, corner[1] + (SIDE - small.height) // 2))
    file = BytesIO()
    sheet.save(file, "PNG", optimize=True)
    return file.getvalue()


def _thumbnail(pixels: Array) -> Image.Image:
    """The image with a longer side of `SIDE`; a small one enlarged without smoothing."""
    image = Image.fromarray(pixels)
    scale = SIDE / max(image.size)
    size = [max(1, round(side * scale)) for side in image.size]
    return image.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS)

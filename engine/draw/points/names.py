"""Names written on a map at the middles of categories, none over another."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gapscope.draw.canvas import BLACK, Size
from gapscope.draw.points.middles import Middles
from gapscope.draw.points.sheet import HALO, SMALL, Sheet, letter, shortened
from gapscope.draw.points.window import Window

# Width of a letter in its height, with room; lines up and down that a name may move from its middle.
LETTER, MOVES = 0.62, (0, 1, -1)
# The longest name on a map, in letters; of several names with commas between them, the first is written.
LONGEST = 22


class Placed(NamedTuple):
    """A name in its ``box : (4,)``: left, bottom, right and top in pixels of the panel."""

    category: int
    word: str
    box: np.ndarray


def placed(size: Size, window: Window, middles: Middles, names: Sequence[str], most: int) -> list[Placed]:
    """Up to `most` names that find room, those first whose categories have most points closest together."""
    taken, result = np.empty((0, 4)), []
    for category in middles.clearest():
        if len(result) == most:
            break
        word = shortened(names[category].split(",")[0], LONGEST)
        boxes = _boxes(middles.places[category], word, window, SMALL * letter(size))
        free = next((box for box in boxes if _is_free(box, taken, window)), None)
        if free is not None:
            taken = np.vstack([taken, free])
            result.append(Placed(int(category), word, free))
    return result


def write(sheet: Sheet, result: Sequence[Placed]) -> None:
    """Write the names on the first panel."""
    for one in result:
        x, y = (one.box[:2] + one.box[2:]) / 2 / (sheet.width, sheet.height)
        panel = sheet.panels[0]
        panel.text(x, y, one.word, transform=panel.transAxes, ha="center", va="center", color=BLACK, parse_math=False,
                   fontsize=SMALL * sheet.size.letters, path_effects=HALO)  # fmt: skip


def _boxes(place: np.ndarray, word: str, window: Window, unit: float) -> np.ndarray:
    """Boxes to try, moved into the panel at its sides."""
    (x,), (y,) = window.pixels(place[:1], place[1:])
    wide, tall = LETTER * unit * len(word), 1.5 * unit
    left = np.clip(x - wide / 2, 2, max(2, window.width - wide - 2))
    return np.array([(left, y + (move - 0.5) * tall, left + wide, y + (move + 0.5) * tall) for move in MOVES])


def _is_free(box: np.ndarray, taken: np.ndarray, window: Window) -> bool:
    inside = box[1] >= 0 and box[3] <= window.height and box[2] <= window.width
    meets = (box[:2] < taken[:, 2:]).all(axis=1) & (taken[:, :2] < box[2:]).all(axis=1)
    return bool(inside and not meets.any())

"""Keys to map pictures: swatches with the names of categories, and bars with the values of a scale."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gapscope.draw.canvas import GREY, LETTER_WIDTH, Size
from gapscope.draw.points.shade import ramp
from gapscope.draw.points.sheet import LINE, MARGIN, Sheet, across, letter, shortened
from gapscope.draw.points.transform import Scale

BAR_WIDTH, BAR_HEIGHT = 300, 12


class Swatches(NamedTuple):
    """Colours with what they stand for, in as many columns as the names leave room for."""

    colours: Sequence[str]
    labels: Sequence[str]

    @property
    def words(self) -> list[str]:
        """The labels, the longest ones cut."""
        return [shortened(label) for label in self.labels]

    def column(self, size: Size) -> float:
        """Pixels of a swatch and the longest label."""
        return letter(size) * (LETTER_WIDTH * 1.1 * max(map(len, self.words), default=0) + 2.5)

    def rows(self, size: Size) -> int:
        """Lines that are needed."""
        columns = max(1, int(across(size, 1) / self.column(size)))
        return -(-len(self.labels) // columns)

    def height(self, size: Size) -> float:
        """Pixels."""
        return self.rows(size) * LINE * letter(size)

    def draw(self, sheet: Sheet) -> None:
        """Below the panels, down and then across."""
        rows, unit = self.rows(sheet.size), sheet.letter
        for number, (colour, label) in enumerate(zip(self.colours, self.words, strict=True)):
            left = MARGIN + number // rows * self.column(sheet.size)
            top = sheet.key + number % rows * LINE * unit
            sheet.paint(left, round(top + 0.15 * unit), round(unit), round(unit), colour)
            sheet.write(left + 1.5 * unit, top, label)


class Bar(NamedTuple):
    """A strip of a scale's colours with values and their unit.

    Attributes
    ----------
    left
        Pixels from the left margin.
    """

    colours: str
    scale: Scale
    ticks: Sequence[float]
    labels: Sequence[str]
    unit: str
    left: float = 0.0
    wide: int = BAR_WIDTH

    def height(self, size: Size) -> float:
        """Pixels."""
        return BAR_HEIGHT + (2 * LINE + 0.4) * letter(size)

    def draw(self, sheet: Sheet) -> None:
        """Below the panels: the unit, the strip, the values; those that would touch the one before are not written."""
        unit, left, top = sheet.letter, MARGIN + self.left, round(sheet.key + LINE * sheet.letter)
        sheet.write(left, sheet.key, self.unit)
        sheet.paste(left, top, self.wide, BAR_HEIGHT, ramp(np.linspace(0, 1, self.wide)[None], self.colours))
        end = -np.inf
        for value, label in zip(self.ticks, self.labels, strict=True):
            place = left + float(self.scale(np.float64(value))) * (self.wide - 1)
            half = LETTER_WIDTH * unit * len(label) / 2
            word = min(max(place, left + half), left + self.wide + half)
            if word - half > end:
                sheet.paint(place, top + BAR_HEIGHT, 1, 3, GREY)
                sheet.write(word, top + BAR_HEIGHT + 4, label, ha="center")
                end = word + half + 0.6 * unit


def counted_ticks(most: float) -> list[float]:
    """1, 3, 10, … up to the largest count, which is one of them.

    >>> counted_ticks(57)
    [1, 3, 10, 30, 57]
    """
    steps = [step * 10**power for power in range(12) for step in (1, 3)]
    return [step for step in steps if step < 0.75 * most] + [most]

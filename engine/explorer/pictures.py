"""Small pictures of a map's images, by dataset, split and sample id; a placeholder where there is no usable image."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw

from gapscope.core.errors import GapscopeError
from gapscope.data.catalogue import open_dataset
from gapscope.data.dataset import Dataset
from gapscope.data.source import Source, Undecodable
from gapscope.explorer.points import Points, Set

SIDES = (48, 96, 224)
KEPT = 4096
PAPER, INK = (241, 243, 245), (134, 142, 150)


@dataclass(frozen=True, eq=False)
class Pictures:
    """The images behind the points of a map, and no others.

    Nothing that a browser sends is used as a path: it names a row of the map, whose image the dataset's own listing
    knows.

    Attributes
    ----------
    points
        The map.
    data_root
        Where datasets are looked for.
    places
        For each set a place to look if its name is not known, as its embedding store says.
    """

    points: Points
    data_root: Path
    places: Mapping[Set, str] = field(default_factory=dict)
    _sources: dict[Set, Source | None] = field(default_factory=dict)
    _positions: dict[Set, dict[str, int]] = field(default_factory=dict)
    _kept: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def missing(self) -> list[Set]:
        """The sets whose dataset is not found, so that their images cannot be shown; lists no images."""
        return [one for one in self.points.sets if not any(_opened(name, self.data_root) for name in self._names(one))]

    def _names(self, one: Set) -> list[str]:
        """What the dataset of a set may be found by."""
        return [name for name in (one.dataset, self.places.get(one, "")) if name]

    def picture(self, dataset: str, split: str, sample_id: int, side: int) -> bytes | None:
        """A PNG whose longer side is at most `side` pixels; None for an image that is not on the map."""
        point = self.points.find(dataset, split, sample_id)
        if point is None:
            return None
        if (point, side) not in self._kept:
            if len(self._kept) >= KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[point, side] = self._made(point, side)
        return self._kept[point, side]

    def _made(self, point: int, side: int) -> bytes:
        try:
            image = self._image(point)
        except (Undecodable, OSError, ValueError):
            image = None
        return _png(image, side) if image else placeholder(side)

    def _image(self, point: int) -> Image.Image | None:
        one = self.points.sets[self.points.member[point]]
        source = self._source(one)
        if source is None:
            return None
        at = self._position(one, source, int(self.points.sample_id[point]), self.points.path[point].as_py())
        return None if at is None else source.image(at)

    def _position(self, one: Set, source: Source, sample_id: int, path: str) -> int | None:
        """Where an image stands in the listing: at its sample id if it has the row's path there, else by its path."""
        names = source.listing.names
        if 0 <= sample_id < len(names) and (not path or names[sample_id] == path):
            return sample_id
        if one not in self._positions:
            self._positions[one] = {name: index for index, name in enumerate(names)}
        return self._positions[one].get(path)

    def _source(self, one: Set) -> Source | None:
        if one not in self._sources:
            tried = (_listed(name, one.split, self.data_root) for name in self._names(one))
            self._sources[one] = next((source for source in tried if source is not None), None)
        return self._sources[one]


def _opened(dataset: str, data_root: Path) -> Dataset | None:
    try:
        return open_dataset(dataset, data_root)
    except (GapscopeError, OSError):
        return None


def _listed(dataset: str, split: str, data_root: Path) -> Source | None:
    try:
        return open_dataset(dataset, data_root).source(split)
    except (GapscopeError, OSError):
        return None


def _png(image: Image.Image, side: int) -> bytes:
    image = image.copy()
    image.thumbnail((side, side), Image.Resampling.BILINEAR)
    return _bytes(image)


@lru_cache
def placeholder(side: int) -> bytes:
    """A grey square with a cross, for an image that is missing or broken."""
    image = Image.new("RGB", (side, side), PAPER)
    pen, edge = ImageDraw.Draw(image), side // 3
    pen.line([(edge, edge), (side - edge, side - edge)], INK, 2)
    pen.line([(edge, side - edge), (side - edge, edge)], INK, 2)
    pen.rectangle([(0, 0), (side - 1, side - 1)], outline=INK)
    return _bytes(image)


def _bytes(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()

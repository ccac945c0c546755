"""A sample of a stored set with its images: rows of features, labels, pixels in memory, and attributes."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from gapscope.attributes.attribute import attributes_of
from gapscope.causes.appearance import appearance
from gapscope.core.errors import GapscopeError, InputError
from gapscope.core.progress import Progress
from gapscope.core.random import stream
from gapscope.data.catalogue import open_dataset
from gapscope.data.modified import SIDE, shrunk
from gapscope.data.source import Source, Undecodable, decoders
from gapscope.store import EmbeddingStore, Piece
from gapscope.store.selected import rows_of
from gapscope.store.workspace import command_about, extraction, free_name

Array = np.ndarray
# Images nearer to each other than this share of the usual distance are taken for the same scene.
TWINS = 0.1
# The class of rows that are not to be in a sample.
LEFT_OUT = -2


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows of a stored set: the first half to choose a cause by, the second to say what it explains.

    Attributes
    ----------
    set
        The set as dataset/split.
    sample_id : (n,), label : (n,)
        Of the rows; the label is the model's class index, -1 where unknown.
    names
        Of the images.
    x : (n, d) float32
        Stored features.
    """

    set: str
    sample_id: Array
    label: Array
    names: list[str]
    x: Array

    @property
    def half(self) -> int:
        """How many rows the first half has."""
        return (len(self.x) + 1) // 2

    @property
    def halves(self) -> tuple[slice, slice]:
        """The rows to choose by, and those to say by."""
        return slice(0, self.half), slice(self.half, len(self.x))


def repeated(sample: Sample) -> float:
    """The share of images that have a near twin in the same sample, such as another frame of one video."""
    x = sample.x.astype(np.float64)
    squares = np.square(x).sum(axis=1)
    apart = np.sqrt(np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0))
    typical = float(np.median(apart[np.triu_indices(len(x), 1)]))
    np.fill_diagonal(apart, np.inf)
    return float((apart.min(axis=1) < TWINS * typical).mean())


def sample_of(store: EmbeddingStore, label: Array, shares: Mapping[int, float], most: int, seed: int) -> Sample:
    """About `most` rows of a store, of each class its share of them; fewer where a class has not so many.

    Parameters
    ----------
    label : (n,)
        The model's class index of every row of the store; `LEFT_OUT` of those not to be taken.
    shares
        Of the classes; of rows without a label too, as class -1. Empty for the store's own.
    """
    rng = stream(seed, "explain", store.name)
    own = {int(c): float((label == c).sum() / (label != LEFT_OUT).sum()) for c in np.unique(label[label != LEFT_OUT])}
    wanted = {c: share for c, share in (shares or own).items() if c in own}
    rows = np.sort(np.concatenate([_of_class(label, c, share * most) for c, share in wanted.items()]))
    kept = np.zeros(store.rows, bool)
    kept[rows] = True
    chosen = rows_of(store, kept, "")
    chunk, paths = chosen.view().read(), chosen.paths(Piece(0, chosen.rows))
    order = in_halves(label[rows], rng)
    return Sample(store.name, chunk.sample_id[order], label[rows][order], [paths[i] for i in order], chunk.x[order])


def _of_class(label: Array, index: int, wanted: float) -> Array:
    """The first rows of a class, which are a fair sample of it, since rows are shuffled."""
    return np.flatnonzero(label == index)[: max(round(wanted), 1)]


def in_halves(label: Array, rng: np.random.Generator) -> Array:
    """An order in which both halves have the same share of every class, each in random order."""
    mixed = rng.permutation(len(label))
    by_class = mixed[np.argsort(label[mixed], kind="stable")]
    return np.concatenate([rng.permutation(by_class[0::2]), rng.permutation(by_class[1::2])])


class Opening(NamedTuple):
    """How the images of a store are found, a small value that travels to workers."""

    place: str
    options: dict[str, Any]
    split: str

    def source(self) -> Source:
        """The images themselves."""
        return open_dataset(self.place, **self.options).source(self.split)


def opening_of(store: EmbeddingStore, data_root: Path) -> Opening:
    """The images of a store: where they were when they were extracted, or by the set's name below `data_root`.

    Raises
    ------
    InputError
        There are none, or they are others now.
    """
    made = store.provenance
    if made.is_imported:
        raise InputError(
            f"{store.name} was imported as features and has no images, and a cause is proven on images; `extract` the "
            "images, or use `shift` and `gap`, which need features alone"
        )
    reason = "nothing says where they lie"
    for place, options in _places(store, data_root):
        opening = Opening(place, options, made.split)
        try:
            now = opening.source().listing.fingerprint()
        except GapscopeError as error:
            reason = str(error)
            continue
        if now == made.fingerprint:
            return opening
        reason = (
            f"what lies at {place} has other names or labels than what was extracted ({made.fingerprint.count:,} "
            f"images then, {now.count:,} now), and {_stored_anew(store)} stores it"
        )
    raise InputError(
        f"the images of {store.name} are not to be had: {reason}; put them back, or name their folder with "
        "GAPSCOPE_DATA"
    )


def _stored_anew(store: EmbeddingStore) -> str:
    """The command that stores what lies today where the images of a store lay, beside it."""
    made, workspace = store.provenance, store.folder.parent.parent.parent.parent
    name = free_name(workspace, made.dataset)
    return command_about(store, extraction([store.manifest], made.dataset, made.split, made.backbone, name))


def _places(store: EmbeddingStore, data_root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    given = (store.manifest.command or {}).get("options", {})
    if given.get("dataset"):
        names = ("path_column", "label_column", "workspace", "seed")
        files = {name: Path(given[name]) for name in ("classes", "labels") if given.get(name)}
        own = {name: given[name] for name in names if given.get(name) is not None}
        yield given["dataset"][0], {"data_root": Path(given["data_root"]), **own, **files}
    seed = {"data_root": data_root, "seed": store.provenance.seed}
    yield from ((place, seed) for place in (store.manifest.place, store.provenance.source) if place)
    yield store.provenance.dataset, seed


@dataclass(frozen=True, eq=False)
class Images:
    """Pixels of a sample in memory, and what is measured of them.

    Attributes
    ----------
    pixels
        Images, (h, w, 3) uint8 each, their shorter side no longer than `side`.
    attributes : (n, a)
        Of the images as they are stored.
    seen : (n, b)
        The appearance of what the network sees of them.
    """

    pixels: list[Array]
    attributes: Array
    seen: Array

    @classmethod
    def of(cls, read: Sequence[tuple[Array, Array]], backbone: Any) -> "Images":
        """Of pixels and attributes, one pair an image."""
        pixels = [one for one, _ in read]
        seen = [appearance(prepared(backbone, one)) for one in pixels]
        return cls(pixels, np.stack([measured for _, measured in read]), np.stack(seen))


def read_images(source: Source, sample: Sample, backbone: Any, progress: Progress) -> Images:
    """The images of a sample, decoded once; 200 KB each at 256 pixels.

    Raises
    ------
    InputError
        An image that was extracted cannot be decoded any more.
    """
    read, side = [], side_of(backbone)
    with (
        progress.task(f"images of {sample.set}", len(sample.x), "images") as task,
        ThreadPoolExecutor(decoders()) as pool,
    ):
        for one in pool.map(lambda index: read_image(source, index, side), sample.sample_id.tolist()):
            read.append(one)
            task.advance()
    return Images.of(read, backbone)


def read_image(source: Source, index: int, side: int) -> tuple[Array, Array]:
    """Pixels in memory, and the attributes of the image as it is stored."""
    try:
        data = source.read(index) if hasattr(source, "read") else b""
        image = source.decode(index, data) if hasattr(source, "decode") else source.image(index)
    except (Undecodable, OSError) as error:
        name = source.listing.names[index]
        raise InputError(f"the image {name} was extracted and cannot be read now: {error}; extract again") from error
    return np.array(shrunk(image, side)), attributes_of(np.asarray(image), data)


def side_of(backbone: Any) -> int:
    """To which shorter side images are shrunk: as for modified datasets, or to what the network sees."""
    view = backbone.preprocessing
    return max(SIDE, *getattr(view, "resize", view.size))


def prepared(backbone: Any, pixels: Array) -> Array:
    """The network's view of an image in memory."""
    return backbone.preprocessing.prepare(Image.fromarray(pixels))

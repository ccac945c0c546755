"""How good new images are by their features: which pass, and what the set as a whole is worth."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from PIL import Image

from gapscope.backbones import TINY, load_default_backbone
from gapscope.backbones.backbone import Backbone
from gapscope.core.hashing import digest_json
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.data.dataset import EMBEDDED
from gapscope.data.source import ByteSource, Listing, Source, Undecodable
from gapscope.extraction.extraction import extract
from gapscope.extraction.job import Extraction, provenance_of
from gapscope.inference import Verdict
from gapscope.networks.frame import Frame
from gapscope.networks.runs import PREFIX, find_network
from gapscope.realism import Filtered, FilterOptions, Origin, Sets, assess, filter_rows
from gapscope.store import EmbeddingStore, open_store
from gapscope.store.write import config_hash
from gapscope.stream import connect
from gapscope.synthesis.request import Request
from gapscope.synthesis.samples import Samples, picture
from gapscope.synthesis.trained import FOLDER, MARK, TrainedGenerator
from gapscope.synthesis.training_images import TrainingImages

# Images up to which a thread decodes faster than processes begin.
FEW = 10_000


@dataclass(frozen=True)
class Framed:
    """Some images of several sources, in the form of the new ones, so that size and sharpness say nothing.

    Attributes
    ----------
    places
        Source and position of each.
    """

    sources: tuple[ByteSource, ...]
    places: tuple[tuple[int, int], ...]
    frame: Frame
    listing: Listing

    def image(self, index: int) -> Image.Image:
        """The image at position `index`, RGB."""
        source, row = self.places[index]
        return picture(self.frame.prepare(self.sources[source].image(row)))

    def contents(self) -> str:
        """Digest of all that the images are made from: files may change behind their names."""
        digest = blake2b(digest_size=16)
        for source, row in self.places:
            content = _content(self.sources[source], row)
            digest.update(len(content).to_bytes(8, "big") + content)
        return digest.hexdigest()


def _content(source: ByteSource, row: int) -> bytes:
    try:
        return source.read(row)
    except Undecodable:
        return b""


class Quality(NamedTuple):
    """What the checks measured of all images or rows that were made, and by which features."""

    filtered: Filtered
    verdicts: list[Verdict]
    backbone: str


def image_quality(
    request: Request,
    data: TrainingImages,
    trained: TrainedGenerator,
    samples: Samples,
    workspace: Location,
    progress: Progress,
) -> Quality:
    """Features of training, synthetic and held-out images by one backbone, and the checks of `gapscope.realism`."""
    backbone = load_backbone(request, data, workspace, progress)
    store = partial(features_of, request, data, backbone, workspace / FOLDER / "features", progress)
    sets = Sets(
        store(framed(data, (data.source,), [data.rows.train]), "real").view(),
        store(samples, "synthetic").view(),
        _held(request, data, store),
    )
    rows = np.concatenate([chunk.sample_id for chunk in sets.synthetic.chunks()])
    origin = Origin(trained.generator.method.name, request.seed, samples.index[rows])
    options = FilterOptions(keep_copies=request.keep_copies or made_of_images(trained), seed=request.seed)
    with connect(threads=1) as workers:
        filtered = filter_rows(sets, origin, workers, options, progress=progress)
        verdicts = assess(sets, filtered.copies, filtered.agreement, workers, seed=request.seed, progress=progress)
    return Quality(filtered, verdicts, backbone.name)


def made_of_images(trained: TrainedGenerator) -> bool:
    """Whether the method changes training images, so that likeness to them is its nature and not a failure."""
    return "images" in trained.generator.arrays


def framed(data: TrainingImages, sources: Sequence[ByteSource], rows: Sequence[np.ndarray]) -> Framed:
    """The images at ``rows[i]`` of ``sources[i]`` in one listing; classes are those of training, else unknown."""
    places = tuple((number, row) for number, chosen in enumerate(rows) for row in chosen.tolist())
    names = [f"{number}/{sources[number].listing.names[row]}" for number, row in places]
    known = [source.listing.class_names == data.class_names for source in sources]
    labels = [int(sources[number].listing.labels[row]) if known[number] else -1 for number, row in places]
    listing = Listing(names, np.array(labels, np.int32), data.class_names)
    return Framed(tuple(sources), places, data.frame, listing)


def _held(request: Request, data: TrainingImages, store: partial[EmbeddingStore]):
    """The images that the generator has not seen: those to validate on, and those of all other splits."""
    splits = [split for split in data.dataset.splits if split != request.split]
    others = [data.dataset.source(split) for split in splits]
    rows = [data.rows.validation, *(np.arange(len(other.listing)) for other in others)]
    images = framed(data, (data.source, *others), rows)
    return store(images, "unseen").view() if images.places else None


def features_of(
    request: Request,
    data: TrainingImages,
    backbone: Backbone,
    folder: Location,
    progress: Progress,
    source: Source,
    kind: str,
) -> EmbeddingStore:
    """The features of `source`, stored by what they are of, so that another balance finds those of the real images."""
    job = Extraction(
        dataset=data.dataset.name,
        split=kind,
        folder=folder,
        open_source=partial(_same, source),
        backbone=request.chosen(backbone.name),
        dtype="float32",
        seed=request.seed,
        decode_workers=0 if len(source.listing) <= FEW else None,
    )
    contents = source.contents() if isinstance(source, Framed) else ""  # those of samples are in their names
    made_of = [data.dataset.place, list(data.frame), contents, config_hash(provenance_of(job, source, backbone))]
    place = folder / f"{kind}-{digest_json(made_of)[:MARK]}"
    extract(replace(job, folder=place), backbone, progress=progress)
    return open_store(place)


def _same(source: Source) -> Source:
    return source


def load_backbone(request: Request, data: TrainingImages, workspace: Location, progress: Progress) -> Backbone:
    """The backbone that was named, a trained network's features, or the default; tiny images get the tiny one."""
    if request.backbone.name.startswith(PREFIX):
        network = find_network(workspace, request.backbone.name)
        return request.chosen(network.name, str(network.file)).load()
    name = request.backbone.name or (TINY if data.dataset.place == EMBEDDED else "")
    choice = request.chosen(name)
    if name:
        return choice.load()
    settings = {"arguments": dict(choice.arguments), "device": choice.device, "seed": choice.seed}
    return load_default_backbone(progress, **settings)

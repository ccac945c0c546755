"""What features of old and new images say of the new ones: which are kept, and how good they are as a set."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from gapscope.backbones import TINY, BackboneChoice, load_default_backbone, parse_backbone_args
from gapscope.backbones.backbone import Backbone
from gapscope.core.hashing import digest_json
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.data.source import ByteSource, Listing, Source, Undecodable
from gapscope.extraction.extraction import extract
from gapscope.extraction.job import Extraction, provenance_of
from gapscope.inference import Verdict
from gapscope.jobs.augment.config import AugmentConfig
from gapscope.jobs.augment.learnt import FOLDER, MARK, Learnt
from gapscope.jobs.augment.lesson import Lesson
from gapscope.jobs.augment.samples import Samples, picture
from gapscope.networks.frame import Frame
from gapscope.networks.runs import PREFIX, find_network
from gapscope.realism import Filtered, FilterOptions, Origin, Sets, assess, filter_rows
from gapscope.store import EmbeddingStore, open_store
from gapscope.store.write import config_hash
from gapscope.stream import connect
from PIL import Image

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


class Judged(NamedTuple):
    """The judgement on all images that were made, and what it rests on."""

    filtered: Filtered
    verdicts: list[Verdict]
    backbone: str


def judged(
    config: AugmentConfig, lesson: Lesson, learnt: Learnt, samples: Samples, workspace: Location, progress: Progress
) -> Judged:
    """Features of training, synthetic and unseen images by one backbone, and the checks of `gapscope.realism`."""
    backbone = _backbone(config, lesson, workspace, progress)
    store = partial(_store, config, lesson, backbone, workspace / FOLDER / "features", progress)
    sets = Sets(
        store(_framed(lesson, (lesson.source,), [lesson.rows.train]), "real").view(),
        store(samples, "synthetic").view(),
        _test(config, lesson, store),
    )
    rows = np.concatenate([chunk.sample_id for chunk in sets.synthetic.chunks()])
    origin = Origin(learnt.generator.method.name, config.seed, samples.index[rows])
    options = FilterOptions(keep_copies=config.keep_copies or made_of_images(learnt), seed=config.seed)
    with connect(threads=1) as workers:
        filtered = filter_rows(sets, origin, workers, options, progress=progress)
        verdicts = assess(sets, filtered.copies, filtered.agreement, workers, seed=config.seed, progress=progress)
    return Judged(filtered, verdicts, backbone.name)


def made_of_images(learnt: Learnt) -> bool:
    """Whether the method changes training images, so that likeness to them is its nature and not a failure."""
    return "images" in learnt.generator.arrays


def _framed(lesson: Lesson, sources: Sequence[ByteSource], rows: Sequence[np.ndarray]) -> Framed:
    """The images at ``rows[i]`` of ``sources[i]`` in one listing; classes are those of training, else unknown."""
    places = tuple((number, row) for number, chosen in enumerate(rows) for row in chosen.tolist())
    names = [f"{number}/{sources[number].listing.names[row]}" for number, row in places]
    known = [source.listing.class_names == lesson.class_names for source in sources]
    labels = [int(sources[number].listing.labels[row]) if known[number] else -1 for number, row in places]
    listing = Listing(names, np.array(labels, np.int32), lesson.class_names)
    return Framed(tuple(sources), places, lesson.frame, listing)


def _test(config: AugmentConfig, lesson: Lesson, store: partial[EmbeddingStore]):
    """The images that the generator has not seen: those to validate on, and those of all other splits."""
    splits = [split for split in lesson.dataset.splits if split != config.split]
    others = [lesson.dataset.source(split) for split in splits]
    rows = [lesson.rows.validation, *(np.arange(len(other.listing)) for other in others)]
    framed = _framed(lesson, (lesson.source, *others), rows)
    return store(framed, "unseen").view() if framed.places else None


def _store(
    config: AugmentConfig,
    lesson: Lesson,
    backbone: Backbone,
    folder: Location,
    progress: Progress,
    source: Source,
    kind: str,
) -> EmbeddingStore:
    """The features of `source`, kept by what they are of, so that another balance finds those of the real images."""
    job = Extraction(
        dataset=lesson.dataset.name,
        split=kind,
        folder=folder,
        open_source=partial(_same, source),
        backbone=_choice(config, backbone.name),
        dtype="float32",
        seed=config.seed,
        decode_workers=0 if len(source.listing) <= FEW else None,
    )
    contents = source.contents() if isinstance(source, Framed) else ""  # those of samples are in their names
    made_of = [lesson.dataset.place, list(lesson.frame), contents, config_hash(provenance_of(job, source, backbone))]
    place = folder / f"{kind}-{digest_json(made_of)[:MARK]}"
    extract(replace(job, folder=place), backbone, progress=progress)
    return open_store(place)


def _same(source: Source) -> Source:
    return source


def _backbone(config: AugmentConfig, lesson: Lesson, workspace: Location, progress: Progress) -> Backbone:
    """The backbone that was named, a trained network's features, or the default; tiny images get the tiny one."""
    if config.backbone.startswith(PREFIX):
        found = find_network(workspace, config.backbone)
        return replace(_choice(config, found.name), weights=str(found.file)).load()
    name = config.backbone or (TINY if lesson.dataset.place == "embedded" else "")
    choice = _choice(config, name)
    if name:
        return choice.load()
    settings = {"arguments": dict(choice.arguments), "device": choice.device, "seed": choice.seed}
    return load_default_backbone(progress, **settings)


def _choice(config: AugmentConfig, name: str) -> BackboneChoice:
    arguments = tuple(parse_backbone_args(config.backbone_args).items())
    return BackboneChoice(name, config.weights, None, arguments, config.device, seed=config.seed)

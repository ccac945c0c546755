"""What is to be extracted: one split of a dataset by one backbone, and the record of what its store depends on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from gapscope.backbones import BackboneChoice
from gapscope.backbones.tensor import split_name
from gapscope.core.location import Location
from gapscope.core.program import version_of
from gapscope.data.decode import DECODER
from gapscope.data.source import Listing, Source
from gapscope.extraction.plan import unseen_images
from gapscope.schemas.embeddings import Provenance, SyntheticRows

if TYPE_CHECKING:
    from gapscope.backbones.backbone import Backbone


@dataclass(frozen=True)
class Extraction:
    """What is extracted, and where it goes; pickled to workers, so it names its images instead of listing them.

    Attributes
    ----------
    open_source
        A picklable function that opens the images, the same on every machine.
    place
        Where the images are, for people.
    part_rows
        Images per part, the unit that a killed run repeats.
    batch_size
        Images per batch; None for what suits the device. Vectors of another batch size may differ in their last bits.
    decode_workers
        Decode processes; None for one per processor core, 0 for a thread instead.
    attributes
        Whether attributes of the images are measured and stored beside the embeddings, which they do not change.
    command
        The name of the job and its options, for whoever has to make the store again, and the mark of its network.
    files
        What became of every file of the dataset, for the manifest; None where that was not looked at.
    """

    dataset: str
    split: str
    folder: Location
    open_source: Callable[[], Source]
    backbone: BackboneChoice
    place: str = ""
    companion_of: str = ""
    dtype: str = "float16"
    part_rows: int = 8192
    seed: int = 0
    batch_size: int | None = None
    decode_workers: int | None = None
    attributes: bool = True
    command: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Any] | None = None


def provenance_of(job: Extraction, source: Source, backbone: "Backbone") -> Provenance:
    """Everything that decides the bytes of the store of `job`."""
    return Provenance(
        **of_images(job, source),
        backbone=backbone.name,
        backbone_args={name: list(v) if isinstance(v, tuple) else v for name, v in sorted(backbone.arguments.items())},
        precision=backbone.precision,
        weights=backbone.weights,
        weights_hash=backbone.weights_hash,
        layer=backbone.layer,
        tensor=backbone.tensor,
        preprocessing=backbone.preprocessing.as_dict(),
        dim=backbone.dim,
        code_version=version_of(),
    )


def columns_of(backbone: "Backbone") -> list[slice]:
    """The columns of each tensor of a backbone in what one pass gives."""
    ends = np.cumsum([one.dim for one in backbone.parts or (backbone,)]).tolist()
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def together(choices: Sequence[BackboneChoice]) -> BackboneChoice:
    """One backbone that gives the tensors of several, which are of the same network, in one pass."""
    if len(choices) == 1:
        return choices[0]
    names = [split_name(one.name) for one in choices]
    return replace(choices[0], name=names[0][0], tensors=tuple(str(wanted) for _, wanted in names))


def of_images(job: Extraction, source: Source) -> dict[str, Any]:
    """The fields of a provenance that the images and the options decide, and no network."""
    return {
        "decoder": DECODER,
        "dtype": job.dtype,
        "dataset": job.dataset,
        "split": job.split,
        "source": job.place,
        "fingerprint": source.listing.fingerprint(),
        "class_names": source.listing.class_names,
        "companion_of": job.companion_of,
        "seed": job.seed,
        "part_rows": job.part_rows,
        "synthetic": _synthetic_rows(source.listing),
    }


def _synthetic_rows(listing: Listing) -> SyntheticRows | None:
    if listing.synthesis is None:
        return None
    bits = b"".join(np.packbits(which).tobytes() for which in listing.synthesis)
    made, unseen = int(listing.synthesis.made.sum()), len(unseen_images(listing))
    return SyntheticRows(made=made, unseen=unseen, hash=sha256(bits).hexdigest())

"""`check-backbone`: whether a network gives what the code of its authors gives, by ten small images."""

import time
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs import options
from gapscope.jobs.options import DATA, OUTPUT, configuration, option

if TYPE_CHECKING:
    from gapscope.backbones import BackboneChoice
    from gapscope.backbones.backbone import Backbone as Loaded
    from gapscope.blocks import Table
    from gapscope.runs.result import RunResult

JOB = "check-backbone"


@configuration
class CheckBackboneConfig:
    """Check by ten small images that a network gives the features that the code of its authors gives.

    gapscope comes with ten images and with the embeddings that other code gives of them for the weights it knows. For
    other weights, write the images with --write-images, embed them with the authors' code, and compare with --against:
    an array of ten rows, in the order of the files. The exit code is 1 where a cosine is below 0.999.

        python cli.py check-backbone mobilenetv2_100 --weights FILE --backbone-args pad_type=same mean=0.5 std=0.5
        python cli.py check-backbone --write-images ten
        python cli.py check-backbone vit_small_patch14_dinov2 --against authors.npy
    """

    backbone: options.Backbone = field(default="", kw_only=False)
    weights: options.Weights = ""
    backbone_args: options.BackboneArgs = ()
    image_size: options.ImageSize = None
    device: options.Device = "auto"
    precision: options.Precision = "auto"
    against: Annotated[
        str, option("Embeddings of the ten images by other code: .npy, or CSV without a header.", DATA)
    ] = ""
    source: Annotated[str, option("The code that made them, with its version; goes into a new reference.", DATA)] = ""
    write_images: Annotated[Path | None, option("Folder to write the ten images to, as PNG.", OUTPUT)] = None
    out: options.Out = ""


def run(config: CheckBackboneConfig, progress: Progress = SILENT) -> "RunResult":
    """Write the images, or compare the embeddings of a backbone."""
    from gapscope.blocks import Sentence
    from gapscope.runs.result import RunResult

    begun = time.perf_counter()
    if config.write_images is None and not config.backbone:
        raise InputError("name the network to check, or a folder for the ten images with --write-images")
    notes, tables, code = [], [], 0
    if config.write_images is not None:
        from gapscope.backbones.fingerprint import write_pictures

        paths = write_pictures(config.write_images)
        notes.append(f"{len(paths)} images are in {config.write_images}; embed them in the order of their names.")
    if config.backbone:
        table, said, code = _checked(config)
        tables, notes = [table], [*notes, *said]
    blocks = [*(Sentence(note, headline=True) for note in notes), *tables]
    return RunResult(JOB, config.out, time.perf_counter() - begun, blocks=blocks, exit_code=code)


def _checked(config: CheckBackboneConfig) -> "tuple[Table, list[str], int]":
    """The cosines, what they say, and the exit code."""
    from gapscope.backbones.fingerprint import ALIKE, cosines, fingerprint, read_vectors, reference_of
    from gapscope.blocks import Table
    from gapscope.blocks.formats import upper

    backbone = _choice(config).load()
    known = None if config.against else reference_of(backbone)
    if not config.against and known is None:
        raise InputError(
            f"gapscope has no reference for {backbone.name} with these weights ({backbone.weights_hash[:9]}); write "
            "the ten images with --write-images FOLDER, embed them with the authors' code and use --against FILE"
        )
    theirs = read_vectors(config.against) if known is None else known.vectors
    own = fingerprint(backbone)
    found = cosines(own, theirs)
    source = config.source or config.against if known is None else known.source
    alike = bool(found.min() >= ALIKE)
    verb = "agrees with" if alike else "does not agree with"
    notes = [f"{backbone.name} {verb} {source}: the cosine of the worst of ten images is {found.min():.4f}."]
    notes += [] if alike else ["Crop, mean, activation, pooling or weights are not those of that code."]
    notes += [f"{upper(note)}." for note in backbone.notes]
    if config.out:
        notes.append(_written(config, backbone, theirs, alike=alike))
    rows = [(f"image {number}", float(cosine)) for number, cosine in enumerate(found)]
    columns = {"image": "text", "cosine": "number"}
    table = Table("Cosine of the embeddings", columns, rows, headline=True, whole=True)
    return table, notes, int(not alike)


def _written(config: CheckBackboneConfig, backbone: "Loaded", theirs, *, alike: bool) -> str:
    from gapscope.backbones.fingerprint import ALIKE, SUFFIX, Reference

    if not config.against or not config.source:
        raise InputError(
            "a new reference needs the embeddings of other code (--against) and its name and version (--source)"
        )
    if not alike:
        raise InputError(f"no reference is written for {backbone.name}, because a cosine is below {ALIKE}")
    path = Path(config.out).with_suffix(SUFFIX)
    about = (backbone.name, backbone.layer, backbone.weights_hash, backbone.arguments)
    Reference(*about, config.source, theirs).save(path)
    return f"The reference is in {path}; it belongs into the folder backbones/references of the package."


def _choice(config: CheckBackboneConfig) -> "BackboneChoice":
    from gapscope.backbones import BackboneChoice, parse_backbone_args

    arguments = tuple(parse_backbone_args(config.backbone_args).items())
    return BackboneChoice(
        config.backbone, config.weights, config.image_size, arguments, config.device, config.precision
    )

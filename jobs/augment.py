"""`augment`: synthetic images or embeddings for small classes, checked before anything is trained on them."""

from dataclasses import field, fields, replace
from typing import TYPE_CHECKING, Annotated

from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs import options
from gapscope.jobs.options import METHOD, option

if TYPE_CHECKING:
    from gapscope.core.location import Location
    from gapscope.runs.result import RunResult
    from gapscope.synthesis.request import Request

JOB = "augment"
# Options that have a meaning for images alone.
OF_IMAGES = ("image_size", "weights", "backbone_args", "classes", "labels", "path_column", "label_column")


@options.configuration
class AugmentConfig(options.ImageListing, options.OnWorkers, options.Made):
    """Make synthetic images for the small classes of a dataset, check them, and add those that pass as NAME+synthetic.

    The generator is trained on the training images of train-cnn with the same --seed and --validation: none of its
    validation or test images is in the new ones. Images that copy a real one, look like none of the real ones or not
    like their class are left out; the table images.parquet beside the new images says of each why. Killed and called
    again, the same command continues, training and sampling alike.

    Three methods make rows of embeddings instead, out of what extract has stored: they are trained on the training rows
    of fit-incremental with --holdout at this --validation, and write the embeddings of NAME+synthetic, in which only
    real rows that they have not seen are held out. The table synthetic.parquet of the run says of each new row why it
    passed or not.

    python cli.py augment PHOTOS --method diffusion --balance to-max --image-size 64
    python cli.py augment PHOTOS --method gan --balance 2x --steps 8000 --cluster local --workers 2
    python cli.py train-cnn --dataset PHOTOS+synthetic:gan-2x --image-size 64

    python cli.py augment PHOTOS --method smote --backbone resnet50
    python cli.py fit-incremental PHOTOS+synthetic:smote-to-max
    """

    dataset: options.DatasetName = field(kw_only=False)
    method: options.GeneratorName
    balance: options.Balance = "to-max"
    split: options.Split = "train"
    validation: options.Validation = 0.1
    image_size: options.ImageSize = None
    steps: Annotated[
        int | None, option("Steps of the generator's training; its own number when not given.", METHOD)
    ] = None
    settings: options.Settings = ()
    surplus: options.Surplus = 1.5
    keep_copies: Annotated[
        bool, option("Keep images that copy a training image; they are marked in the table.", METHOD)
    ] = False
    backbone: options.Backbone = ""
    weights: options.Weights = ""
    backbone_args: options.BackboneArgs = ()
    device: options.Device = "auto"


def run(config: AugmentConfig, progress: Progress = SILENT) -> "RunResult":
    """Check the request, then make the images or rows."""
    from gapscope.core.location import Location

    request, workspace = request_of(config), Location.of(config.workspace).absolute()
    return (_rows if request.makes_rows else _images)(config, request, workspace, progress)


def request_of(config: AugmentConfig) -> "Request":
    """What is requested, checked."""
    from gapscope.backbones import BackboneChoice, parse_backbone_args
    from gapscope.core.budget import parse_bytes
    from gapscope.synthesis.request import Request, recipe_for

    settings = parse_backbone_args(config.settings) | ({} if config.steps is None else {"steps": config.steps})
    arguments = tuple(parse_backbone_args(config.backbone_args).items())
    own = ("method", "balance", "split", "validation", "image_size", "surplus", "keep_copies", "seed")
    return Request(
        **{name: getattr(config, name) for name in (*own, "scheduler", "cluster", "workers")},
        recipe=recipe_for(config.method, settings, config.seed),
        backbone=BackboneChoice(config.backbone, config.weights, None, arguments, config.device, seed=config.seed),
        memory=parse_bytes(config.memory),
    )


def _images(config: AugmentConfig, request: "Request", workspace: "Location", progress: Progress) -> "RunResult":
    from gapscope.data.catalogue import opened_by
    from gapscope.runs.folder import opened
    from gapscope.schemas.run import Input
    from gapscope.store.workspace import slug
    from gapscope.synthesis.make_images import make_images
    from gapscope.synthesis.training_images import real_source

    if not workspace.is_local:
        raise InputError(f"--workspace is {config.workspace}; synthetic images are written to a folder of this machine")
    dataset = opened_by(config)
    config, request = (replace(one, split=dataset.called(config.split)) for one in (config, request))
    images = real_source(dataset, config.split).listing.fingerprint()
    record = Input(place=dataset.place, config_hash=images.hash, rows=images.count)
    with opened(workspace, JOB, _name(config, slug(dataset.name)), config, [record]) as folder:
        return make_images(request, dataset, folder, workspace, progress)


def _rows(config: AugmentConfig, request: "Request", workspace: "Location", progress: Progress) -> "RunResult":
    from gapscope.generators.features import FEATURE_GENERATORS
    from gapscope.runs.connection import connected
    from gapscope.runs.folder import input_of, opened
    from gapscope.store.workspace import slug
    from gapscope.synthesis.make_rows import Work, make_rows
    from gapscope.synthesis.training_rows import training_rows

    for one in fields(config):
        if one.name in OF_IMAGES and getattr(config, one.name) != one.default:
            raise InputError(
                f"--{one.name.replace('_', '-')} is for methods that make images; {config.method} makes rows out of "
                "stored embeddings: leave it out"
            )
    data = training_rows(request, config.dataset, FEATURE_GENERATORS[config.method], workspace)
    name = _name(config, slug(data.dataset))
    with connected(config, progress) as workers, opened(workspace, JOB, name, config, [input_of(data.store)]) as folder:
        return make_rows(Work(request, data, workspace, workers, progress), folder)


def _name(config: AugmentConfig, dataset: str) -> str:
    from gapscope.store.workspace import slug

    return f"{dataset}-{slug(config.name or f'{config.method}-{config.balance}')}"

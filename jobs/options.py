"""The options that several commands have, each said once: its help, its group, its bounds and its environment variable.

A configuration is a frozen dataclass whose fields have these types; an option of one command alone is declared beside
its field by `option`. Where commands take one value or several, two types share one text. Options that go together in
many commands are a class here, from which their configurations are derived.
"""

import os
from dataclasses import dataclass, field, fields
from inspect import get_annotations
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, TypeVar, dataclass_transform

from cyclopts import Group, Parameter, validators

from gapscope.core.threads import processors

DATA = Group("Data", sort_key=1)
MODEL = Group("Model", sort_key=2)
METHOD = Group("Method", sort_key=3)
COMPUTE = Group("Compute", sort_key=4)
OUTPUT = Group("Output", sort_key=5)


def option(help: str, group: Group, **more: object) -> Parameter:
    """An option with its help, in one of the groups above; `more` is what `cyclopts.Parameter` takes."""
    return Parameter(help=help, group=group, **more)


def data_root() -> Path:
    """Where datasets are looked for when nobody says it: GAPSCOPE_DATA, or the folder data."""
    return Path(os.environ.get("GAPSCOPE_DATA", "data"))


_NOT_NEGATIVE = validators.Number(gte=0)
_AT_LEAST_ONE = validators.Number(gte=1)

# Data: what is read.
_DATASET = option(
    "Dataset: a name that `datasets` lists, a path, a pattern such as shards/{0000..0012}.tar, an address (s3://, "
    "gs://, https://, hf://datasets/OWNER/NAME), or torchvision:NAME; of stored ones also dataset/split.",
    DATA,
)
DatasetName: TypeAlias = Annotated[str, _DATASET]
OptionalDataset: TypeAlias = Annotated[str | None, _DATASET]
DatasetNames: TypeAlias = Annotated[tuple[str, ...], _DATASET]
_SPLIT = option("Split of the dataset, such as train or test; all that there are where none is needed.", DATA)
Split: TypeAlias = Annotated[str, _SPLIT]
Splits: TypeAlias = Annotated[tuple[str, ...], _SPLIT]
_TEST_SPLIT = option("Split to test on, such as test; several are tested on together.", DATA)
TestSplit: TypeAlias = Annotated[str, _TEST_SPLIT]
TestSplits: TypeAlias = Annotated[tuple[str, ...], _TEST_SPLIT]
_DATA_ROOT = option("Folder in which datasets are looked for; GAPSCOPE_DATA sets it.", DATA)
DataRoot: TypeAlias = Annotated[Path, _DATA_ROOT]
# Of commands that go on from a run: that of the run when not given.
OptionalDataRoot: TypeAlias = Annotated[Path | None, _DATA_ROOT]
_CLASSES = option(
    "File of the class names in class order: lines, JSON, or a table with their indices. Of `map`: the two classes "
    "that head separates.",
    DATA,
)
ClassList: TypeAlias = Annotated[Path | None, _CLASSES]
ClassPair: TypeAlias = Annotated[tuple[str, ...], _CLASSES]
_LABELS = option(
    "File of labels: for images that lie flat, for arrays of predictions, or better labels to measure by, of which "
    "an image may have several (a table with the columns image and labels, or JSON). Of `repair`: file of labels of "
    "target images, a table with the columns sample_id and label. Of `import-features`: file of labels (.npy, lines of "
    "text, CSV, JSON, Parquet), one for each row, in their order or with their names.",
    DATA,
)
LabelFile: TypeAlias = Annotated[Path | None, _LABELS]
Labels: TypeAlias = Annotated[str, _LABELS]
LabelFiles: TypeAlias = Annotated[tuple[str, ...], _LABELS]
NameFiles: TypeAlias = Annotated[
    tuple[str, ...],
    option("File of names of images, one for each row of the features, or of an array of predictions.", DATA),
]
LabelRows: TypeAlias = Annotated[
    int, option("Use the stored labels of so many target rows; 0 for none.", DATA, validator=_NOT_NEGATIVE)
]
ImageCount: TypeAlias = Annotated[int, option("How many images to label or to review.", DATA, validator=_AT_LEAST_ONE)]
LabelColumn: TypeAlias = Annotated[
    str,
    option(
        "Name of the column or array of labels; found when its name is a usual one, such as label or class. Also "
        "txt, cls or a field of the JSON beside images of a WebDataset, and name for what names of files begin with.",
        DATA,
    ),
]
PathColumn: TypeAlias = Annotated[
    str, option("Name of the column of image paths; found by what it holds, or by a usual name.", DATA)
]
_KEEP = option(
    "Of `import-features` and `measure`: columns to store beside the features, such as site or patient; all for all "
    "others. Of `train-cnn`: which epoch's network is used, that of the best validation loss or the last.",
    DATA,
)
KeepColumns: TypeAlias = Annotated[tuple[str, ...], _KEEP]
Download: TypeAlias = Annotated[
    bool, option("Have torchvision fetch the files of torchvision:NAME that are not there.", DATA, negative="")
]
_REFERENCE = option("Set to compare with, as dataset/split.", DATA)
Reference: TypeAlias = Annotated[str, _REFERENCE]
References: TypeAlias = Annotated[tuple[str, ...], _REFERENCE]
_TARGET = option("New set, as dataset/split.", DATA)
Target: TypeAlias = Annotated[str, _TARGET]
Targets: TypeAlias = Annotated[tuple[str, ...], _TARGET]
Evaluate: TypeAlias = Annotated[
    tuple[str, ...],
    option(
        "Sets to evaluate on, as dataset/split, such as cifar10+night:3/test. Of `train-cnn`: the only sets to "
        "evaluate on, as dataset/split, such as cifar10+night:3/test.",
        DATA,
        name=("--evaluate", "--evaluate-on"),
    ),
]
Only: TypeAlias = Annotated[
    str,
    option(
        "CSV or Parquet file with the images to use (columns sample_id, dataset, split), as `explore` exports.", DATA
    ),
]
Exclude: TypeAlias = Annotated[str, option("CSV or Parquet file of the images to leave out, in the same form.", DATA)]
_PREDICTIONS = option(
    "Predictions made elsewhere: CSV, TSV, Parquet, JSON, JSON lines, .npz, or an .npy array of scores.", DATA
)
PredictionFile: TypeAlias = Annotated[str, _PREDICTIONS]
PredictionFiles: TypeAlias = Annotated[tuple[str, ...], _PREDICTIONS]
_PREDICTIONS_REFERENCE = option("Predictions for the reference, from a file instead of a run.", DATA)
PredictionsReference: TypeAlias = Annotated[str, _PREDICTIONS_REFERENCE]
PredictionsReferences: TypeAlias = Annotated[tuple[str, ...], _PREDICTIONS_REFERENCE]
_PREDICTIONS_TARGET = option("Predictions for the target, from a file instead of a run.", DATA)
PredictionsTarget: TypeAlias = Annotated[str, _PREDICTIONS_TARGET]
PredictionsTargets: TypeAlias = Annotated[tuple[str, ...], _PREDICTIONS_TARGET]
Holdout: TypeAlias = Annotated[
    float, option("Share of the training rows that is held out to choose by, 10,000 rows at most.", DATA)
]
Validation: TypeAlias = Annotated[float | None, option("Share of the training images to validate on.", DATA)]
_MODIFY = option(
    "Modifications with commas between them, such as night,blur:3; the number is the severity, 1 to 5.", DATA
)
ModifyList: TypeAlias = Annotated[str, _MODIFY]
ModifyOrPreset: TypeAlias = Annotated[str | None, _MODIFY]

# Model: what computes.
_RUN = option("Run: its name in the workspace, or its folder.", MODEL)
Run: TypeAlias = Annotated[str, _RUN]
Runs: TypeAlias = Annotated[tuple[str, ...], _RUN]
_MODEL = option(
    "Model: to train, softmax (the default), logistic, ridge, lda, nearest-mean, knn, forest, sample-forest, boosting, "
    "partial-fit or sgd; else its name in the run, or the folder of a trained one.",
    MODEL,
)
ModelName: TypeAlias = Annotated[str, _MODEL]
ModelNames: TypeAlias = Annotated[tuple[str, ...], _MODEL]
# --model of the commands that train classifiers; the names of `gapscope.probes.PROBES`.
Probes: TypeAlias = Annotated[tuple[str, ...], _MODEL]
_BACKBONE = option(
    "Network that makes the features, or has made them: a timm model, hf-hub:REPOSITORY, local-dir:FOLDER, "
    "torchvision:MODEL, transformers:FOLDER, onnx:FILE, tiny, module:function (its code is executed), or run:NAME for "
    "one trained here; #POOL or #LAYER:POOL behind it names a tensor; may be left out where there is only one.",
    MODEL,
)
Backbone: TypeAlias = Annotated[str, _BACKBONE]
BackboneArgs: TypeAlias = Annotated[
    tuple[str, ...],
    option("name=value of the network (pad_type=same), and mean, std, crop_pct, interpolation of its input.", MODEL),
]
_TEXTS = option(
    "File of text vectors that `words --encoder` makes. Of `explore`: file of text vectors that `words --encoder` "
    "makes, with which ~a phrase in the search field finds its images.",
    MODEL,
)
Texts: TypeAlias = Annotated[Path, _TEXTS]
OptionalTexts: TypeAlias = Annotated[Path | None, _TEXTS]
Pools: TypeAlias = Annotated[
    tuple[Literal["token", "avg", "max", "token+avg"], ...],
    option("How tokens or maps become one vector, the network's own way when not given; each makes a store.", MODEL),
]
Layers: TypeAlias = Annotated[
    tuple[str, ...],
    option("Modules of the network whose output is stored, such as blocks.6 or layer3; each makes a store.", MODEL),
]
Weights: TypeAlias = Annotated[
    str,
    option(
        "Weights: a .safetensors, .pth or .bin file, or `random`; the published ones when not given. Of train-cnn also "
        "run:NAME, to go on with a trained network.",
        MODEL,
    ),
]
Pretrained: TypeAlias = Annotated[bool | None, option("Use the weights that the network's library publishes.", MODEL)]
ImageSize: TypeAlias = Annotated[
    int | None, option("Height and width of images in pixels; those of the network when not given.", MODEL)
]
Network: TypeAlias = Annotated[
    str | None, option("simple-cnn, resnet-small, a timm model, or torchvision:MODEL.", MODEL)
]
Preset: TypeAlias = Annotated[str, option("Settings known by a name; options that are given beside it win.", MODEL)]

# Method: how it is computed.
View: TypeAlias = Annotated[
    str, option("Features as the model sees them: raw, standardised, whitened or normalised.", METHOD)
]
L2: TypeAlias = Annotated[float | None, option("Strength of the penalty; chosen when not given.", METHOD)]
_EPOCHS = option("Passes over the training rows or images.", METHOD)
Epochs: TypeAlias = Annotated[int, _EPOCHS]
EpochsOrPreset: TypeAlias = Annotated[int | None, _EPOCHS]
LearningRate: TypeAlias = Annotated[
    float | None, option("Largest learning rate.", METHOD, name=("--learning-rate", "--lr"))
]
WeightDecay: TypeAlias = Annotated[float | None, option("Penalty on weights; biases and norms have none.", METHOD)]
Optimizer: TypeAlias = Annotated[Literal["adam", "adamw", "sgd"] | None, option("How weights are updated.", METHOD)]
Schedule: TypeAlias = Annotated[
    Literal["constant", "cosine", "one-cycle"] | None, option("How the learning rate changes.", METHOD)
]
_AUGMENT = option("Random changes of training images: flip, crop:4, cutout:8, randaugment:2,9, mixup, cutmix.", METHOD)
Augment: TypeAlias = Annotated[tuple[str, ...], _AUGMENT]
AugmentOrPreset: TypeAlias = Annotated[tuple[str, ...] | None, _AUGMENT]
Keep: TypeAlias = Annotated[Literal["best", "last"] | None, _KEEP]
_CLASS_WEIGHT = option(
    "Treatment of classes of unequal size: none, balanced, effective-number, balanced-sampling, logit-adjustment "
    "(networks: none or balanced).",
    METHOD,
)
ClassWeights: TypeAlias = Annotated[tuple[str, ...], _CLASS_WEIGHT]
ClassWeight: TypeAlias = Annotated[str | None, _CLASS_WEIGHT]
_NEIGHBOURS = option("Number of nearest neighbours.", METHOD)
Neighbours: TypeAlias = Annotated[int, _NEIGHBOURS]
NeighboursOrDefault: TypeAlias = Annotated[int | None, _NEIGHBOURS]
Balance: TypeAlias = Annotated[
    str, option("Size that classes are filled up to: to-max, to-median, a number, or a factor such as 2x.", METHOD)
]
_METHOD = option(
    "How it is made. Of `map`: by pca, umap, tsne, lda (the two best discriminants) or head (what separates classes). "
    "Of `augment`: images by diffusion, gan, finetune-diffusion (trained), mixup-pixels, cutmix or augment-only, or "
    "rows of features by smote, gaussian or feature-diffusion. Of `refit-head`: rows of features by smote, gaussian or "
    "feature-diffusion, none (the control) or class-balanced.",
    METHOD,
)
MapMethod: TypeAlias = Annotated[Literal["pca", "umap", "tsne", "lda", "head"], _METHOD]
GeneratorName: TypeAlias = Annotated[str, _METHOD]
RefitMethod: TypeAlias = Annotated[Literal["none", "class-balanced", "smote", "gaussian", "feature-diffusion"], _METHOD]
Surplus: TypeAlias = Annotated[float, option("Images or rows made for each that is wanted.", METHOD)]
Settings: TypeAlias = Annotated[tuple[str, ...], option("name=value of the method, such as guidance=2.", METHOD)]
Replicates: TypeAlias = Annotated[
    int, option("Bootstrap replicates behind the intervals.", METHOD, validator=validators.Number(gte=2))
]
Seeds: TypeAlias = Annotated[int, option("Trainings that differ in the seed alone.", METHOD, validator=_AT_LEAST_ONE)]
RowLimit: TypeAlias = Annotated[
    int, option("About so many images of each split, the same share of every class; 0 for all.", DATA)
]

_VERIFY = option(
    "Check what is stored. Of `extract`: read the bytes of all images and stored parts again. Of `replay-head`: run "
    "the whole network as well, on so many images.",
    DATA,
)
VerifyBytes: TypeAlias = Annotated[bool, _VERIFY]
VerifyImages: TypeAlias = Annotated[int, _VERIFY]

# Compute: where and with how much.
Seed: TypeAlias = Annotated[int, option("Decides everything random.", COMPUTE, validator=_NOT_NEGATIVE)]
Device: TypeAlias = Annotated[str, option("auto, cpu, cuda, cuda:N or mps.", COMPUTE)]
Precision: TypeAlias = Annotated[
    Literal["auto", "float32", "float16", "bfloat16"], option("Type in which networks compute.", COMPUTE)
]
_BATCH_SIZE = option("Images that are computed together; what suits the device when not given.", COMPUTE)
BatchSize: TypeAlias = Annotated[int | None, _BATCH_SIZE]
Memory: TypeAlias = Annotated[str, option("How much memory may be used beside the libraries, such as 2GB.", COMPUTE)]
Scheduler: TypeAlias = Annotated[
    str | None, option("Address of a Dask scheduler whose workers do the work, such as tcp://10.0.0.1:8786.", COMPUTE)
]
Cluster: TypeAlias = Annotated[
    Literal["", "local"],
    option("local starts a Dask cluster on this machine for this run.", COMPUTE, show_choices=False),
]
Workers: TypeAlias = Annotated[int | None, option("Number of worker processes of that cluster.", COMPUTE)]
CheckpointSeconds: TypeAlias = Annotated[
    float, option("How often the state is saved from which a killed run continues.", COMPUTE)
]
PartRows: TypeAlias = Annotated[
    int, option("Rows in a part file, the unit that a killed run repeats.", COMPUTE, validator=_AT_LEAST_ONE)
]

# Output: where results go.
Workspace: TypeAlias = Annotated[str, option("Folder or address (s3://bucket/name) of embeddings and runs.", OUTPUT)]
Name: TypeAlias = Annotated[
    str, option("Name of what is made (run, set, or dataset in the workspace); a fitting one when not given.", OUTPUT)
]
WriteReport: TypeAlias = Annotated[
    bool, option("Write report.html into the run's folder.", OUTPUT, negative="--no-report")
]
Track: TypeAlias = Annotated[
    Literal["", "tensorboard", "mlflow"],
    option(
        "Hand losses, accuracies and results to tensorboard or mlflow when the training has ended.",
        OUTPUT,
        show_choices=False,
    ),
]
DType: TypeAlias = Annotated[Literal["float16", "float32"], option("Type in which embeddings are stored.", OUTPUT)]
_OUT = option("File or folder to write.", OUTPUT)
Out: TypeAlias = Annotated[str, _OUT]

Config = TypeVar("Config")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def configuration(kind: type[Config]) -> type[Config]:
    """A frozen dataclass with named fields: its own, then those of its bases in the order in which these are named."""
    made = dataclass(frozen=True, kw_only=True)(kind)
    order = dict.fromkeys([*get_annotations(kind), *(one.name for base in kind.__bases__ for one in _fields(base))])
    made.__dataclass_fields__ = {name: made.__dataclass_fields__[name] for name in order}
    return made


def _fields(base: type) -> tuple:
    return () if base is object else fields(base)


@configuration
class NetworkTraining:
    """How networks are trained; what is not given is the preset's."""

    preset: Preset = ""
    network: Network = None
    image_size: ImageSize = None
    batch_size: BatchSize = None
    optimizer: Optimizer = None
    learning_rate: LearningRate = None
    weight_decay: WeightDecay = None
    schedule: Schedule = None


@configuration
class ImageListing:
    """Where images are looked for, and what decides their labels."""

    classes: ClassList = None
    labels: LabelFile = None
    path_column: PathColumn = ""
    label_column: LabelColumn = ""
    data_root: DataRoot = field(default_factory=data_root)


@configuration
class Subset:
    """Which rows are used."""

    only: Only = ""
    exclude: Exclude = ""


@configuration
class OnWorkers:
    """Where the work is done, and with how much memory."""

    scheduler: Scheduler = None
    cluster: Cluster = ""
    workers: Workers = None
    memory: Memory = "2GB"

    @property
    def threads(self) -> int:
        """How many of this process read and compute; one where a cluster does."""
        return 1 if self.scheduler or self.cluster else processors()


@configuration
class Made:
    """What decides random choices, and where the run is written."""

    seed: Seed = 0
    workspace: Workspace = "workspace"
    name: Name = ""


@configuration
class Reported(Made):
    """The same of a run that has a report."""

    report: WriteReport = True

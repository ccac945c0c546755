"""The options of `train-cnn`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from gapscope.cnn.presets import in_short


@dataclass(frozen=True, kw_only=True)
class TrainCnnConfig:
    """Train a network on images, from scratch or from pretrained weights, and evaluate it on images it has not seen.

    Options that are not given come from the preset, if one is named, else from the values in brackets. Validation
    images are taken from the training split; nothing is chosen on test images. After every epoch all that was reached
    is kept: killed and called again, the same command continues. Predictions, results and figures go into the run
    folder, where `evaluate`, `compare` and `gap` read them.

        python cli.py train-cnn --dataset fashion-mnist --network simple-cnn --epochs 10
        python cli.py train-cnn --preset fashion-mnist-cnn --seeds 3
        python cli.py train-cnn --dataset PHOTOS --network resnet18 --pretrained --freeze-epochs 1 --body-lr 0.1
        python cli.py train-cnn --dataset cifar10 --modify night,blur:2 --evaluate-on cifar10/test cifar10+night/test

    {presets}

    Attributes
    ----------
    preset
        One of those above; options that are given beside it win, `--dataset` too.
    dataset
        Name from `datasets`, or a path.
    split
        Split to learn from.
    evaluate_on
        Sets to evaluate on, as dataset/split, such as cifar10+night:3/test; when not given, every other split and the
        companion datasets that are there.
    network
        simple-cnn, resnet-small, a timm model, or torchvision:MODEL [simple-cnn].
    pretrained
        Begin with the weights that the network's library publishes.
    weights
        Begin with the weights in this .safetensors, .pth or .bin file; `random` for none, whatever a preset says.
    network_args
        name=value,name=value: arguments of the network, and mean, std of its input.
    image_size
        Height and width of the input in pixels; that of small images or of the network when not given.
    epochs
        Passes over the training images [10].
    batch_size
        Images per step [128].
    optimizer
        adam, adamw or sgd [adam].
    lr
        Largest learning rate [0.001].
    body_lr
        Share of it for all but the head [1].
    weight_decay
        Of weights; biases and norms have none [0].
    schedule
        constant, cosine or one-cycle [cosine].
    warmup
        Epochs of linear rise before it [0].
    label_smoothing
        Share of the label that is spread over all classes [0].
    class_weight
        none, or balanced: rare classes count as much as frequent ones [none].
    sampler
        shuffled: each image once an epoch; balanced: as many, drawn from every class as often [shuffled].
    augment
        Any of flip, crop:4, cutout:8, randaugment:2,9, mixup:0.2, cutmix:1 [none].
    modify
        Modifications of `modify-dataset`, with commas between them, such as night,blur:3: in each epoch a training
        image goes through one of them by chance, validation and test images through none.
    modify_probability
        The chance that it does [0.5].
    ema
        Decay per step of a moving average of the weights, which is then kept instead, such as 0.998 [0].
    freeze_epochs
        Epochs in which the head alone learns [0].
    freeze_norms
        Batch norms keep the statistics they came with.
    patience
        Stop after so many epochs without a smaller validation loss; 0 for never [0].
    keep
        best: the epoch with the smallest validation loss; last: the last one [best].
    validation
        Share of the training images to validate on [0.1].
    seeds
        Trainings that differ in the seed alone; results have their mean and its 95 % interval.
    seed
        The first seed.
    processes
        Processes of this machine that train a network together, each on its share of every batch; on GPUs one each.
    device
        auto, cpu, cuda, cuda:N or mps.
    precision
        auto, float32 or bfloat16; auto is bfloat16 on a CUDA device, else float32.
    memory
        Images of a split that need more than this are decoded anew for each epoch.
    scheduler
        Address of a Dask scheduler; its workers train, a network each, and must see the same files.
    cluster
        local starts a Dask cluster on this machine for this run.
    workers
        Number of worker processes of that cluster.
    classes
        Class list, one name per line in class order.
    labels
        CSV of labels for images that lie flat.
    workspace
        Where runs go: a folder or an address such as s3://bucket/name.
    data_root
        Folder in which datasets are looked for.
    name
        Name of the run; those of the dataset and network when not given.
    report
        Write report.html into the run's folder.
    """

    preset: str = ""
    dataset: str | None = None
    split: str = "train"
    evaluate_on: tuple[str, ...] = ()
    network: str | None = None
    pretrained: bool | None = None
    weights: str = ""
    network_args: tuple[str, ...] | None = None
    image_size: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    optimizer: str | None = None
    lr: float | None = None
    body_lr: float | None = None
    weight_decay: float | None = None
    schedule: str | None = None
    warmup: float | None = None
    label_smoothing: float | None = None
    class_weight: str | None = None
    sampler: str | None = None
    augment: tuple[str, ...] | None = None
    modify: str | None = None
    modify_probability: float | None = None
    ema: float | None = None
    freeze_epochs: int | None = None
    freeze_norms: bool | None = None
    patience: int | None = None
    keep: str | None = None
    validation: float | None = None
    seeds: int = 1
    seed: int = 0
    processes: int = 1
    device: str = "auto"
    precision: str = "auto"
    memory: str = "2GB"
    scheduler: str | None = None
    cluster: str = ""
    workers: int | None = None
    classes: Path | None = None
    labels: Path | None = None
    workspace: str = "workspace"
    data_root: Path = Path("data")
    name: str = ""
    report: Annotated[bool, Parameter(negative="--no-report")] = True


# What `--help` shows stands in one place, beside what it describes.
TrainCnnConfig.__doc__ = (TrainCnnConfig.__doc__ or "").replace("{presets}", in_short().replace("\n", "\n    "))

"""The options of `study-augmentation`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


@dataclass(frozen=True, kw_only=True)
class StudyAugmentationConfig:
    """Train one network on one split in many ways, and say what helps: weights, sampling, augmentation, new images.

    Every training is an ordinary run of `train-cnn`, every synthetic set one of `augment`, every last layer that is
    learnt again on features one of `refit-head`. All trainings see about as many images, however large their set is.
    What is finished is not run again; killed and called again, the same command continues. Work goes on one after
    another, or side by side on the workers of a cluster.

        python cli.py study-augmentation --dataset PHOTOS --synthetic augment-only:to-max gan:to-max gan:2x --seeds 5
        python cli.py study-augmentation --dataset digits --rows 200 --remedies augmentation --synthetic cutmix:1x
        python cli.py study-augmentation --dataset PHOTOS --settings diffusion:steps=3000 --cluster local --workers 2

    Attributes
    ----------
    dataset
        Name from `datasets`, or a path.
    synthetic
        Sets as method:balance of `augment`.
    remedies
        Trainings without synthetic images: class-weights, balanced-sampler, augmentation, mixup, cutmix.
    augment
        What augmentation is, as in `train-cnn`.
    features
        Methods of `refit-head`, as method:balance where they make rows: the last layer of the networks that had nothing
        added is learnt again, on their features alone (none, the control, which is always among them), with classes
        balanced (class-balanced), or with synthetic features (smote, gaussian, feature-diffusion).
    settings
        method:name=value for `augment` and `refit-head`, such as gan:steps=2000.
    synthetic_size
        Height and width at which trained generators work; that of the network when not given.
    surplus
        Images made for each that is wanted.
    backbone
        Network whose features check the synthetic images, as in `augment`.
    backbone_weights
        File of its weights, or `random`.
    backbone_args
        name=value,name=value of that backbone.
    rows
        About so many images of each split, the same share of every class; 0 for all.
    split
        Split to learn from.
    test_split
        Splits to test on, together.
    validation
        Share of the training images to validate on; generators do not see them either.
    preset
        As in `train-cnn`; options that are given beside it win, augmentation and class weights are the study's own.
    network
        As in `train-cnn` [simple-cnn].
    image_size
        Height and width of the network's input in pixels.
    epochs
        Passes over the original training images.
    batch_size
        Images per step [128].
    optimizer
        adam, adamw or sgd [adam].
    lr
        Largest learning rate [0.001].
    weight_decay
        Of weights [0].
    schedule
        constant, cosine or one-cycle [cosine].
    keep
        best: the epoch with the smallest validation loss; last: the last one [best].
    seeds
        Trainings of each kind that differ in the seed alone.
    seed
        The first seed; also of generators, and splits by rule.
    device
        auto, cpu, cuda, cuda:N or mps.
    memory
        Images of a split that need more than this are decoded anew for each epoch.
    scheduler
        Address of a Dask scheduler on whose workers everything runs.
    cluster
        local: start worker processes on this machine.
    workers
        Number of these.
    classes
        Class list, one name per line in class order.
    labels
        CSV of labels for images that lie flat.
    out
        Folder for another copy of page, pictures and tables, such as docs/studies.
    workspace
        Where runs go.
    data_root
        Folder in which datasets are looked for.
    name
        Name of the run; those of the dataset and network when not given.
    report
        Write report.html into the folder of the study and of each training.
    """

    dataset: str
    synthetic: tuple[str, ...] = ("augment-only:to-max", "mixup-pixels:to-max", "gan:to-max", "diffusion:to-max")
    remedies: tuple[str, ...] = ("class-weights", "balanced-sampler", "augmentation", "mixup", "cutmix")
    augment: tuple[str, ...] = ("flip", "crop:4")
    features: tuple[str, ...] = ("none", "class-balanced", "smote:to-max", "gaussian:to-max")
    settings: tuple[str, ...] = ()
    synthetic_size: int | None = None
    surplus: float = 1.5
    backbone: str = ""
    backbone_weights: str = ""
    backbone_args: tuple[str, ...] = ()
    rows: int = 0
    split: str = "train"
    test_split: tuple[str, ...] = ("test",)
    validation: float = 0.1
    preset: str = ""
    network: str | None = None
    image_size: int | None = None
    epochs: int = 30
    batch_size: int | None = None
    optimizer: str | None = None
    lr: float | None = None
    weight_decay: float | None = None
    schedule: str | None = None
    keep: str | None = None
    seeds: int = 5
    seed: int = 0
    device: str = "auto"
    memory: str = "2GB"
    scheduler: str | None = None
    cluster: str = ""
    workers: int | None = None
    classes: Path | None = None
    labels: Path | None = None
    out: str = ""
    workspace: str = "workspace"
    data_root: Path = Path("data")
    name: str = ""
    report: Annotated[bool, Parameter(negative="--no-report")] = True

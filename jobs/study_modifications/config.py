"""The options of `study-modifications`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


@dataclass(frozen=True, kw_only=True)
class StudyModificationsConfig:
    """Train on original and on modified images, test each on all of them: what is lost, won back, and at what cost.

    Every training is an ordinary run of `train-cnn`, which `evaluate`, `compare` and `gap` read. Finished trainings are
    recognised and not run again; killed and called again, the same command continues. Trainings run one after another,
    or side by side on the workers of a cluster. The page with its tables and pictures goes into the run folder.

        python cli.py study-modifications --dataset cifar10 --modify night:3,blur:3 --preset cifar10-small --seeds 3
        python cli.py study-modifications --dataset digits --rows 300 --modify night --epochs 3 --also mixed
        python cli.py study-modifications --dataset PHOTOS --modify rain:2,rain:4,night+fog --cluster local --workers 2

    Attributes
    ----------
    dataset
        Name from `datasets`, or a path; that of the preset when not given.
    modify
        Modifications of `modify-dataset` with commas between them; each is a training set and a test set. A plus joins
        several to one, such as night:3+fog:2.
    also
        mixed: train on the original images too, of which each goes through one of the modifications by chance, so that
        they and the original are seen equally often.
    rows
        About so many images of each split, the same share of every class; 0 for all.
    split
        Split to learn from.
    test_split
        Split to test on.
    preset
        As in `train-cnn`; options that are given beside it win.
    network
        As in `train-cnn` [simple-cnn].
    pretrained
        Begin with the weights that the network's library publishes.
    weights
        Begin with the weights in this file.
    image_size
        Height and width of the input in pixels.
    epochs
        Passes over the training images [10].
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
    augment
        Augmentation of every training alike, as in `train-cnn` [none].
    seeds
        Trainings on each set that differ in the seed alone.
    seed
        The first seed; also decides what is random in modifications, and splits by rule.
    device
        auto, cpu, cuda, cuda:N or mps.
    memory
        Images of a split that need more than this are decoded anew for each epoch.
    scheduler
        Address of a Dask scheduler on whose workers trainings run.
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
        Where runs go: a folder or an address such as s3://bucket/name.
    data_root
        Folder in which datasets are looked for.
    name
        Name of the run; those of the dataset and network when not given.
    report
        Write report.html into the folder of the study and of each training.
    """

    dataset: str = ""
    modify: str = "night:3,blur:3,gaussian-noise:3"
    also: tuple[str, ...] = ()
    rows: int = 0
    split: str = "train"
    test_split: str = "test"
    preset: str = ""
    network: str | None = None
    pretrained: bool | None = None
    weights: str = ""
    image_size: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    optimizer: str | None = None
    lr: float | None = None
    weight_decay: float | None = None
    schedule: str | None = None
    augment: tuple[str, ...] | None = None
    seeds: int = 3
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

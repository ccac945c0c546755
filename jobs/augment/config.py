"""The options of `augment`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Make synthetic images for the small classes of a dataset, check them, and add those that pass as NAME+synthetic.

    The generator learns from the images that train-cnn would learn from with the same --seed and --validation: none of
    its validation or test images is in the new ones. Images that copy a real one, look like none of the real ones or
    not like their class are left out; the table images.parquet beside the new images says of each why. Killed and
    called again, the same command continues, training and sampling alike.

        python cli.py augment --dataset PHOTOS --method diffusion --balance to-max --image-size 64
        python cli.py augment --dataset PHOTOS --method gan --balance 2x --steps 8000 --cluster local --workers 2
        python cli.py train-cnn --dataset PHOTOS+synthetic:gan-2x --image-size 64

    Attributes
    ----------
    dataset
        Name from `datasets`, or a path.
    method
        diffusion, gan or finetune-diffusion, which are trained; mixup-pixels, cutmix or augment-only, which are not.
    balance
        to-max or to-median: every class has as many images as the largest or the middle one; a number: at least so
        many; 2x: twice as many new images as a class has.
    split
        Split to learn from and to add to.
    validation
        Share of it that is kept away from the generator, for train-cnn to validate on.
    image_size
        Height and width of the new images; that of small images, else 64, when not given.
    steps
        Of the generator's training; its own number when not given.
    settings
        name=value of the method, such as guidance=2 or width=48.
    surplus
        Images made for each that is wanted, because some are left out.
    keep_copies
        Keep images that copy a training image; they are marked in the table.
    backbone
        Network whose features are compared: a timm model, torchvision:MODEL, tiny, or run:NAME for one trained here; a
        good small one when none is given.
    weights
        File of its weights, or `random`; the library's when not given.
    backbone_args
        name=value,name=value of the backbone, as in `extract`.
    seed
        Decides what is random, and splits by rule.
    device
        auto, cpu, cuda, cuda:N or mps.
    memory
        Training images must fit into this.
    scheduler
        Address of a Dask scheduler whose workers make the images; they must see the workspace.
    cluster
        local: start worker processes on this machine.
    workers
        Number of these.
    classes
        Class list, one name per line in class order.
    labels
        CSV of labels for images that lie flat.
    workspace
        Where images, generators and runs go: a folder of this machine.
    data_root
        Folder in which datasets are looked for.
    name
        Name of the set; those of the method and the balance when not given.
    """

    dataset: str
    method: str
    balance: str = "to-max"
    split: str = "train"
    validation: float = 0.1
    image_size: int | None = None
    steps: int | None = None
    settings: tuple[str, ...] = ()
    surplus: float = 1.5
    keep_copies: bool = False
    backbone: str = ""
    weights: str = ""
    backbone_args: tuple[str, ...] = ()
    seed: int = 0
    device: str = "auto"
    memory: str = "2GB"
    scheduler: str | None = None
    cluster: str = ""
    workers: int | None = None
    classes: Path | None = None
    labels: Path | None = None
    workspace: str = "workspace"
    data_root: Path = Path("data")
    name: str = ""

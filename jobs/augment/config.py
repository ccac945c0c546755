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

    Three methods make rows of embeddings instead, out of what extract has stored: they learn from the rows that
    fit-incremental would learn from with --holdout at this --validation, and write the embeddings of NAME+synthetic,
    in which only real rows that they have not seen are held out. The table synthetic.parquet of the run says of each
    new row why it was kept or not.

        python cli.py augment --dataset PHOTOS --method diffusion --balance to-max --image-size 64
        python cli.py augment --dataset PHOTOS --method gan --balance 2x --steps 8000 --cluster local --workers 2
        python cli.py train-cnn --dataset PHOTOS+synthetic:gan-2x --image-size 64
        python cli.py augment --dataset PHOTOS --method smote --backbone resnet50
        python cli.py fit-incremental --dataset PHOTOS+synthetic:smote-to-max

    Attributes
    ----------
    dataset
        Name from `datasets`, or a path.
    method
        diffusion, gan or finetune-diffusion, which are trained; mixup-pixels, cutmix or augment-only, which are not.
        For embeddings smote, gaussian or feature-diffusion.
    balance
        to-max or to-median: every class has as many images as the largest or the middle one; a number: at least so
        many; 2x: twice as many new images as a class has.
    split
        Split to learn from and to add to.
    validation
        Share of it that is kept away from the generator, for train-cnn to validate on; of embeddings the last rows.
    image_size
        Height and width of the new images; that of small images, else 64, when not given.
    steps
        Of the generator's training; its own number when not given.
    settings
        name=value of the method, such as guidance=2 or width=48.
    surplus
        Images or rows made for each that is wanted, because some are left out.
    keep_copies
        Keep images that copy a training image; they are marked in the table.
    backbone
        Network whose features are compared: a timm model, torchvision:MODEL, tiny, or run:NAME for one trained here; a
        good small one when none is given. For embeddings, that which has made them, where there are several.
    weights
        File of its weights, or `random`; the library's when not given.
    backbone_args
        name=value,name=value of the backbone, as in `extract`.
    seed
        Decides what is random, and splits by rule.
    device
        auto, cpu, cuda, cuda:N or mps.
    memory
        Training images, or what a method for embeddings keeps of them, must fit into this.
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
        Where images, generators and runs go: a folder of this machine; for embeddings also an address.
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

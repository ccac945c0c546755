"""Fashion-MNIST: 60,000 + 10,000 grey images of 28 × 28 in ten classes."""

from functools import partial
from pathlib import Path

from gapscope.data.dataset import Dataset, Options, Recipe
from gapscope.data.sources.idx import idx_source

CLASSES = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]
PREFIXES = {"train": "train", "test": "t10k"}


def find(folder: Path) -> Path | None:
    """A folder of Fashion-MNIST's idx files; MNIST's have the same names, so a path must say which they are."""
    for place in (folder / "raw", folder / "FashionMNIST" / "raw", folder):
        named = any("fashion" in part.lower() for part in place.resolve().parts[-2:])
        if named and all(_file(place, split, kind) for split in PREFIXES for kind in ("images-idx3", "labels-idx1")):
            return place
    return None


def open_fashion_mnist(place: Path, options: Options) -> Dataset:
    """The splits ``train`` and ``test`` at `place`."""
    openers = {
        split: partial(
            idx_source, _file(place, split, "images-idx3"), _file(place, split, "labels-idx1"), split, CLASSES
        )
        for split in PREFIXES
    }
    return Dataset("fashion-mnist", str(place), openers)


def _file(folder: Path, split: str, kind: str) -> Path | None:
    names = (f"{PREFIXES[split]}-{kind}-ubyte", f"{PREFIXES[split]}-{kind}-ubyte.gz")
    return next((folder / name for name in names if (folder / name).is_file()), None)


FASHION_MNIST = Recipe(
    name="fashion-mnist",
    looked_for=("FashionMNIST/raw/{train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz]", "fashion-mnist/…"),
    how_to_get="put the four files of github.com/zalandoresearch/fashion-mnist into <data root>/FashionMNIST/raw",
    find=find,
    open=open_fashion_mnist,
    reads_paths=True,
)

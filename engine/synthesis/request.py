"""What synthetic images or rows are requested, and how they are made."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gapscope.backbones import BackboneChoice
from gapscope.core.errors import InputError, unknown_name
from gapscope.generators import GENERATORS
from gapscope.generators.features import FEATURE_GENERATORS
from gapscope.generators.recipe import recipe_of

# Classes that a sentence names.
NAMED = 10


@dataclass(frozen=True, kw_only=True)
class Request:
    """A synthetic set.

    Attributes
    ----------
    method
        Name of the generator.
    recipe
        Its settings, a frozen dataclass.
    backbone
        The network whose features are compared; a good small one where it has no name. Of rows, that which made them.
    balance
        Size that classes are filled up to, as `gapscope.generators.balance.targets` takes it.
    split
        The split of the dataset to train on and to add to.
    validation
        Share of it that the generator must not see; of stored rows the last ones.
    image_size
        Height and width of new images; that of small images, else 64, when None.
    surplus
        Images or rows made for each that is wanted, because some are left out.
    keep_copies
        Keep images that copy a training image.
    memory
        Bytes that the training data may take.
    scheduler, cluster, workers
        Where images are made, as `gapscope.stream.connect` takes them.
    """

    method: str
    recipe: Any
    backbone: BackboneChoice
    balance: str = "to-max"
    split: str = "train"
    validation: float = 0.1
    image_size: int | None = None
    surplus: float = 1.5
    keep_copies: bool = False
    seed: int = 0
    memory: int = 2 * 10**9
    scheduler: str | None = None
    cluster: str = ""
    workers: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.surplus < float("inf"):
            raise InputError(f"--surplus is {self.surplus}; give a number from 1 on")
        if not 0 <= self.validation < 1:
            raise InputError(f"--validation is {self.validation}; give a share from 0 to below 1, such as 0.1")
        if self.image_size is not None and self.image_size < 1:
            raise InputError(f"--image-size is {self.image_size}; give a number of pixels, such as 64")

    @property
    def makes_rows(self) -> bool:
        """Whether rows of embeddings are made, not images."""
        return self.method in FEATURE_GENERATORS

    def chosen(self, name: str, weights: str | None = None) -> BackboneChoice:
        """The backbone `name` with the requested arguments and device, and with other weights if they are given."""
        return replace(self.backbone, name=name, weights=self.backbone.weights if weights is None else weights)


def recipe_for(method: str, settings: Mapping[str, str], seed: int) -> Any:
    """The recipe of a method with some settings, checked.

    Raises
    ------
    InputError
        There is no such method, it has no such setting, or a value means nothing.
    """
    if method not in GENERATORS and method not in FEATURE_GENERATORS:
        raise unknown_name("generator", method, {*GENERATORS, *FEATURE_GENERATORS})
    return recipe_of(method, settings, seed)


def named(names: list[str]) -> str:
    """Some classes in a sentence."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"

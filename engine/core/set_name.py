"""The name of a set: a dataset and one of its splits."""

from typing import NamedTuple

from gapscope.core.errors import InputError, hint


class SetName(NamedTuple):
    """A dataset and its split, written ``dataset/split``; the dataset may be a path."""

    dataset: str
    split: str

    @classmethod
    def parse(cls, text: str, option: str = "") -> "SetName":
        """The name in `text`, which `option` was given.

        Raises
        ------
        InputError
            It names no split.

        >>> SetName.parse("cifar10/test")
        SetName(dataset='cifar10', split='test')
        """
        dataset, _, split = text.rpartition("/")
        if not dataset or not split:
            meant = hint(text, ()) or "; write it as dataset/split"
            raise InputError(f"{f'{option} {text}'.strip()} names no split{meant}")
        return cls(dataset, split)

    def __str__(self) -> str:
        return f"{self.dataset}/{self.split}" if self.split else self.dataset

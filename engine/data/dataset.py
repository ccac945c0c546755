"""A dataset that was found: its splits, and how each of them is opened."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from gapscope.core.errors import unknown_name
from gapscope.data.source import ByteSource, Source
from gapscope.data.sources.subset import Subset
from gapscope.data.splits import TRAIN_VAL_TEST, content_groups, split_indices

BY_RULE = "it has no splits of its own: {}, stratified by class, images that look alike kept together"


@dataclass(frozen=True)
class Dataset:
    """Images under a name, in splits.

    Attributes
    ----------
    name
        Also the name of its folder in the workspace.
    place
        Where it was found, for people.
    openers
        How each split is opened; nothing is listed before that.
    companions
        Names of datasets that a model of this one is evaluated on.
    companion_of
        Name of the dataset that this one accompanies, or empty.
    notes
        Sentences for the user.
    """

    name: str
    place: str
    openers: Mapping[str, Callable[[], Source]]
    companions: tuple[str, ...] = ()
    companion_of: str = ""
    notes: tuple[str, ...] = ()

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(self.openers)

    def source(self, split: str) -> Source:
        """The images of a split; lists them, 0.07 s for 100,000 files."""
        if split not in self.openers:
            raise unknown_name(f"split of {self.name}", split, self.splits)
        return self.openers[split]()


@dataclass(frozen=True)
class Options:
    """What a user may say about a dataset that its files do not.

    Attributes
    ----------
    classes
        Class list, one name per line in class order.
    labels
        CSV of labels.
    seed
        Decides the splits of a dataset that has none.
    path_column, label_column
        Columns of `labels`, found by their usual names when None.
    workspace
        Where synthetic images are looked for.
    """

    classes: Path | None = None
    labels: Path | None = None
    seed: int = 0
    path_column: str | None = None
    label_column: str | None = None
    workspace: str = "workspace"


@dataclass(frozen=True)
class Recipe:
    """A dataset known by name.

    Attributes
    ----------
    looked_for
        The layouts that `find` knows, relative to the data root, for messages.
    how_to_get
        One sentence.
    find
        The place of the dataset if a folder holds it, else None; cheap, opens no image.
    open
        The dataset at a place that `find` returned.
    embedded
        It comes with an installed package and has no place.
    scattered
        Its parts may lie beside other datasets, so its place is not its own.
    """

    name: str
    looked_for: tuple[str, ...]
    how_to_get: str
    find: Callable[[Path], Path | None]
    open: Callable[[Path, Options], Dataset]
    companions: tuple[str, ...] = ()
    companion_of: str = ""
    embedded: bool = False
    scattered: bool = False


@dataclass(frozen=True)
class SplitByRule:
    """A dataset without splits, and the rule that makes them.

    Attributes
    ----------
    whole
        Opens the whole set; called once, as is the rule.
    """

    whole: Callable[[], ByteSource]
    seed: int
    fractions: Mapping[str, float] = field(default_factory=lambda: dict(TRAIN_VAL_TEST))

    @cached_property
    def _source(self) -> ByteSource:
        return self.whole()

    @cached_property
    def _rows(self) -> dict[str, np.ndarray]:
        listing = self._source.listing
        return split_indices(listing.names, listing.labels, self.fractions, self.seed, content_groups(self._source))

    def rows(self, split: str) -> np.ndarray:
        """Positions in the whole set of the images of a split, (n,) int64."""
        return self._rows[split]

    def part(self, split: str) -> Subset:
        """The images of a split."""
        return Subset.of(self._source, self.rows(split))

    def openers(self) -> dict[str, Callable[[], Source]]:
        """How each split is opened."""
        return {split: partial(self.part, split) for split in self.fractions}

    def note(self) -> str:
        """The rule in words."""
        shares = ", ".join(f"{split} {fraction:.0%}" for split, fraction in self.fractions.items())
        return BY_RULE.format(f"{shares} by seed {self.seed}")

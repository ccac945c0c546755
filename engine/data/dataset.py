"""A dataset that was found: its splits, and how each of them is opened."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from gapscope.core.errors import InputError, unknown_name
from gapscope.core.program import called
from gapscope.core.splits import split_among, split_of
from gapscope.core.text import counted
from gapscope.data.accounting import Accounting
from gapscope.data.alike import remembered_groups
from gapscope.data.source import ByteSource, Source
from gapscope.data.sources.subset import Subset
from gapscope.data.splits import TRAIN_VAL_TEST, filled, split_indices

ALL = "all"
# The place of images that come with a package, which is none on a disk.
EMBEDDED = "embedded"
WITHOUT_SPLITS = "it has no splits of its own"
BY_RULE = f"{WITHOUT_SPLITS}: {{}}, stratified by class, images that look alike kept together"
UNDIVIDED = "`{} extract {} --split " + ALL + "` keeps it whole, as a set to compare with one that was trained on"
AS_ONE = f"{WITHOUT_SPLITS} and is taken as one set"


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
    accounting
        What became of every file; None where that was not looked at.
    undivided
        Opens all images as one set, the split ``all``, where the splits were made by rule; else None.
    """

    name: str
    place: str
    openers: Mapping[str, Callable[[], Source]]
    companions: tuple[str, ...] = ()
    companion_of: str = ""
    notes: tuple[str, ...] = ()
    accounting: Accounting | None = None
    undivided: Callable[[], Source] | None = None

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(self.openers)

    @property
    def choices(self) -> tuple[str, ...]:
        """Names of the splits, and of the whole where it was divided by rule."""
        return (*self.splits, *([ALL] if self.undivided else []))

    def sentences(self, asked: Collection[str] = (), typed: str = "") -> tuple[str, ...]:
        """The notes, and how a dataset whose splits are made by rule is taken as one set, or that it is where that is
        all that is `asked`; `typed` is what stood behind `extract`.
        """
        if not self.undivided:
            return self.notes
        if set(asked) == {ALL}:
            return (*(note for note in self.notes if not note.startswith(WITHOUT_SPLITS)), AS_ONE)
        named = self.name if self.place == EMBEDDED else self.place
        return (*self.notes, UNDIVIDED.format(called(), typed or quote(named)))

    def seen(self, see: Callable[[Callable[[], Source]], Callable[[], Source]], **changes: Any) -> "Dataset":
        """The dataset with each of its openers replaced by what `see` makes of it, and other `changes`."""
        openers = {split: see(opener) for split, opener in self.openers.items()}
        return replace(self, openers=openers, undivided=self.undivided and see(self.undivided), **changes)

    def called(self, split: str) -> str:
        """The name here of the split that a user means by `split`, such as ``valid``, or by the name of its folder;
        `split` itself where there is none.
        """
        found = split_among(split, self.choices)
        if found not in self.choices and Path(self.place, split).is_dir():
            found = split_among(split_of(split) or split, self.choices)
        return found

    def source(self, split: str) -> Source:
        """The images of a split, which may be called as `called` knows it."""
        split = self.called(split)
        if split == ALL and self.undivided and ALL not in self.openers:
            return self.undivided()
        if split not in self.openers:
            raise unknown_name(f"split of {self.name}", split, self.choices)
        return self.openers[split]()


@dataclass(frozen=True)
class Options:
    """What a user may say about a dataset that its files do not.

    Attributes
    ----------
    classes
        Class list, one name per line in class order.
    labels
        Table of labels.
    seed
        Decides the splits of a dataset that has none.
    path_column, label_column
        Columns of the tables of labels, or of Parquet files; found by what they hold, and by their usual names, when
        None. ``name`` as the label column means the names of the files, such as ``cat_0.jpg``.
    workspace
        Where synthetic images are looked for, where it is remembered which images look alike and what archives hold,
        and where copies of files at addresses go.
    download
        Whether the library of a data set may fetch its files.
    """

    classes: Path | None = None
    labels: Path | None = None
    seed: int = 0
    path_column: str | None = None
    label_column: str | None = None
    workspace: str = "workspace"
    download: bool = False


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
    folders
        Letters of the names that its folder, or one around it below the data root, has: what is called otherwise is
        the dataset only when that is asked for by name. Empty where `find` looks at names itself.
    reads_paths
        Its layout may say more to `open` than to anyone else: folders that are named by their path are read with it,
        under their own name, where `knows_more` says so.
    knows_more
        Whether that is so at a place that `find` returned.
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
    folders: tuple[str, ...] = ()
    reads_paths: bool = False
    knows_more: Callable[[Path], bool] = lambda place: True


@dataclass(frozen=True)
class SplitByRule:
    """A dataset without splits, and the rule that makes them.

    Attributes
    ----------
    whole
        Opens the whole set; called once, as is the rule.
    place
        Where the set is, for messages.
    workspace
        Where it is remembered which images look alike.
    """

    whole: Callable[[], ByteSource]
    seed: int
    fractions: Mapping[str, float] = field(default_factory=lambda: dict(TRAIN_VAL_TEST))
    place: str = "the set"
    workspace: str = "workspace"

    @cached_property
    def _source(self) -> ByteSource:
        return self.whole()

    @cached_property
    def _groups(self) -> np.ndarray:
        return remembered_groups(self._source, self.place, self.workspace)

    @cached_property
    def _rows(self) -> dict[str, np.ndarray]:
        listing, groups = self._source.listing, self._groups
        rows = split_indices(listing.names, listing.labels, self.fractions, self.seed, groups.tolist())
        empty = any(not len(rows[split]) and fraction > 0 for split, fraction in self.fractions.items())
        return filled(rows, self.fractions, groups, listing.labels) if empty else rows

    def rows(self, split: str) -> np.ndarray:
        """Positions in the whole set of the images of a split, (n,) int64."""
        return self._rows[split]

    def part(self, split: str) -> Subset:
        """The images of a split.

        Raises
        ------
        InputError
            It would be empty, because there are too few images that differ.
        """
        rows = self.rows(split)
        if not len(rows) and self.fractions[split] > 0:
            images, groups = len(self._groups), len(np.unique(self._groups))
            alike = (
                f", but only {groups:,} that differ (those that look alike stay in one split)"
                if groups < images
                else ""
            )
            raise InputError(
                f"{self.place} has {counted(images, 'image')}{alike}: too few to fill the splits "
                f"{', '.join(self.fractions)}; "
                f"give it splits of its own, as folders train and test, take it whole with --split {ALL}, or add "
                "images that differ"
            )
        return Subset.of(self._source, rows)

    def all_images(self) -> ByteSource:
        """The images of all splits."""
        return self._source

    def dataset(self, name: str, place: str, notes: tuple[str, ...] = (), **more: Any) -> Dataset:
        """The dataset `name` with the splits of this rule, which is among its notes."""
        openers = {split: partial(self.part, split) for split in self.fractions}
        return Dataset(name, place, openers, notes=(*notes, self.note()), undivided=self.all_images, **more)

    def note(self) -> str:
        """The rule in words."""
        shares = ", ".join(f"{split} {fraction:.0%}" for split, fraction in self.fractions.items())
        return BY_RULE.format(f"{shares} by seed {self.seed}")

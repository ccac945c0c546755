"""What became of every file of a dataset: listed in a split, rejected, or not used, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from gapscope.core.text import counted

# Names of examples in a sentence.
EXAMPLES = 3


@dataclass(frozen=True)
class Accounting:
    """Every file of a dataset, by what became of it; ``files`` is the sum of all.

    Attributes
    ----------
    listed
        Number of files by split; those of a dataset that is divided by rule under ``all``.
    rejected
        Files that are images by their place and hold none, as is known without decoding, with the reason: broken links.
        They are listed too, so that they stand among the rejected images of a store, but not counted in `listed`.
    unused
        Names of the files that are no images of the dataset, by the reason.
    drawn
        Number of images by split, of those that were divided by rule.
    """

    listed: Mapping[str, int]
    rejected: tuple[tuple[str, str], ...] = ()
    unused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    drawn: Mapping[str, int] = field(default_factory=dict)

    @property
    def files(self) -> int:
        """All files."""
        return sum(self.listed.values()) + len(self.rejected) + self.not_used

    @property
    def not_used(self) -> int:
        """How many files are not used."""
        return sum(map(len, self.unused.values()))

    @property
    def sentence(self) -> str:
        """One line for people.

        >>> print(Accounting({"train": 6, "test": 2}, unused={"tables": ("labels.csv",)}).sentence)
        9 files: 8 listed (train 6, test 2), 0 rejected, 1 not used (tables: labels.csv)
        >>> print(Accounting({"all": 9}, drawn={"train": 7, "test": 2}).sentence)
        9 files: 9 listed (all 9, divided at random: train 7, test 2), 0 rejected, 0 not used
        """
        drawn = f", divided at random: {_counts(self.drawn)}" if self.drawn else ""
        listed = f"{_counts(self.listed)}{drawn}"
        rejected = _some([f"{_printable(name)}: {_printable(reason)}" for name, reason in self.rejected], "; ")
        unused = "; ".join(
            f"{reason}: {_some([*map(_printable, names)])}" for reason, names in sorted(self.unused.items()) if names
        )
        return (
            f"{counted(self.files, 'file')}: {sum(self.listed.values()):,} listed{_within(listed)}, "
            f"{len(self.rejected):,} rejected{_within(rejected)}, {self.not_used:,} not used{_within(unused)}"
        )

    def after(self, decoded: Mapping[str, Sequence[tuple[str, str]]]) -> "Accounting":
        """The same once images were decoded: those of a split that hold none, with the reason, are rejected as well.

        >>> print(Accounting({"all": 3}).after({"train": [("a.png", "the file is empty")], "test": []}).sentence)
        3 files: 2 listed (all 2), 1 rejected (a.png: the file is empty), 0 not used
        """
        known = {name for name, _ in self.rejected}
        found = {split: [one for one in images if one[0] not in known] for split, images in decoded.items()}
        listed = dict(self.listed)
        for split, images in found.items():
            listed[split if split in listed else next(iter(listed))] -= len(images)
        return replace(self, listed=listed, rejected=(*self.rejected, *chain.from_iterable(found.values())))

    def as_dict(self) -> dict:
        """Counts by kind, for a manifest."""
        return {
            "files": self.files,
            "listed": dict(self.listed),
            "rejected": len(self.rejected),
            "unused": {reason: len(names) for reason, names in self.unused.items()},
        }


def _counts(images: Mapping[str, int]) -> str:
    return ", ".join(f"{split} {count:,}" for split, count in images.items())


def _within(text: str) -> str:
    return f" ({text})" if text else ""


def _printable(name: str) -> str:
    """A name in one line, whatever bytes it has.

    >>> _printable("a\\nb"), _printable("猫")
    ('a\\\\nb', '猫')
    """
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in name)


def _some(texts: Sequence[str], between: str = ", ") -> str:
    """The first of them, and how many more there are.

    >>> _some(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    rest = len(texts) - EXAMPLES
    return between.join(texts[:EXAMPLES]) + (f" and {rest:,} more" if rest > 0 else "")

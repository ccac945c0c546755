"""Which split an image belongs to, where a dataset has no splits of its own."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from gapscope.data.likeness import joined, looks_of
from gapscope.data.source import ByteSource, Undecodable

TRAIN_VAL_TEST = {"train": 0.8, "val": 0.1, "test": 0.1}


def split_indices(
    names: Sequence[str],
    labels: np.ndarray,
    fractions: Mapping[str, float],
    seed: int,
    groups: Sequence[object] | None = None,
) -> dict[str, np.ndarray]:
    """Sorted positions of the images of each split: seeded, stratified by class, and stable.

    Within a class, images stand in the order of a hash of their name and the seed, and the splits cut that order at
    their cumulative fractions. So the split of an image does not depend on the order of the listing, and an image
    added or removed moves the cuts by one image at most. The sizes differ from ``n × fraction`` by less than one
    image, up or down with a probability that keeps the totals right even for classes of one image; except that a split
    is never left without a class that has an image for each of them.

    Parameters
    ----------
    names : n texts
        Unique.
    labels : (n,) int
        Class of each image.
    fractions
        Size of each split, adding up to 1.
    groups : n hashable values
        Images of equal group stay in one split and count as one: a group takes part under its first name and that
        image's class.
    """
    if abs(sum(fractions.values()) - 1) > 1e-9 or min(fractions.values()) < 0:
        raise ValueError(f"fractions of splits are {dict(fractions)}, wanted numbers >= 0 that add up to 1")
    members = _members(names, range(len(names)) if groups is None else groups)
    strata: dict[int, list[tuple[bytes, list[int]]]] = {}
    for rows in members:
        strata.setdefault(int(labels[rows[0]]), []).append((_key(seed, names[rows[0]]), rows))
    chosen: dict[str, list[int]] = {split: [] for split in fractions}
    for label, stratum in strata.items():
        ordered = [rows for _, rows in sorted(stratum, key=lambda pair: pair[0])]
        start = 0
        for split, size in zip(fractions, _sizes(len(ordered), list(fractions.values()), seed, label), strict=True):
            chosen[split] += [row for rows in ordered[start : start + size] for row in rows]
            start += size
    return {split: np.array(sorted(rows), np.int64) for split, rows in chosen.items()}


def filled(
    rows: Mapping[str, np.ndarray], fractions: Mapping[str, float], groups: np.ndarray, labels: np.ndarray
) -> dict[str, np.ndarray]:
    """The splits, of which none is empty as long as there are as many groups as splits: an empty one takes the last
    group of the fullest, of the class that this has most of.

    Only sets of a few images come to that, and their splits would be of no use otherwise.
    """
    result = {split: list(dict.fromkeys(groups[part].tolist())) for split, part in rows.items()}
    label_of = dict(zip(groups.tolist()[::-1], labels.tolist()[::-1], strict=True))
    for split in [split for split, fraction in fractions.items() if fraction > 0 and not result[split]]:
        fullest = max(result, key=lambda one: len(result[one]))
        if len(result[fullest]) > 1:
            counts = Counter(label_of[group] for group in result[fullest])
            result[split].append(max(result[fullest], key=lambda group: (counts[label_of[group]], group)))
            result[fullest].remove(result[split][0])
    return {split: np.flatnonzero(np.isin(groups, chosen)) for split, chosen in result.items()}


def _members(names: Sequence[str], groups: Sequence[object]) -> list[list[int]]:
    """The rows of each group, the smallest name first."""
    members: dict[object, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    return [sorted(rows, key=names.__getitem__) if len(rows) > 1 else rows for rows in members.values()]


def _key(seed: int, name: str) -> bytes:
    return hashlib.blake2b(f"{seed}\0{name}".encode(errors="surrogateescape"), digest_size=16).digest()


def _sizes(count: int, fractions: list[float], seed: int, label: int) -> list[int]:
    """`count` units over the splits: each ``count × fraction``, rounded up or down by one random number per class."""
    shift = int.from_bytes(_key(seed, f"class {label}")[:6]) / 2**48
    bounds = [int(bound) for bound in np.floor(np.round(count * np.cumsum([0.0, *fractions]), 9) + shift)]
    sizes = np.diff([*bounds[:-1], count])
    wanted = np.array(fractions) > 0
    while count >= wanted.sum() and (sizes[wanted] == 0).any():
        sizes[np.argmax(sizes)] -= 1
        sizes[np.flatnonzero(wanted & (sizes == 0))[0]] += 1
    return sizes.tolist()


def content_groups(source: ByteSource) -> np.ndarray:
    """A number per image, ``(n,) int64``, that is equal for identical images and for near duplicates.

    Near duplicates show the same though their files differ: re-encoded, resized, in other colours (`likeness`). Every
    image is decoded once, small.
    """
    groups = identical_groups(source)
    looks = looks_of(source, rows=np.unique(groups))
    return joined(groups, np.stack([looks.rows[looks.leaders], looks.rows], axis=1))


def identical_groups(source: ByteSource) -> np.ndarray:
    """A number per image, ``(n,) int64``, that is equal for images made from equal bytes: the first one's position.

    Only images whose size occurs more than once are read and hashed; of photographs that is a small part.
    """
    sizes = source.sizes()
    _, inverse, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    groups = np.arange(len(sizes), dtype=np.int64)
    first: dict[bytes, int] = {}
    for row in np.flatnonzero(counts[inverse] > 1).tolist():
        try:
            groups[row] = first.setdefault(hashlib.sha256(source.read(row)).digest(), row)
        except Undecodable:
            continue
    return groups

"""The images of a dataset that occur more than once: how many, which, and what they spoil."""

from collections.abc import Sequence

from gapscope.data.duplicates import DuplicatePair

COLUMNS = {"how": "text", "image": "text", "class": "text", "same as": "text", "class of that": "text"}
IDENTICAL, NEAR = "identical images", "near duplicates"


def counts_of(copies: Sequence[DuplicatePair]) -> dict[str, int]:
    """How many there are of each kind."""
    return {
        IDENTICAL: sum(copy.identical for copy in copies),
        NEAR: sum(not copy.identical for copy in copies),
        "duplicates across splits": sum(copy.across for copy in copies),
        "duplicates of different classes": sum(copy.contradicts for copy in copies),
    }


def rows_of(copies: Sequence[DuplicatePair]) -> list[tuple[str, ...]]:
    """A row of `COLUMNS` for each, those across splits first."""
    return [_row(copy) for copy in sorted(copies, key=lambda copy: not copy.across)]


def _row(copy: DuplicatePair) -> tuple[str, ...]:
    one, other = (f"{split}/{name}" for split, name in zip(copy.splits, copy.names, strict=True))
    return "identical" if copy.identical else "looks alike", one, copy.classes[0], other, copy.classes[1]


def sentences_of(name: str, images: int, copies: Sequence[DuplicatePair]) -> list[str]:
    """How many of the images of the dataset `name` are copies, and a warning for each harm that they do."""
    counts = counts_of(copies)
    across = [copy for copy in copies if copy.across]
    contradicting = [copy for copy in copies if copy.contradicts]
    result = [
        f"{name}: of {images:,} images, {counts[IDENTICAL]:,} are identical to an earlier one; {counts[NEAR]:,} pairs "
        "of others look alike; images with an edge below 32 pixels, and flat ones, are compared byte for byte only"
    ]
    if across:
        pairs = sorted({" and ".join(copy.splits) for copy in across})
        result.append(
            f"warning: {name}: {len(across):,} duplicates fall across the splits {', '.join(pairs)}; a model is tested "
            "on what it has learnt, so leave one of each out"
        )
    if contradicting:
        first = contradicting[0].names
        result.append(
            f"warning: {name}: {len(contradicting):,} duplicates have different classes, such as {first[0]} and "
            f"{first[1]}; at least one of their labels is wrong"
        )
    return result

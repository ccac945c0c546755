"""Slices of `gap` under nulls, of which every one that is found is false, and planted ones, which should be found.

Columns are six numbers that go along with each other as light and contrast do, and three columns of values. Under the
null accuracy depends on two of them in both sets alike, and all images lost the same.

    python -m benchmarks.slices --trials 200
"""

import argparse
from collections.abc import Sequence

import numpy as np

from gapscope.attributes.columns import Column
from gapscope.gaps.image_terms import Rows
from gapscope.gaps.slices import find_slices

Array = np.ndarray
LETTERS = ("A", "B", "C", "D")
CLASSES, ALONG = 5, 0.6
# What all images lost, and what a planted slice lost beside it.
LOST, PLANTED = 0.1, 0.35
# Conditions of planted slices: column and the value above which, or at which, it is met.
CONDITIONS = {"one": [(0, 0.7)], "two": [(0, 0.0), (6, 1)], "three": [(0, 0.0), (6, 1), (1, 0.0)]}


def columns_of(rng: np.random.Generator, n: int) -> list[Column]:
    """Nine columns of two sets of `n` images."""
    sides = [rng.normal(size=(6, n)) + ALONG * rng.normal(size=n) for _ in range(2)]
    numbers = [Column(f"number {place}", *(side[place] for side in sides)) for place in range(6)]
    values = [rng.integers(0, len(LETTERS), (2, n)) for _ in range(3)]
    return numbers + [Column(f"value {place}", *both, LETTERS) for place, both in enumerate(values)]


def met(columns: Sequence[Column], conditions: Sequence[tuple[int, float]], side: int) -> Array:
    """Which images of a set meet all conditions."""
    result = np.ones(len(columns[0].sides[side]), bool)
    for place, least in conditions:
        own = columns[place].sides[side]
        result &= own == least if columns[place].values else own > least
    return result


def trial(seed: int, n: int, planted: Sequence[tuple[int, float]] = ()) -> tuple[int, bool]:
    """How many slices are found, and whether the first one is more than half the planted one."""
    rng = np.random.default_rng(seed)
    columns = columns_of(rng, n)
    rows = []
    for side in range(2):
        right = 0.9 - 0.15 * (columns[0].sides[side] > 0.5) - 0.1 * (columns[7].sides[side] == 0) - LOST * side
        right = right - PLANTED * met(columns, planted, side) if planted and side else right
        rows.append(Rows(rng.random(n) < right, rng.integers(0, CLASSES, n), np.arange(n) + side * 10**6))
    found = find_slices(columns, *rows, seed=seed)
    if not (planted and found.slices):
        return len(found.slices), False
    wanted, first = met(columns, planted, 1), found.members[0]
    return len(found.slices), bool((first & wanted).sum() > 0.5 * (first | wanted).sum())


def main(arguments: Sequence[str] | None = None) -> None:
    """Print how often slices are found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--images", type=int, nargs="+", default=[400, 1000, 4000])
    options = parser.parse_args(arguments)
    for n in options.images:
        false = sum(bool(trial(seed, n)[0]) for seed in range(options.trials))
        print(f"{n} images, null: a slice in {false} of {options.trials}", flush=True)
        for name, conditions in CONDITIONS.items():
            each = [trial(seed, n, conditions) for seed in range(options.trials // 10)]
            first, others = sum(right for _, right in each), sum(count > 1 for count, _ in each)
            print(f"{n} images, {name}: first in {first} of {len(each)}, with others beside it in {others}", flush=True)


if __name__ == "__main__":
    main()

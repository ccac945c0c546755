"""How often each test of the family detects a shift, against the size of the shift: the table of `docs/power.md`.

    python -m benchmarks.power --out docs/power.md

Two samples are drawn, one from a population and one from the same population after a change of a known size, and every
test is asked; the share of rejections at 5 % over many such pairs is its power at this size, and at size 0 the rate of
false alarms.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gapscope.core.random import stream
from gapscope.shifts import SHIFTS
from gapscope.shifts.battery import Battery, ShiftOptions
from gapscope.store import ArrayStore
from gapscope.stream import connect

ROWS, DIM, RUNS, CLASSES, LEVEL = 500, 16, 100, 5, 0.05
SIZES = {
    "mean": (0.0, 0.1, 0.2, 0.3, 0.4, 0.6),
    "variance": (0.0, 0.02, 0.05, 0.1, 0.15, 0.25),
    "mixture": (0.0, 0.01, 0.02, 0.05, 0.1, 0.2),
    "class": (0.0, 0.25, 0.5, 0.75, 1.0, 1.5),
}
MEANINGS = {
    "mean": "all rows move along one random direction, by this many standard deviations of a feature within a class",
    "variance": "all rows spread around their class centres wider by this factor, less one",
    "mixture": "this share of the rows comes from a cluster that the reference has not, three deviations away from the "
    "origin in every feature; 0.05 is the change of five per cent",
    "class": "the rows of one of five classes move along one random direction, by this many standard deviations",
}


def _population(rng: np.random.Generator, rows: int, dim: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Class centres by row, noise and labels: five Gaussian classes with centres of unit variance."""
    y = rng.integers(0, CLASSES, rows)
    return stream(0, "centres", dim).standard_normal((CLASSES, dim))[y], rng.standard_normal((rows, dim)), y


def _direction(dim: int) -> np.ndarray:
    drawn = stream(0, "direction", dim).standard_normal(dim)
    return drawn / np.linalg.norm(drawn)


def _mean(rng: np.random.Generator, rows: int, dim: int, size: float) -> tuple[np.ndarray, np.ndarray]:
    centres, noise, y = _population(rng, rows, dim)
    return centres + noise + size * _direction(dim), y


def _variance(rng: np.random.Generator, rows: int, dim: int, size: float) -> tuple[np.ndarray, np.ndarray]:
    centres, noise, y = _population(rng, rows, dim)
    return centres + noise * (1 + size), y


def _mixture(rng: np.random.Generator, rows: int, dim: int, size: float) -> tuple[np.ndarray, np.ndarray]:
    centres, noise, y = _population(rng, rows, dim)
    strange = rng.uniform(size=(rows, 1)) < size
    return np.where(strange, 3.0, centres) + noise, y


def _class(rng: np.random.Generator, rows: int, dim: int, size: float) -> tuple[np.ndarray, np.ndarray]:
    centres, noise, y = _population(rng, rows, dim)
    return centres + noise + size * np.outer(y == 0, _direction(dim)), y


SHIFTED = {"mean": _mean, "variance": _variance, "mixture": _mixture, "class": _class}


def measure(
    names: Sequence[str],
    *,
    rows: int = ROWS,
    dim: int = DIM,
    runs: int = RUNS,
    shifts: Mapping[str, Sequence[float]] = SIZES,
) -> dict:
    """Rejection rates of each p-value at each size of each shift."""
    rates = {kind: _curves(names, kind, sizes, rows, dim, runs) for kind, sizes in shifts.items()}
    return {"rows": rows, "dim": dim, "runs": runs, "sizes": dict(shifts), "rates": rates}


def _curves(
    names: Sequence[str], kind: str, sizes: Sequence[float], rows: int, dim: int, runs: int
) -> dict[str, list[float]]:
    found: dict[str, list[int]] = {}
    for place, size in enumerate(sizes):
        for run in range(runs):
            for statistic, p in _p_values(names, kind, size, rows, dim, run).items():
                found.setdefault(statistic, [0] * len(sizes))[place] += p <= LEVEL
    return {statistic: [count / runs for count in counts] for statistic, counts in found.items()}


def _p_values(names: Sequence[str], kind: str, size: float, rows: int, dim: int, run: int) -> dict[str, float]:
    rng = stream(run, "power", kind, str(size))
    pairs = [_mean(rng, rows, dim, 0.0), SHIFTED[kind](rng, rows, dim, size)]
    classes = [f"class {index}" for index in range(CLASSES)]
    views = [ArrayStore(x.astype(np.float32), y.astype(np.int32), classes, "drawn").view() for x, y in pairs]
    with connect(threads=1) as workers:
        findings = Battery.read(views, names, ShiftOptions(seed=run, replicates=99), workers).compare(0, 1)
    return {v.statistic: v.p for found in findings.values() for v in found.verdicts if v.p is not None}


def write(figures: dict, place: Path) -> None:
    """The figures as a page of tables."""
    place.write_text("\n".join(_page(figures)) + "\n")


def _page(figures: dict) -> list[str]:
    intro = [
        "# What each test can see",
        "",
        f"Share of {figures['runs']} pairs of samples, {figures['rows']} rows and {figures['dim']} features each, that "
        "a test tells apart at 5 %, by the size of the shift.",
        "Size 0 is no shift: what stands there is the rate of false alarms. Tests that permute do so 99 times. The "
        "samples are five Gaussian classes whose centres are drawn once.",
        "",
        f"    python -m benchmarks.power --runs {figures['runs']} --out docs/power.md",
    ]
    tables = [_table(kind, figures["sizes"][kind], rates) for kind, rates in figures["rates"].items()]
    return [*intro, *(line for table in tables for line in table)]


def _table(kind: str, sizes: Sequence[float], rates: Mapping[str, Sequence[float]]) -> list[str]:
    heads = " | ".join(f"{size:g}" for size in sizes)
    rows = [f"| {name} | " + " | ".join(f"{rate:.2f}" for rate in curve) + " |" for name, curve in rates.items()]
    title = ["", f"## {kind.capitalize()}", "", f"Size: {MEANINGS[kind]}.", ""]
    return [*title, f"| p-value of | {heads} |", "|---" * (len(sizes) + 1) + "|", *rows]


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, simulate, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/power.md"))
    parser.add_argument("--runs", type=int, default=RUNS, help="pairs of samples at each size")
    parser.add_argument("--only", nargs="*", default=[name for name in SHIFTS if name != "prdc"], help="statistics")
    options = parser.parse_args(arguments)
    figures = measure(options.only, runs=options.runs)
    write(figures, options.out)
    print(options.out.read_text())


if __name__ == "__main__":
    main()

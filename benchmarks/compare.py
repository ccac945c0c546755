"""What became slower, larger or less accurate than the last kept results, by more than a tenth.

    python -m benchmarks.compare                         results in the working tree against those of the last commit
    python -m benchmarks.compare NEW.json KEPT.json      two files of one benchmark

Figures are compared by what their names say: seconds and bytes should be small; rates, shares of a ceiling, accuracies
and how many times faster something is should be large. Others are not compared. Machines differ, and one machine
scatters by a tenth: shares and ratios within one run say more than seconds. Ends with 1 where something became worse.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).parent / "results"
WORSE = 0.1
# Characters of a text that is no name.
LONG = 60
# By words in a figure's name; the first that is there decides.
LARGE = ("per_second", "share", "ratio", "times_faster", "times_less", "gflops", "accuracy", "recall")
SMALL = ("seconds", "bytes", "passes", "log_loss", "error")
# What tells the entries of a list apart, beside their texts: how something was run. Of entries that are still called
# alike, their order does.
SETTINGS = ("rows", "classes", "features", "dim", "steps", "seed", "threads", "images", "points", "frame")


class Change(NamedTuple):
    """A figure that is worse than it was, by a share of what it was."""

    file: str
    figure: str
    kept: float
    now: float
    worse: float


def figures(result: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """All numbers of a result with where they stand."""
    if isinstance(result, bool) or result is None:
        return
    if isinstance(result, (int, float)):
        yield path, float(result)
    elif isinstance(result, Mapping):
        for key, value in result.items():
            yield from figures(value, f"{path}/{key}" if path else str(key))
    elif isinstance(result, list):
        before = Counter[str]()
        for value in result:
            name = _called(value)
            before[name] += 1
            yield from figures(value, f"{path}/{name}" if before[name] == 1 else f"{path}/{name} ({before[name]})")


def _called(entry: Any) -> str:
    """What an entry of a list is called: by its texts and settings; empty where it has none."""
    parts = entry.items() if isinstance(entry, Mapping) else enumerate(entry) if isinstance(entry, list) else ()
    return " ".join(str(one) for name, one in parts if name in SETTINGS or (isinstance(one, str) and len(one) < LONG))


def direction(path: str) -> int:
    """1 for a figure that should be large, -1 for one that should be small, 0 for one of which nobody knows."""
    name = path.lower()
    for words, sign in ((LARGE, 1), (SMALL, -1)):
        if any(word in name for word in words):
            return sign
    return 0


def changes(file: str, kept: Any, now: Any) -> list[Change]:
    """What is worse by more than `WORSE`, the worst first."""
    before, result = dict(figures(kept)), []
    for path, value in figures(now):
        sign, old = direction(path), before.get(path)
        if not sign or not old:
            continue
        worse = sign * (old - value) / abs(old)
        if worse > WORSE:
            result.append(Change(file, path, old, value, worse))
    return sorted(result, key=lambda one: -one.worse)


def kept_in_git(place: Path, revision: str) -> Any | None:
    """A result as a revision has it; None where it has none."""
    command = ["git", "show", f"{revision}:./{place.name}"]
    shown = subprocess.run(command, cwd=place.parent, capture_output=True, text=True, check=False)
    return json.loads(shown.stdout) if shown.returncode == 0 else None


def table_of(found: Sequence[Change]) -> str:
    """A line for each change."""
    if not found:
        return f"nothing is worse than the kept results by more than {WORSE:.0%}"
    lines = [
        f"{one.file:28} {one.figure:60} {one.kept:>14,.4g} {one.now:>14,.4g} {one.worse:>8.0%} worse" for one in found
    ]
    return "\n".join([f"{'file':28} {'figure':60} {'kept':>14} {'now':>14}", *lines])


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, compare, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", help="a new result and a kept one")
    parser.add_argument("--revision", default="HEAD", help="whose results are the kept ones")
    options = parser.parse_args(arguments)
    if len(options.files) not in (0, 2):
        parser.error("give two files, a new result and a kept one, or none")
    if options.files:
        now, kept = (json.loads(place.read_text()) for place in options.files)
        found = changes(options.files[0].name, kept, now)
    else:
        places = sorted(RESULTS.glob("*.json"))
        pairs = [(place, kept_in_git(place, options.revision)) for place in places]
        found = [
            one
            for place, kept in pairs
            if kept is not None
            for one in changes(place.name, kept, json.loads(place.read_text()))
        ]
    print(table_of(found))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())

"""Where the numbers of a run come from, and what to be careful about."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from gapscope.blocks import Block, Heading, Table
from gapscope.blocks.formats import listed
from gapscope.core.text import counted
from gapscope.runs.run import Run

# Images of a class below which its own numbers say little.
FEW = 30
# Digits of a hash that are shown.
DIGITS = 12


def provenance(run: Run) -> list[Block]:
    """The command with its options, versions, inputs with their hashes, seconds and memory."""
    manifest = run.manifest
    facts = [
        ("command", manifest.job),
        ("folder", str(run.place)),
        ("seconds", ", ".join(f"{name} {seconds:.1f}" for name, seconds in manifest.seconds.items())),
        ("peak memory", f"{manifest.peak_memory_bytes / 2**20:,.0f} MiB" if manifest.peak_memory_bytes else ""),
        ("versions", ", ".join(f"{name} {version}" for name, version in manifest.versions.items())),
    ]
    options = [(name, _plain(value)) for name, value in manifest.config.items() if value not in (None, "", [], ())]
    inputs = [(one.place, one.rows, one.config_hash[:DIGITS]) for one in manifest.inputs]
    return [
        Heading("provenance", "Where this comes from", folded=True),
        Table("The run", {"what": "text", "value": "text"}, [fact for fact in facts if fact[1]]),
        Table("What was read", {"place": "text", "rows": "count", "hash": "text"}, inputs),
        Table("Options", {"option": "text", "value": "text"}, options),
    ]


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


def warnings_of(run: Run) -> list[str]:
    """What a reader must know before believing the numbers."""
    return list(dict.fromkeys([*_of_gap(run), *_small(run), *_rejected(run)]))


def _of_gap(run: Run) -> list[str]:
    """What the run itself warned of."""
    return list((run.json("ledger") or {}).get("notes", []))


def _small(run: Run) -> list[str]:
    """Classes of which so few images were measured that their numbers say little."""
    few: dict[str, dict[str, int]] = {}
    for row in run.results:
        if row["metric"] == "recall" and row["class"] is not None and row["n"] < FEW:
            few.setdefault(f"{row['dataset']}/{row['split']}", {})[row["class"]] = row["n"]
    where = str(run.manifest.config.get("target") or "the target")
    for row in run.table("classes"):
        if "target_rows" in row and row["target_rows"] < FEW:
            few.setdefault(where, {})[row["class"]] = row["target_rows"]
    return [
        f"{where}: {counted(len(classes), 'class has', 'classes have')} fewer than {FEW} images "
        f"({listed(list(classes))}); the numbers of such a class say little."
        for where, classes in few.items()
    ]


def _rejected(run: Run) -> list[str]:
    rows = run.table("rejected")
    reasons = [f"{reason} ({count:,})" for reason, count in Counter(row["reason"] for row in rows).most_common()]
    files = counted(len(rows), "file holds", "files hold")
    verb = "was" if len(rows) == 1 else "were"
    return [f"{files} no usable image and {verb} left out: {listed(reasons)}."] if rows else []


def differences(runs: Sequence[Run]) -> list[str]:
    """What makes runs on one page hard to compare: other library versions, or other rows under one name."""
    versions: dict[str, set[str]] = {}
    inputs: dict[str, set[str]] = {}
    for run in runs:
        for name, version in run.manifest.versions.items():
            versions.setdefault(name, set()).add(version)
        for one in run.manifest.inputs:
            if one.config_hash and "/runs/" not in one.place:
                inputs.setdefault(one.place, set()).add(one.config_hash)
    mixed = [name for name, values in versions.items() if len(values) > 1]
    moved = [place for place, hashes in inputs.items() if len(hashes) > 1]
    sentences = [f"The runs were made with different versions of {listed(mixed)}."] if mixed else []
    return sentences + [f"{place} held other rows in some runs than in others." for place in moved]

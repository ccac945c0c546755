"""Where the numbers come from, and what to be careful about."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from gapscope.reports.page.words import counted, listed
from gapscope.runs.run import Run

# Images of a class below which its own numbers say little.
FEW = 30
Record = dict[str, Any]


def provenance(run: Run) -> Record:
    """Options, versions, inputs with their hashes, seconds and memory."""
    manifest = run.manifest
    return {
        "job": manifest.job,
        "folder": str(run.place),
        "options": {name: _plain(value) for name, value in manifest.config.items() if value not in (None, "", [], ())},
        "versions": dict(manifest.versions),
        "inputs": [one.model_dump() for one in manifest.inputs],
        "seconds": dict(manifest.seconds),
        "peak_memory_bytes": manifest.peak_memory_bytes,
    }


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


def warnings_of(run: Run) -> list[str]:
    """What a reader must know before believing the numbers."""
    found = [*_told(run), *_small(run), *_rejected(run)]
    return list(dict.fromkeys(found))


def _told(run: Run) -> list[str]:
    """What the run itself warned of."""
    return list((run.json("ledger") or {}).get("notes", []))


def _small(run: Run) -> list[str]:
    """Classes of which so few images were measured that their numbers say little."""
    found: dict[str, dict[str, int]] = {}
    for row in run.results:
        if row["metric"] == "recall" and row["class"] is not None and row["n"] < FEW:
            found.setdefault(f"{row['dataset']}/{row['split']}", {})[row["class"]] = row["n"]
    where = str(run.manifest.config.get("target") or "the target")
    for row in run.table("classes"):
        if "target_rows" in row and row["target_rows"] < FEW:
            found.setdefault(where, {})[row["class"]] = row["target_rows"]
    return [
        f"{where}: {counted(len(few), 'class has', 'classes have')} fewer than {FEW} images ({listed(list(few))}); "
        "the numbers of such a class say little."
        for where, few in found.items()
    ]


def _rejected(run: Run) -> list[str]:
    rows = run.table("rejected")
    reasons = Counter(row["reason"] for row in rows)
    told = [f"{reason} ({count:,})" for reason, count in reasons.most_common()]
    if not rows:
        return []
    return [f"{counted(len(rows), 'file holds', 'files hold')} no usable image and were left out: {listed(told)}."]


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
    mixed = [name for name, found in versions.items() if len(found) > 1]
    moved = [place for place, found in inputs.items() if len(found) > 1]
    told = [f"The runs were made with different versions of {listed(mixed)}."] if mixed else []
    return told + [f"{place} held other rows in some runs than in others." for place in moved]

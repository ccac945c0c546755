"""A map that is there already, told from its files."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gapscope.core.files import read_json, read_table
from gapscope.core.location import Location
from gapscope.jobs.map.config import MapConfig
from gapscope.jobs.map.drawn import FIGURES, draw
from gapscope.jobs.map.sets import Sets
from gapscope.jobs.map.told import tables_of
from gapscope.jobs.map.written import COORDINATES
from gapscope.runs.folder import MANIFEST, MANNER, TABLE
from gapscope.runs.result import RunResult
from gapscope.schemas.coordinates import ABOUT, POINTS
from gapscope.schemas.results import Result
from gapscope.schemas.run import Input, RunManifest


def finished(runs: Location, start: str, config: MapConfig, inputs: Sequence[Input]) -> Location | None:
    """The folder of a complete run with the same options and inputs, if one below `runs` whose name begins so is."""
    wanted = _work(json.loads(json.dumps(asdict(config), default=str)))
    for folder in runs.names():
        place = runs / folder
        if not folder.startswith(start) or not (place / COORDINATES / POINTS).exists():
            continue
        found = RunManifest.model_validate(read_json(place / MANIFEST))
        if found.status == "complete" and _work(found.config) == wanted and list(found.inputs) == list(inputs):
            return place
    return None


def _work(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The options that decide what is made."""
    return {name: value for name, value in settings.items() if name not in MANNER}


def told_again(job: str, place: Location, sets: Sets, method: str, begun: float) -> RunResult:
    """The report of the finished run at `place`, from its files; figures that it has not are drawn.

    `begun` is the time, of `time.perf_counter`, from which its seconds count.
    """
    if not (place / FIGURES).names():
        draw(place, sets, method)
    rows = read_table(place / TABLE).to_pylist()
    results = [Result(**{("class_name" if key == "class" else key): row[key] for key in row}) for row in rows]
    notes = read_json(place / COORDINATES / ABOUT)["notes"]
    notes += ["the same map of the same rows was there already", f"written to {place}"]
    return RunResult(job, str(place), time.perf_counter() - begun, results, tables_of(sets, results), notes)

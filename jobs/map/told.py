"""What `map` tells a person: sentences about the layout, and the table of its quality."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gapscope.jobs.map.config import MapConfig
from gapscope.jobs.map.sets import Sets
from gapscope.runs.result import Table
from gapscope.schemas.results import Result

if TYPE_CHECKING:  # this loads SciPy and numba, and `--help` has to be instant
    from gapscope.maps.made import Sheet

MEANINGS = {
    "trustworthiness": "neighbours on the map are neighbours in truth: 1 for all, about 0.5 for a random map",
    "neighbour_recall": "share of a row's nearest in truth that are among its nearest on the map",
    "trustworthiness_fitted": "the same of the rows that were laid out",
    "neighbour_recall_fitted": "the same of the rows that were laid out",
    "placement_displacement": "from where a laid-out row lies to where it would be placed; 1 is the map's radius",
    "placement_difference": "from the library's place to that by neighbours; 1 is the map's radius",
    "fitted_rows": "rows that were laid out",
    "rows": "rows on the map",
}


def notes_of(config: MapConfig, sets: Sets, sheet: "Sheet") -> list[str]:
    """What has to be said: what was laid out and what placed, and how."""
    if sheet.sample is None:
        return [*sheet.laid.told, f"all {sets.rows:,} rows have exact coordinates; nothing was sampled"]
    others = sets.rows - sheet.sample.rows
    way = "among their nearest" if config.placement == "neighbours" else "by the library's own transform"
    taken = f"a sample by set and class; the other {others:,} rows were placed {way}"
    return [*sheet.laid.told, taken if others else f"all {sets.rows:,} rows were laid out; none had to be placed"]


def tables_of(sets: Sets, results: Sequence[Result]) -> list[Table]:
    """The table for the terminal: each measure with what it means."""
    rows = [(one.metric, _shown(one), _interval(one), one.n, MEANINGS[one.metric]) for one in results]
    return [Table(f"Map of {sets.name} by {results[0].model}", ("", "value", "95 % interval", "n", "meaning"), rows)]


def _shown(one: Result) -> float | int:
    return int(one.value) if one.metric.endswith("rows") else one.value


def _interval(one: Result) -> str:
    return "-" if one.low is None else f"{one.low:.3f} - {one.high:.3f}"

"""How much a map can be believed, as results."""

from typing import TYPE_CHECKING

from gapscope.jobs.map.config import MapConfig
from gapscope.jobs.map.sets import Sets
from gapscope.schemas.results import Result

if TYPE_CHECKING:  # these load SciPy and numba, and `--help` has to be instant
    from gapscope.maps.made import Sheet
    from gapscope.maps.quality import Judged, Measured
    from gapscope.maps.space import Space

# Rows that are placed in both ways where the library's own is asked for.
BOTH_WAYS = 200


def judged(config: MapConfig, sets: Sets, space: "Space", sheet: "Sheet") -> list[Result]:
    """How much the map can be believed, and how many of its rows were laid out."""
    found = _measured(config, space, sheet)
    fitted = sets.rows if sheet.sample is None else sheet.sample.rows
    return [
        *(_result(config, sets, name, *value) for name, value in found.items() if value is not None),
        _result(config, sets, "fitted_rows", fitted, None, None, sets.rows),
        _result(config, sets, "rows", sets.rows, None, None, sets.rows),
    ]


def _measured(config: MapConfig, space: "Space", sheet: "Sheet") -> "dict[str, Measured | None]":
    """Of all rows; and where some were placed, of those that were laid out, and of the placing."""
    from gapscope.maps.quality import difference, displacement, first_rows, last_rows

    last = last_rows(space, sheet)
    found = _quality(last, "", config.seed)
    if not last.fitted.all():
        found |= _quality(first_rows(space, sheet), "_fitted", config.seed)
        found["placement_displacement"] = displacement(space, sheet, config.seed)
        if config.placement == "library":
            found["placement_difference"] = difference(space, sheet, last, BOTH_WAYS)
    return found


def _quality(rows: "Judged", suffix: str, seed: int) -> "dict[str, Measured | None]":
    from gapscope.maps.quality import neighbours_for, recall, trust

    k = neighbours_for(len(rows.x))
    ways = {"trustworthiness": trust, "neighbour_recall": recall}
    return {f"{name}{suffix}": way(rows.x, rows.xy, k, seed) for name, way in ways.items()} if k else {}


def _result(
    config: MapConfig, sets: Sets, metric: str, value: float, low: float | None, high: float | None, n: int
) -> Result:
    made = sets.stores[0].provenance
    dataset, split = (made.dataset, made.split) if len(sets.stores) == 1 else (sets.name, "")
    return Result(
        dataset=dataset, split=split, model=config.method, metric=metric, value=value, low=low, high=high, n=n
    )

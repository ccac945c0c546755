"""How much a map can be believed, as results."""

from gapscope.maps.made import Sheet
from gapscope.maps.member import LIBRARY, MapOptions
from gapscope.maps.quality import (
    Judged,
    Measured,
    difference,
    displacement,
    first_rows,
    last_rows,
    neighbours_for,
    recall,
    trust,
)
from gapscope.maps.sets import Sets
from gapscope.maps.space import Space
from gapscope.schemas.results import Result

# Rows that are placed in both ways where the library's own is asked for.
BOTH_WAYS = 200


def measure(method: str, options: MapOptions, sets: Sets, space: Space, sheet: Sheet) -> list[Result]:
    """The measures of quality, and how many of the rows were laid out."""
    measures = {name: value for name, value in _measures(options, space, sheet).items() if value is not None}
    fitted = sets.rows if sheet.sample is None else sheet.sample.rows
    counts = {"fitted_rows": fitted, "rows": sets.rows}
    measures |= {name: Measured(count, None, None, sets.rows) for name, count in counts.items()}
    made = sets.stores[0].provenance
    dataset, split = (made.dataset, made.split) if len(sets.stores) == 1 else (", ".join(sets.names), "")
    return [
        Result(dataset=dataset, split=split, model=method, metric=name, **one._asdict())
        for name, one in measures.items()
    ]


def notes_of(options: MapOptions, sets: Sets, sheet: Sheet) -> list[str]:
    """What was laid out and what placed, and how."""
    if sheet.sample is None:
        return [*sheet.laid.notes, f"all {sets.rows:,} rows have exact coordinates; nothing was sampled"]
    others = sets.rows - sheet.sample.rows
    way = "by the library's own transform" if options.placement == LIBRARY else "among their nearest"
    sample = f"a sample by set and class; the other {others:,} rows were placed {way}"
    return [*sheet.laid.notes, sample if others else f"all {sets.rows:,} rows were laid out; none had to be placed"]


def _measures(options: MapOptions, space: Space, sheet: Sheet) -> dict[str, Measured | None]:
    """Of all rows; and where some were placed, of those that were laid out, and of the placing."""
    last = last_rows(space, sheet)
    measures = _quality(last, "", options.seed)
    if not last.fitted.all():
        measures |= _quality(first_rows(space, sheet), "_fitted", options.seed)
        measures["placement_displacement"] = displacement(space, sheet, options.seed)
        if options.placement == LIBRARY:
            measures["placement_difference"] = difference(space, sheet, last, BOTH_WAYS)
    return measures


def _quality(rows: Judged, suffix: str, seed: int) -> dict[str, Measured | None]:
    k = neighbours_for(len(rows.x))
    ways = {"trustworthiness": trust, "neighbour_recall": recall}
    return {f"{name}{suffix}": way(rows.x, rows.xy, k, seed) for name, way in ways.items()} if k else {}

"""The map of a run as a picture: its own where it has one, else its points by class, one panel for each set."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from gapscope.core.files import read_table
from gapscope.core.random import stream
from gapscope.draw import PAGE, png
from gapscope.draw.canvas import COLOURS, GREY, sheet
from gapscope.reports.page.blocks import Block, figure, section
from gapscope.reports.page.mapped import COORDINATES, answer_tables, map_figures, map_notes
from gapscope.reports.page.words import counted
from gapscope.runs.run import Run
from gapscope.schemas.coordinates import ABOUT, POINTS
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

# Points drawn of each set, and classes that have a colour of their own.
DRAWN, COLOURED = 20_000, 10


def map_section(run: Run) -> Block | None:
    """What the map says of itself, and its picture."""
    about = run.json(f"{COORDINATES}/{ABOUT.removesuffix('.json')}")
    if about is None:
        return None
    figures = map_figures(run, about)
    if not figures:
        drawn, note = _drawn(run, about)
        alt = f"Map of {', '.join(about['sets'])} by {about['method']}; {note}"
        figures = [figure("map", png(drawn), alt, f"{alt}.")]
    return section("map", "Map", sentences=map_notes(about), tables=answer_tables(run), figures=figures)


def _drawn(run: Run, about: dict) -> tuple[Figure, str]:
    """The picture, and how many of the points it shows."""
    place = run.place / COORDINATES / POINTS
    columns = ["dataset", "split", "label", "x", "y"]
    rows = read_table(place, columns)
    where = pc.binary_join_element_wise(*(rows[name].cast(pa.string()) for name in columns[:2]), "/")
    label, x, y = (rows[name].to_numpy() for name in columns[2:])
    there = np.isfinite(x) & np.isfinite(y)
    shown = {name: _some(np.flatnonzero(there & pc.equal(where, name).to_numpy())) for name in about["sets"]}
    total = sum(len(one) for one in shown.values())
    note = counted(total, "point") if total == len(x) else f"{total:,} of {len(x):,} points, drawn at random"
    return _panels(shown, label, x, y, about), note


def _some(rows: np.ndarray) -> np.ndarray:
    """`DRAWN` of the rows at most, in random order, so that no class lies on top of the others."""
    return stream(0, "report", "map").permutation(rows)[:DRAWN]


def _panels(shown: dict[str, np.ndarray], label: np.ndarray, x: np.ndarray, y: np.ndarray, about: dict) -> Figure:
    picture, first = sheet(PAGE, 1.2 + 3.6 * -(-len(shown) // 2), f"Map by {about['method']}, by class")
    first.remove()
    few = len(about["class_names"]) <= COLOURED
    palette = np.array([*COLOURS, "#5B4FA2", "#7F3B08", "#C51B7D"]) if few else np.array([GREY])
    grid = picture.subplots(-(-len(shown) // 2), min(2, len(shown)), sharex=True, sharey=True, squeeze=False).ravel()
    for axes, (name, rows) in zip(grid, shown.items(), strict=False):
        colours = np.where(label[rows] < 0, GREY, palette[label[rows] % len(palette)])
        axes.scatter(x[rows], y[rows], s=1.5, c=colours, linewidths=0, alpha=0.6, rasterized=True)
        axes.set_title(name, fontsize=PAGE.letters)
        axes.set_xticks([])
        axes.set_yticks([])
    for axes in grid[len(shown) :]:
        axes.remove()
    if few:
        _key(picture, about["class_names"], palette)
    return picture


def _key(picture: Figure, names: list[str], palette: np.ndarray) -> None:
    marks = [
        Line2D([], [], linestyle="", marker="o", color=palette[index], label=name) for index, name in enumerate(names)
    ]
    picture.legend(handles=marks, loc="outside lower left", ncols=5, fontsize=PAGE.letters, frameon=False)

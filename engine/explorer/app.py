"""The page of the explorer: widgets around a session, each shown anew when the session says so."""

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
import panel as pn

from gapscope.core.text import counted
from gapscope.explorer import words
from gapscope.explorer.export import MOST, as_csv, as_parquet, frame_of, ids_of
from gapscope.explorer.neighbours import Stores
from gapscope.explorer.page import COLOURS, STYLE, TEMPLATE, UNTOUCHED, WIDGETS
from gapscope.explorer.points import Points
from gapscope.explorer.session import Session
from gapscope.explorer.state import BESIDE, TOGETHER, TOKEN, State, sortable
from gapscope.explorer.wires import NOWHERE

HEADING = "gapscope explorer"
SMALL, CARD, LARGE = 48, 96, 224
IMAGES = 36
ROWS = 10
SEARCHING = "Searching neighbours …"


class App:
    """One window: the session and the widgets."""

    def __init__(self, points: Points, stores: Stores, query: Mapping[str, Sequence[str]], notes: Sequence[str] = ()):
        self.points, self.notes = points, notes
        self.token = next(iter(query.get(TOKEN, ())), "")
        self.session = Session(points, stores, State.of(query, points), self.show)
        self.session.document = pn.state.curdoc
        self._settings()
        self._beside()
        self._maps()
        for what in ("state", "selection", "kept"):
            self.show(what)

    def _settings(self) -> None:
        state, keys = self.session.state, self.points.colourings
        phrase = ", ~phrase" if self.session.stores.phrases else ""
        self.colour = pn.widgets.Select(
            name="Colour by", options={one.title: key for key, one in keys.items()}, value=state.colour
        )
        self.search = pn.widgets.TextInput(
            name=f"Search: class, path, id{phrase} or luminance < 50", placeholder="Enter searches", value=state.search
        )
        self.view = pn.widgets.RadioButtonGroup(
            options={"One map": TOGETHER, "Side by side": BESIDE}, value=state.view, button_style="outline"
        )
        names = [one.name for one in self.points.sets]
        self.left = pn.widgets.Select(name="Left", options=names, value=state.left)
        self.right = pn.widgets.Select(name="Right", options=names, value=state.right or names[0])
        numbers = {title: key for key, title in sortable(self.points).items()}
        self.sort = pn.widgets.Select(name="Order by", options={"nothing": ""} | numbers, value=state.sort)
        self.sort.visible = bool(numbers)
        for name in ("colour", "search", "sort", "view", "left", "right"):
            getattr(self, name).param.update(sizing_mode="stretch_width", margin=(4, 2), stylesheets=[WIDGETS])
            getattr(self, name).param.watch(lambda event, name=name: self._set(name, event.new), "value")
        self.legend, self.found = _html(), _html()

    def _set(self, name: str, value: str) -> None:
        self.session.update(**{name: value}, **({"only": ""} if name == "colour" else {}))

    def _beside(self) -> None:
        """What stands to the right of the map."""
        self.kept, self.told, self.images, self.hover = _html(), _html(), _html(), _html(UNTOUCHED)
        self.table = pn.widgets.Tabulator(
            frame_of(self.points, np.empty(0, np.int64)),
            pagination="remote",
            page_size=ROWS,
            show_index=False,
            disabled=True,
            sizing_mode="stretch_width",
            layout="fit_data",
            theme="simple",
            formatters=_formats(self.points),
            stylesheets=[WIDGETS],
            margin=0,
        )
        self.cut = _html()
        self.downloads = pn.Row(
            *(self._download(kind, write) for kind, write in (("csv", as_csv), ("parquet", as_parquet))),
            sizing_mode="stretch_width",
            margin=(0, 0, 8, 0),
        )

    def _download(self, kind: str, write) -> pn.widgets.FileDownload:
        def written() -> BytesIO:
            chosen = self.session.selected()
            return write(ids_of(self.points, np.empty(0, np.int64) if chosen is None else chosen))

        return pn.widgets.FileDownload(
            callback=written,
            filename=f"ids.{kind}",
            label=f"Ids as {'CSV' if kind == 'csv' else 'Parquet'}",
            embed=False,
            auto=True,
            button_style="outline",
            button_type="primary",
            margin=(0, 4, 0, 0),
            sizing_mode="stretch_width",
            stylesheets=[WIDGETS],
        )

    def _maps(self) -> None:
        self.panes = [pn.pane.Bokeh(one.figure, sizing_mode="stretch_both") for one in self.session.charts]
        self.maps = pn.Row(*self.panes, sizing_mode="stretch_both")

    def show(self, what: str) -> None:
        """Show anew what depends on a change of the session."""
        shown = {
            "state": (self._show_state, self._show_legend, self._show_selection, self._link),
            "window": (self._link,),
            "selection": (self._show_legend, self._show_selection, self._link),
            "images": (self._show_images,),
            "kept": (self._show_kept, self._link),
            "hovered": (self._show_hovered,),
            "searching": (self._show_searching,),
        }
        for act in shown[what]:
            act()

    def _show_state(self) -> None:
        state = self.session.state
        for name in ("colour", "search", "sort", "view"):
            getattr(self, name).value = getattr(state, name)
        several, beside = self.session.sets > 1, state.view == BESIDE
        self.view.visible = several
        self.left.visible = self.right.visible = several and beside
        for pane in self.panes[1:]:
            pane.visible = beside

    def _show_legend(self) -> None:
        session = self.session
        colouring = self.points.colourings[session.state.colour]
        self.legend.object = words.legend(colouring, session.state.only, session.counts())
        result = session.searched()
        self.found.object = (
            ""
            if result is None
            else f'<p class="quiet">{counted(int(result.sum()), "point matches", "points match")}</p>'
        )

    def _show_selection(self) -> None:
        chosen = self.session.selected()
        self.told.object = words.selection(self.points, chosen, self.session.how)
        self._show_images()
        there = chosen is not None and len(chosen) > 0
        self.table.value = frame_of(self.points, chosen if there else np.empty(0, np.int64))
        self.table.page = 1
        self.table.visible = self.downloads.visible = there
        more = there and len(chosen) > MOST
        self.cut.object = (
            f'<p class="quiet">The table has the first {MOST:,} of {len(chosen):,}; the export has all.</p>'
            if more
            else ""
        )

    def _show_images(self) -> None:
        chosen = self.session.selected()
        there = np.empty(0, np.int64) if chosen is None else chosen
        self.images.object = words.thumbnails(self.points, there, self.session.first, IMAGES, SMALL)

    def _show_kept(self) -> None:
        self.kept.object = words.kept_card(self.points, self.session.kept, LARGE)

    def _show_hovered(self) -> None:
        point = self.session.hovered
        if point is not None:
            self.hover.object = words.card(self.points, point, CARD)
        self.session.wires.shown.data = {"point": [NOWHERE if point is None else point]}

    def _show_searching(self) -> None:
        self.told.object = f'<h2>Selection</h2><p class="quiet">{SEARCHING}</p>'

    def _link(self) -> None:
        if pn.state.location:
            token = {TOKEN: self.token} if self.token else {}
            pn.state.location.search = self.session.state.query(self.points, token)

    def page(self) -> pn.Template:
        """The page with everything in its place."""
        template = pn.Template(TEMPLATE, location=True)
        template.add_variable("heading", HEADING)
        template.add_variable("colours", COLOURS)
        template.add_variable("about", about(self.points, self.notes))
        settings = (self.colour, self.search, self.found, self.sort, self.view, self.left, self.right)
        detail = (self.kept, self.told, self.images, self.downloads, self.table, self.cut)
        template.add_panel("settings", pn.Column(*settings, sizing_mode="stretch_width", margin=0))
        template.add_panel("legend", self.legend)
        template.add_panel("maps", self.maps)
        template.add_panel("detail", pn.Column(*detail, sizing_mode="stretch_width", margin=0))
        template.add_panel("hover", self.hover)
        return template


def about(points: Points, notes: Sequence[str]) -> str:
    """What map this is, how many points it has, and what is not on it."""
    result = [f"{points.title} of {', '.join(one.name for one in points.sets)}", f"{counted(points.n, 'point')}"]
    result += (
        [f"{counted(points.left_out, 'row')} left out: their coordinates are not numbers"] if points.left_out else []
    )
    return " · ".join([*result, *notes])


def _formats(points: Points) -> dict[str, dict]:
    """How columns of the table are written: ids without commas, confidences with three digits."""
    exact = points.colourings.get(points.confidence_key)
    three = {exact.title: {"type": "money", "symbol": "", "precision": 3}} if exact else {}
    return three | {"id": {"type": "plaintext"}}


def _html(*more: str) -> pn.pane.HTML:
    return pn.pane.HTML("", stylesheets=[STYLE, *more], sizing_mode="stretch_width", margin=0)

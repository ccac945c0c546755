"""How the browser and the session tell each other small things: the pointer, a pressed button, whether a card shows."""

from collections.abc import Callable

from bokeh.models import ColumnDataSource, CustomJS

from gapscope.explorer.page import SHOW_CARD

NOWHERE = -1


class Wires:
    """Three small values that stand in the page's document; each change of one travels at once.

    Attributes
    ----------
    pointer
        ``map, x, y``: the map that the pointer is over, -1 for none, and the place on it.
    clicks
        ``act, value``: what the button that was pressed says of itself.
    shown
        ``point``: whose card is to be seen beside the pointer, -1 for none.
    """

    def __init__(self, pointed: Callable[[int, float, float], None], pressed: Callable[[str, str], None]):
        self.pointer = ColumnDataSource({"map": [NOWHERE], "x": [0.0], "y": [0.0]}, name="pointer")
        self.clicks = ColumnDataSource({"act": [], "value": []}, name="clicks")
        self.shown = ColumnDataSource({"point": [NOWHERE]}, name="shown")
        self.shown.js_on_change("data", CustomJS(code=SHOW_CARD))
        self.pointer.on_change("data", lambda _attr, _old, new: pointed(new["map"][0], new["x"][0], new["y"][0]))
        self.clicks.on_change("data", lambda _attr, _old, new: pressed(new["act"][0], new["value"][0]))

    def by_name(self) -> dict[str, ColumnDataSource]:
        """All three."""
        return {"pointer": self.pointer, "clicks": self.clicks, "shown": self.shown}

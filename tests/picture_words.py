"""Whether the words of a picture can be read."""

from matplotlib.text import Text


def check_words(figure):
    """Every visible text lies within the figure, and titles and axis names are there."""
    figure.canvas.draw()
    frame = figure.bbox.padded(1)
    unseen = {label for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for label in ticks_out_of_view(axis)}
    words = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    words = [text for text in words if text not in unseen]
    assert len(words) > 3
    for text in words:
        box = text.get_window_extent()
        assert frame.x0 <= box.x0 < box.x1 <= frame.x1, f"{text.get_text()!r} is cut off at the side"
        assert frame.y0 <= box.y0 < box.y1 <= frame.y1, f"{text.get_text()!r} is cut off above or below"


def ticks_out_of_view(axis):
    """Labels that Matplotlib keeps for ticks beyond the ends of an axis, and does not draw."""
    first, last = sorted(axis.get_view_interval())
    out = [tick for tick in axis.get_major_ticks() if not first <= tick.get_loc() <= last]
    return [label for tick in out for label in (tick.label1, tick.label2)]

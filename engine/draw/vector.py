"""A figure as an SVG file, for print and for zooming; its rasters are embedded as they are."""

from io import BytesIO

from matplotlib import rc_context
from matplotlib.figure import Figure


def svg(figure: Figure) -> bytes:
    """The figure as an SVG file; the same bytes for the same figure. Letters are outlines, so no font is needed."""
    file = BytesIO()
    with rc_context({"svg.hashsalt": "gapscope", "svg.fonttype": "path"}):
        figure.savefig(file, format="svg", dpi=figure.dpi, metadata={"Date": None})
    return file.getvalue()

"""What stands beside the map, as HTML: legend, cards of points, sentences about a selection. Every text is escaped.

Buttons carry what they do in ``data-act`` and ``data-value``; the page hands both to the session.
"""

from collections.abc import Iterator
from html import escape
from urllib.parse import urlencode

import numpy as np

from gapscope.attributes.columns import wording
from gapscope.blocks.formats import percent
from gapscope.explorer.colouring import NOT_KNOWN, NOT_PREDICTED, Colouring
from gapscope.explorer.points import Points

Array = np.ndarray
# Categories that a legend lists; beyond that, the search narrows it down.
LISTED = 1500
MOST_NAMED = 3
# Of a point, what is not worth a line.
UNTOLD = (NOT_PREDICTED, NOT_KNOWN)
EMPTY_POINT = "Point at the map to see an image, click to keep it here."
EMPTY_SELECTION = "Nothing is selected. Draw a loop or a box on the map; its tools stand to the upper right."
NO_MATCH = "No point matches the search."


def legend(colouring: Colouring, only: str, counts: Array) -> str:
    """A button for each category that has points among ``counts : (k,)``, and for `only`, which is pressed."""
    there = np.flatnonzero((counts > 0) | np.array([name == only for name in colouring.names], bool))
    lines = [_entry(colouring, int(index), only, int(counts[index])) for index in there[:LISTED]]
    if not len(there):
        return f'<p class="quiet">{NO_MATCH}</p>'
    if len(there) > LISTED:
        lines.append(f'<p class="quiet">{len(there) - LISTED:,} more; search for a name to find them.</p>')
    return f'<div class="legend">{"".join(lines)}</div>'


def _entry(colouring: Colouring, index: int, only: str, count: int) -> str:
    name, colour = colouring.names[index], colouring.colours[index]
    pressed = "true" if name == only else "false"
    faded = " faded" if only and name != only else ""
    return (
        f'<button class="entry{faded}" aria-pressed="{pressed}" data-act="only" data-value="{escape(name)}" '
        f'title="{escape(name)}">'
        f'<i style="background:{colour}"></i><span>{escape(name)}</span><b>{count:,}</b></button>'
    )


def image_address(points: Points, point: int, side: int) -> str:
    """Where the page asks for a point's picture."""
    one = points.sets[points.member[point]]
    fields = {"dataset": one.dataset, "split": one.split, "id": int(points.sample_id[point]), "side": side}
    return f"./image?{urlencode(fields)}"


def facts(points: Points, point: int, *, numbers: bool = False) -> list[tuple[str, str]]:
    """What is known of a point: names and values, in the order of the colourings; with `numbers`, attributes too."""
    result = [(one.title, one.names[one.code[point]]) for one in _told(points) if one.values is None]
    known = [(title, name) for title, name in result if name not in UNTOLD]
    if points.confidence is not None and np.isfinite(points.confidence[point]):
        known.append(("confidence", f"{percent(points.confidence[point])}"))
    one = points.sets[points.member[point]]
    known += list(_numbers(points, point)) if numbers else []
    return [*known, ("set", one.name), ("id", str(points.sample_id[point])), ("path", points.path[point].as_py())]


def _numbers(points: Points, point: int) -> Iterator[tuple[str, str]]:
    for key, one in points.colourings.items():
        if one.values is not None and not np.isnan(one.values[point]):
            column = wording(key)
            yield one.title, f"{column.show(float(one.values[point]))} {column.unit}".rstrip()


def _told(points: Points) -> list[Colouring]:
    """The colourings that a card repeats: neither the set, which it has anyway, nor the exact confidence's bin."""
    return [one for key, one in points.colourings.items() if key not in ("dataset", points.confidence_key)]


def card(points: Points, point: int, side: int, look: str = "card", *, numbers: bool = False) -> str:
    """A point's image and what is known of it."""
    known = facts(points, point, numbers=numbers)
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in known if value)
    address = escape(image_address(points, point, side))
    number = points.sample_id[point]
    return f'<div class="{look}"><img src="{address}" alt="image {number}"><dl>{rows}</dl></div>'


def kept_card(points: Points, point: int | None, side: int) -> str:
    """The card of the point that was clicked, with what can be done with it."""
    if point is None:
        return f'<h2>Point</h2><p class="quiet">{EMPTY_POINT}</p>'
    return (
        f"<h2>Point</h2>{card(points, point, side, 'card kept', numbers=True)}"
        '<p class="row"><button class="act" data-act="neighbours" data-value="">Neighbours of this point</button>'
        '<button class="act plain" data-act="unkeep" data-value="">Put away</button></p>'
    )


def thumbnails(points: Points, chosen: Array, first: int, count: int, side: int) -> str:
    """The images of ``chosen[first : first + count]``, with buttons to the next and the one before where there are."""
    if not len(chosen):
        return ""
    shown = chosen[first : first + count]
    pictures = "".join(_thumbnail(points, int(point), side) for point in shown)
    last = first + len(shown)
    steps = _step("page", first - count, "Before", there=first > 0) + _step(
        "page", last, "Next", there=last < len(chosen)
    )
    result = f'<p class="row quiet"><span>images {first + 1:,}-{last:,} of {len(chosen):,}</span>{steps}</p>'
    return f'<div class="grid">{pictures}</div>{result if len(chosen) > count else ""}'


def _thumbnail(points: Points, point: int, side: int) -> str:
    title = escape(", ".join(f"{name}: {value}" for name, value in facts(points, point)[:4]))
    address = escape(image_address(points, point, side))
    return (
        f'<button class="thumb" data-act="keep" data-value="{point}" title="{title}">'
        f'<img loading="lazy" src="{address}" alt="{title}"></button>'
    )


def _step(act: str, value: int, name: str, *, there: bool) -> str:
    return f'<button class="act plain" data-act="{act}" data-value="{value}">{name}</button>' if there else ""


def selection(points: Points, chosen: Array | None, how: str) -> str:
    """How many points are selected and what they are, in a sentence; what to do where there are none."""
    if chosen is None:
        return f'<h2>Selection</h2><p class="quiet">{EMPTY_SELECTION}</p>'
    result = f"<b>{len(chosen):,}</b> of {points.n:,} points{f', {escape(how)}' if how else ''}"
    parts = [result, *(escape(part) for part in _composition(points, chosen))]
    clear = '<button class="act plain" data-act="clear" data-value="">Clear</button>'
    return f'<h2>Selection {clear}</h2><p class="told">{" · ".join(parts)}</p>'


def _composition(points: Points, chosen: Array) -> list[str]:
    """Of the selected points: the share that is right, and the most frequent classes."""
    if not len(chosen):
        return []
    result = []
    right = next((one for key, one in points.colourings.items() if key.startswith("right")), None)
    if right:
        counts = np.bincount(right.code[chosen], minlength=2)[:2]
        result += [f"{percent(counts[0] / counts.sum())} right"] if counts.sum() else []
    first = next(iter(points.colourings.values()))
    counts = np.bincount(first.code[chosen], minlength=len(first.names))
    most = [index for index in np.argsort(-counts, kind="stable")[:MOST_NAMED] if counts[index]]
    return [*result, ", ".join(f"{first.names[index]} {percent(counts[index] / len(chosen))}" for index in most)]

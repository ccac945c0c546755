"""What a classifier of scikit-learn's has reached, as arrays and plain values: no code is ever read from disk.

The structure of a classifier (its optimiser, its loss) comes from a fresh one that has seen a row of each class; only
the numbers in it are saved. They are all of them, and where two attributes are one array they are so again, so that
training continues exactly.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

Array = np.ndarray
PLAIN = (bool, int, float, str, type(None))


def packed(model: Any) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays and the plain values of everything that `model` holds, by their place in it, such as ``coefs_/0``."""
    arrays, values, places = {}, {}, {}
    for place, value in _leaves(model, ""):
        if not isinstance(value, np.ndarray):
            values[place] = value
        elif id(value) in places:
            values[place] = {"same": places[id(value)]}
        else:
            arrays[place], places[id(value)] = value, place
    return arrays, values


def restored(fresh: Any, arrays: Mapping[str, Array], values: Mapping[str, Any]) -> Any:
    """The `fresh` classifier, of the same settings and fitted to rows of the same classes and features, with the
    contents that `packed` gave.
    """
    return _filled(fresh, "", {**arrays, **values})


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Every array and plain value below `value`; lists come with their length, NumPy's numbers with their type."""
    if isinstance(value, np.generic):
        yield place, {"dtype": value.dtype.name, "value": value.item()}
    elif isinstance(value, (np.ndarray, *PLAIN)):
        yield place, value
    elif isinstance(value, list | tuple):
        yield place, {"length": len(value)}
        for index, part in enumerate(value):
            yield from _leaves(part, f"{place}/{index}")
    elif isinstance(value, np.random.RandomState):
        _, keys, *counters = value.get_state()
        yield f"{place}/keys", keys
        yield f"{place}/counters", {"of": counters}
    else:
        for name, part in getattr(value, "__dict__", {}).items():
            yield from _leaves(part, f"{place}/{name}" if place else name)


def _filled(fresh: Any, place: str, saved: Mapping[str, Any]) -> Any:
    """What stood at `place`, in the structure of `fresh`."""
    if isinstance(fresh, np.random.RandomState):
        fresh.set_state(("MT19937", saved[f"{place}/keys"], *saved[f"{place}/counters"]["of"]))
        return fresh
    if place in saved:
        return _leaf(fresh, place, saved)
    below = f"{place}/" if place else ""
    for name in {path.removeprefix(below).split("/")[0] for path in saved if path.startswith(below)}:
        setattr(fresh, name, _filled(getattr(fresh, name, None), f"{below}{name}", saved))
    return fresh


def _leaf(fresh: Any, place: str, saved: Mapping[str, Any]) -> Any:
    value = saved[place]
    match value:
        case {"same": other}:
            return saved[other]
        case {"dtype": dtype, "value": number}:
            return np.dtype(dtype).type(number)
        case {"length": length}:
            parts = [*(fresh or ()), *[None] * length][:length]
            filled = [_filled(part, f"{place}/{index}", saved) for index, part in enumerate(parts)]
            return tuple(filled) if isinstance(fresh, tuple) else filled
    return value

"""What a classifier of scikit-learn's has reached, as arrays and plain values: no code is ever read from disk.

The structure of a classifier (its optimiser, its loss) comes from a fresh one that has seen a row of each class; only
the numbers in it are saved. They are all of them, so training continues exactly.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

Array = np.ndarray
PLAIN = (bool, int, float, str, type(None))


def packed(model: Any) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays and the plain values of everything that `model` holds, by their place in it, such as ``coefs_/0``."""
    arrays, values = {}, {}
    for place, value in _leaves(model, ""):
        if isinstance(value, np.ndarray):
            arrays[place] = value
        else:
            values[place] = value
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
    elif isinstance(value, np.ndarray) or isinstance(value, PLAIN):
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
    names = {name.removeprefix(f"{place}/" * bool(place)).split("/")[0] for name in saved if _is_below(name, place)}
    for name in names:
        setattr(fresh, name, _filled(getattr(fresh, name, None), f"{place}/{name}" if place else name, saved))
    return fresh


def _leaf(fresh: Any, place: str, saved: Mapping[str, Any]) -> Any:
    value = saved[place]
    if isinstance(value, dict) and "dtype" in value:
        return np.dtype(value["dtype"]).type(value["value"])
    if not (isinstance(value, dict) and "length" in value):
        return value
    parts = fresh if isinstance(fresh, list | tuple) else ()
    parts = [*parts, *[None] * value["length"]][: value["length"]]
    filled = [_filled(part, f"{place}/{index}", saved) for index, part in enumerate(parts)]
    return tuple(filled) if isinstance(fresh, tuple) else filled


def _is_below(name: str, place: str) -> bool:
    return not place or name.startswith(f"{place}/")

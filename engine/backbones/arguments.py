"""Backbone arguments as they are typed, ``pad_type=same mean=0.5,0.5,0.5``, and what they stand for."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from gapscope.backbones.preprocessing import OPTIONS
from gapscope.core.errors import InputError

WORDS = {"true": True, "false": False, "none": None}
SINGLE = {"crop_pct": float, "crop_mode": str, "interpolation": str}


def parse_backbone_args(texts: Iterable[str]) -> dict[str, Any]:
    """The mapping that `texts` spell, each with one or several ``name=value`` separated by spaces or commas.

    >>> parse_backbone_args(("pad_type=same,mean=0.5", "std=0.5,0.5,0.5 global_pool=avg"))
    {'pad_type': 'same', 'mean': 0.5, 'std': (0.5, 0.5, 0.5), 'global_pool': 'avg'}
    """
    values: dict[str, list] = {}
    name = None
    for token in re.split(r"[\s,]+", " ".join(texts).strip()):
        if "=" in token:
            name, _, token = token.partition("=")
            values[name] = []
        elif token and name is None:
            raise InputError(f"backbone argument {token!r} has no name; write it as name=value")
        if token:
            values[name].append(_value(token))
    empty = [name for name, result in values.items() if not result or not name]
    if empty:
        raise InputError(
            f"backbone argument {empty[0] + '='!r} has no {'value' if empty[0] else 'name'}; write it as name=value"
        )
    return {name: result[0] if len(result) == 1 else tuple(result) for name, result in values.items()}


def _value(text: str) -> Any:
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def split_arguments(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of the network's constructor, and those that override its preprocessing, three colours each."""
    constructor = {name: value for name, value in arguments.items() if name not in OPTIONS}
    options = {name: _option(name, arguments[name]) for name in OPTIONS if arguments.get(name) is not None}
    return constructor, options


def _option(name: str, value: Any) -> Any:
    if name in SINGLE:
        return SINGLE[name](value)
    numbers = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if not all(isinstance(number, (int, float)) for number in numbers):
        raise InputError(f"backbone argument {name}={value!r} must be numbers")
    if name == "input_size":
        return (int(numbers[-1]),) * 2 if len(numbers) == 1 else tuple(int(number) for number in numbers[-2:])
    return tuple(float(number) for number in numbers) * (3 if len(numbers) == 1 else 1)

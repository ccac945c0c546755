"""What a study of modifications found, in words that claim no more than the intervals allow."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gapscope.studies.modifications.findings import LEVEL, ORIGINAL
from gapscope.studies.modifications.robustness import MIXED
from gapscope.studies.replication.writing import percent, points

Found = Mapping[str, Any]
Place = int | tuple[int, int]


def verdict(found: Found) -> list[str]:
    """One paragraph on the original training, then a list with a sentence for each other training."""
    value = found["accuracy"]["value"]
    own = f"Trained on the original images, {found['network']} is right about {percent(value[ORIGINAL, ORIGINAL])} of "
    own += f"{found['dataset']}/{found['test_split']}."
    lines = [f"* {one}" for one in (*_modifications(found), *_mixed(found))]
    return [own, "\n".join(lines)]


def span(found: Mapping[str, np.ndarray], place: Place) -> str:
    """A change in points with its sign and interval."""
    value, low, high = (100 * found[key][place] for key in ("value", "low", "high"))
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"


def _size(found: Mapping[str, np.ndarray], place: Place, sign: int = 1) -> str:
    """A change in points without its sign, and its interval."""
    ends = sorted(sign * found[key][place] for key in ("low", "high"))
    return f"{points(sign * found['value'][place])} points ({points(ends[0])} to {points(ends[1])})"


def _sure(found: Mapping[str, np.ndarray], place: Place) -> int:
    """1 for a rise and -1 for a fall that chance does not explain, else 0."""
    return int(np.sign(found["value"][place])) if found["adjusted_p"][place] <= LEVEL else 0


def _modifications(found: Found) -> list[str]:
    return [f"**{test}** {_loss(found, test)}{_own_training(found, test)}" for test in found["tests"][1:]]


def _loss(found: Found, test: str) -> str:
    lost, place = found["differences"]["lost"], found["tests"].index(test)
    way = _sure(lost, place)
    if not way:
        return f"takes {span(lost, place)} points, which may be chance."
    now = percent(found["accuracy"]["value"][ORIGINAL, place])
    return f"{'takes' if way > 0 else 'even adds'} {_size(lost, place, way)}: {now} are left."


def _own_training(found: Found, test: str) -> str:
    if test not in found["trainings"]:
        return ""
    return f" {_sentence(found, found['trainings'].index(test), test)}"


def _sentence(found: Found, row: int, test: str) -> str:
    """What training on `test` wins back there, and what it costs on the original images."""
    gained, column = found["differences"]["gained"], found["tests"].index(test)
    lost = found["differences"]["lost"]
    way = _sure(gained, (row, column))
    size = _size(gained, (row, column), way or 1)
    if way > 0:
        of = f" of the {points(lost['value'][column])}" if _sure(lost, column) > 0 else ""
        told = f"Training on {test} {'wins back' if of else 'gains'} {size}{of}"
    elif way < 0:
        told = f"Training on {test} makes it worse by {size}"
    else:
        told = f"Training on {test} changes that by {span(gained, (row, column))} points, which may be chance"
    return f"{told}, and {_cost(found, row)}."


def _cost(found: Found, row: int) -> str:
    gained = found["differences"]["gained"]
    place = (row, ORIGINAL)
    way = _sure(gained, place)
    if not way:
        return f"on the original images its change of {span(gained, place)} points may be chance"
    return f"{'gains' if way > 0 else 'costs'} {_size(gained, place, way)} on the original images"


def _mixed(found: Found) -> list[str]:
    """What training on all together does."""
    if MIXED not in found["trainings"]:
        return []
    row = found["trainings"].index(MIXED)
    mean = found["differences"]["gained_mean"]
    sure = mean["low"][row] > 0 or mean["high"][row] < 0
    told = f"changes the accuracy on modified images by {span(mean, row)} points on average"
    told += "" if sure else ", which may be chance"
    return [f"Training on **all together** ({MIXED}) {told}, and {_cost(found, row)}.{_best(found, row)}"]


def _best(found: Found, row: int) -> str:
    """How it stands beside the best of the others, by the mean over all test sets."""
    means = found["accuracy"]["value"].mean(axis=1)
    others = np.where(np.arange(len(means)) == row, -np.inf, means)
    best = int(np.argmax(others))
    return (
        f" Its mean over all test sets is {percent(means[row])}; the best of the others, training on "
        f"{found['trainings'][best]}, has {percent(means[best])}."
    )

"""How a cause is said in a sentence: its severity, its name, and what it does to accuracy."""

from collections.abc import Mapping, Sequence
from typing import Any

from gapscope.blocks.formats import listed, percent, points

Row = Mapping[str, Any]
# Accuracies that are no further apart than so much are called the same.
SAME = 0.03


def severity(versions: Sequence[Row]) -> str:
    """At which severity, and on how many of the images.

    >>> severity([{"steps": [["night", 3]], "share": 0.6}, {"steps": [["night", 4]], "share": 0.4}])
    'at severity about 3.4'
    >>> severity([{"steps": [], "share": 0.7}, {"steps": [["night", 4]], "share": 0.3}])
    'at severity 4 on about 30 % of the images'
    """
    modified = [one for one in versions if one["steps"]]
    share = sum(one["share"] for one in modified)
    if not modified:
        return ""
    places = range(len(modified[0]["steps"]))
    means = [sum(one["share"] * one["steps"][place][1] for one in modified) / share for place in places]
    levels = [f"{'about ' if mean % 1 else ''}{mean:.1f}".removesuffix(".0") for mean in means]
    text = f"at severity {levels[0]}" if len(levels) == 1 else f"at severities {listed(levels)}"
    return text if share > 0.99 else f"{text} on about {share:.0%} of the images".replace("%", " %")


def spoken(proof: Row) -> str:
    """The name of a cause, or of several.

    >>> spoken({"name": "night+blur+jpeg"})
    'night, blur and jpeg'
    """
    return listed(proof["name"].split("+"))


def title(proof: Row) -> str:
    """A cause with its words and its family; of several causes, their words alone.

    >>> title({"name": "night", "words": "darker, with cooler colours", "family": "less light"})
    'night (less light: darker, with cooler colours)'
    """
    family = "" if "+" in proof["name"] else f"{proof['family']}: "
    return f"{spoken(proof)} ({family}{proof['words']})"


def specification(proof: Row) -> str:
    """What stands behind the plus of a dataset's name for most of the modified images; empty for functions."""
    modified = [one for one in proof["versions"] if one["steps"]]
    main = max(modified, key=lambda one: one["share"])["steps"] if modified else []
    return "" if any(":" in name for name, _ in main) else ",".join(f"{name}:{level}" for name, level in main)


def reproduced(proof: Row, accuracies: Sequence[Row | None]) -> str:
    """The accuracies side by side, and whether the loss is the same.

    >>> both = [{"value": 0.975, "low": 0.95, "high": 1.0}, {"value": 0.905, "low": 0.86, "high": 0.95}]
    >>> reproduced({"accuracy": {"value": 0.9, "low": 0.86, "high": 0.94}}, both)
    'Accuracy falls from 97.5 % to 90.0 % on modified images of the reference, and is 90.5 % on the target.'
    """
    before, after, made = *accuracies, proof["accuracy"]
    if before is None or made is None:
        return ""
    verb = "falls" if made["value"] < before["value"] else "rises" if made["value"] > before["value"] else "goes"
    change = f"from {percent(before['value'])} to {percent(made['value'])}"
    text = f"Accuracy {verb} {change} on modified images of the reference"
    if after is None:
        return f"{text}; the target has no labels, so this is a forecast of its accuracy."
    text = f"{text}, and is {percent(after['value'])} on the target"
    apart = made["value"] - after["value"]
    if abs(apart) <= SAME:
        return f"{text}."
    which = "less" if apart > 0 else "more"
    reach = sum((one["high"] - one["low"]) ** 2 for one in (made, after)) ** 0.5 / 2
    chance = ", which these images allow by chance" if abs(apart) <= reach else ""
    return f"{text}: the cause costs {points(apart)} {which} than what happened to the target{chance}."

"""How a cause is said in a sentence: its severity, its name, and what it does to accuracy."""

from collections.abc import Mapping, Sequence
from typing import Any

from gapscope.blocks.formats import in_brackets, listed, percent, points, span_of, upper

Row = Mapping[str, Any]


def severity(proof: Row) -> str:
    """At which severity, and on how many of the images; of several causes, in the order of their names.

    >>> severity({"name": "a", "versions": [{"steps": [["a", 3]], "share": 0.6}, {"steps": [["a", 4]], "share": 0.4}]})
    'at severity about 3.4'
    >>> severity({"name": "a", "versions": [{"steps": [], "share": 0.7}, {"steps": [["a", 4]], "share": 0.3}]})
    'at severity 4 on about 30 % of the images'
    >>> severity({"name": "a+b", "versions": [{"steps": [["b", 1], ["a", 4]], "share": 1.0}]})
    'at severities 4 and 1'
    """
    modified = [one for one in proof["versions"] if one["steps"]]
    share = sum(one["share"] for one in modified)
    if not modified:
        return ""
    means = [
        sum(one["share"] * dict(one["steps"])[name] for one in modified) / share for name in proof["name"].split("+")
    ]
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


def reproduced(
    proof: Row,
    accuracies: Sequence[Row | None],
    sample: str = "",
    *,
    compared: bool = True,
    what: str = "modified images of the reference",
) -> str:
    """The accuracies side by side, of which `sample` they are and on `what`, what the cause costs, and, where it is
    `compared`, how far that is from what was lost.

    >>> both = [{"value": 0.97, "low": 0.95, "high": 0.99}, {"value": 0.9, "low": 0.86, "high": 0.94}]
    >>> made = {"accuracy": {"value": 0.92, "low": 0.89, "high": 0.95}, "lost": {"low": 0.02, "high": 0.08}}
    >>> text = reproduced(made, both)
    >>> text.partition(":")[0]
    'Accuracy falls from 97.0 % to 92.0 % on modified images of the reference, and is 90.0 % on the target'
    >>> text.partition(": ")[2].partition(", ")[0]
    'the cause costs 5.0 points (95 % interval 2.0 to 8.0)'
    >>> text.partition("), ")[2]
    '2.0 points less than what happened to the target (95 % interval -3.0 to 7.0), which may be chance.'
    """
    before, after, made = *accuracies, proof["accuracy"]
    if before is None or made is None:
        return ""
    verb = "falls" if made["value"] < before["value"] else "rises" if made["value"] > before["value"] else "goes"
    change = f"from {percent(before['value'])} to {percent(made['value'])}"
    text = upper(f"{sample}accuracy {verb} {change} on {what}")
    if after is None:
        return f"{text}; the target has no labels, so this is a forecast of its accuracy."
    lost = proof["lost"]["low"], proof["lost"]["high"]
    own = before["value"] - made["value"]
    cost = f"{'costs' if own >= 0 else 'wins'} {points(own)}{in_brackets(span_of(own, *lost))}"
    beside = f", {_beside(made, after)}" if compared else ""
    return f"{text}, and is {percent(after['value'])} on the target: the cause {cost}{beside}."


def _beside(made: Row, after: Row) -> str:
    """How much less or more the cause costs than what happened, with its interval: the images are of different sets."""
    apart = made["value"] - after["value"]
    reach = sum((one["high"] - one["low"]) ** 2 for one in (made, after)) ** 0.5 / 2
    interval = in_brackets(span_of(apart, apart - reach, apart + reach))
    if points(apart) == points(0):
        return f"as much as what happened to the target{interval}"
    chance = ", which may be chance" if abs(apart) <= reach else ""
    return f"{points(apart)} {'less' if apart > 0 else 'more'} than what happened to the target{interval}{chance}"

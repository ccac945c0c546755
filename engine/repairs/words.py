"""The repairs in words that need no paper."""

from collections.abc import Mapping

from gapscope.gaps.words import REMEDIES

WORDS: Mapping[str, str] = {
    "nothing": "do nothing",
    **{name: REMEDIES[name] for name in ("mean", "scale", "coral", "quantiles")},
    "directions": "align the means, and remove the directions in which the target spreads more",
    "classes": "align the means class by class, by the model's predictions",
    "t3a": "replace the weights by the rows that the model is surest of",
    "mixture": "align means and scales in the target's class shares",
    "mixture-and-shares": "align means and scales in the target's class shares, and adapt to these",
    "shares": REMEDIES["prior"],
    "cause": "fit the head to the reference's images as they are and after the cause",
    "logistic": "fit the head to the labels, anchored on the old one",
    "ridge": "fit the head to the labels by least squares, anchored on the old one",
    "balanced-groups": "fit the head anew to labels, as many of every group",
    "interpolation": "go part of the way to a head of the labels",
}


def words(name: str) -> str:
    """A repair in plain words.

    >>> words("mean+ridge")
    'align the means of the features, then fit the head to the labels by least squares, anchored on the old one'
    """
    return ", then ".join(WORDS.get(part, part) for part in name.split("+"))

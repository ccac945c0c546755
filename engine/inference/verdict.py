"""What one statistic says about two sets: effect, interval, p, and a sentence."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """One finding.

    Attributes
    ----------
    statistic
        Its name in the field, such as ``mmd``; becomes the metric's name in the results.
    value
        The statistic itself.
    sentence
        What it means, in one sentence for a person who does not know the statistic.
    low, high
        95 % interval of the value, where it has one.
    p
        Probability of a value so large or larger if both sets came from one population, where the statistic is a test.
    effect
        The size of the difference in units that do not depend on the number of rows, where `value` itself does.
    null
        The value to expect from two samples of these sizes of one population, where that is not 0.
    n
        Rows it rests on.
    class_name
        The class it speaks of; None for all rows.
    """

    statistic: str
    value: float
    sentence: str
    low: float | None = None
    high: float | None = None
    p: float | None = None
    effect: float | None = None
    null: float | None = None
    n: int = 0
    class_name: str | None = None

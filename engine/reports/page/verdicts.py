"""What a change is, as far as it is sure."""

from gapscope.runs.run import Row

LEVEL = 0.05


def verdict(row: Row) -> str:
    """One of ``gains``, ``loses`` and ``may be chance``, by the change and its adjusted p."""
    if row["adjusted_p"] is None or row["adjusted_p"] > LEVEL:
        return "may be chance"
    return "gains" if row["value"] > 0 else "loses"

"""Which features moved, and which of them lower the margins."""

from gapscope.reports.page.blocks import Block, estimate, number, section, table
from gapscope.reports.page.words import counted
from gapscope.runs.run import Row, Run

SHOWN = 20
LEVEL = 0.05
MARGINS = {"feature": "text", "margin change": "number", "adjusted p": "p", "shift within classes": "number"}
SHIFTS = {
    "feature": "text",
    "target": "text",
    "standardised difference": "number",
    "adjusted p": "p",
    "Kolmogorov-Smirnov": "number",
    "mean, reference": "number",
    "mean, target": "number",
}


def feature_section(run: Run) -> Block | None:
    """The features that cost most, or moved furthest."""
    rows = run.table("features")
    if not rows:
        return None
    return _margins(rows) if "margin_change" in rows[0] else _shifts(rows)


def _margins(rows: list[Row]) -> Block | None:
    order = sorted(rows, key=lambda row: row["margin_change"])[:SHOWN]
    lowering = sum(row["margin_change"] < 0 and (row["margin_adjusted_p"] or 0) <= LEVEL for row in rows)
    found = [
        [
            f"feature {row['feature']}",
            _with_error(row["margin_change"], row["margin_error"]),
            number(row["margin_adjusted_p"]),
            number(row["class_free_shift"]),
        ]
        for row in order
    ]
    about = (
        "The margin of an answer is the score of the true class less that of its best rival, in logits; the changes of "
        f"all features sum to its change from reference to target. {counted(lowering, 'feature')} of {len(rows):,} "
        "lower it beyond chance."
    )
    columns = table("Features that lower the margins most", MARGINS, found)
    return section("features", "Features", sentences=[about], tables=[columns])


def _with_error(value: float, error: float) -> dict[str, float | None]:
    return estimate(value, value - 1.96 * error, value + 1.96 * error)


def _shifts(rows: list[Row]) -> Block | None:
    order = sorted(rows, key=lambda row: -abs(row["standardised_difference"] or 0.0))[:SHOWN]
    found = [
        [
            f"feature {row['feature']}",
            row["target"],
            number(row["standardised_difference"]),
            number(row["mean_adjusted_p"]),
            number(row.get("ks")),
            number(row["mean_reference"]),
            number(row["mean_target"]),
        ]
        for row in order
        if row["standardised_difference"] is not None
    ]
    about = "How far the mean of a feature moved, in standard deviations."
    return section("features", "Features", sentences=[about], tables=[table("Features that moved most", SHIFTS, found)])

"""How models differ on the same images."""

from gapscope.reports.page.blocks import Block, estimate, number, section, table
from gapscope.reports.page.words import set_name
from gapscope.runs.run import Run

PAIRS = {
    "model": "text",
    "against": "text",
    "set": "text",
    "difference": "change",
    "only the first is right": "count",
    "only the other is right": "count",
    "adjusted p": "p",
}


def comparison_section(run: Run) -> Block | None:
    """Pairs of models on the same images."""
    rows = run.table("differences")
    if not rows or "one" not in rows[0]:
        return None
    found = [
        [
            row["one"],
            row["other"],
            set_name(row),
            estimate(row["value"], row["low"], row["high"]),
            row["only_one"],
            row["only_other"],
            number(row["adjusted_p"]),
        ]
        for row in rows
    ]
    about = (
        "Difference of the accuracies on the same images, positive where the first is better, tested by McNemar's "
        "exact test and corrected for the number of pairs."
    )
    compared = table("Models against each other on the same images", PAIRS, found)
    return section("comparison", "Comparison of models", sentences=[about], tables=[compared])

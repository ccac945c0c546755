"""Where the points of a gap went, and what wins them back."""

from typing import Any, NamedTuple

import numpy as np
from gapscope.inference import adjusted
from gapscope.reports.page.blocks import Block, estimate, figure, of_row, section, table
from gapscope.reports.page.words import percent, points, upper
from gapscope.runs.run import Run

LEVEL = 0.05
ORACLE = "oracle"
# The terms in words that need no paper.
CAUSES = {
    "label_noise": "labels that better labels contradict",
    "class_mix": "classes in other proportions",
    "sampling_noise": "luck of the draw within classes",
    "common_drop": "a drop that all classes share",
    "class_drop": "drops of single classes beyond the shared one",
    "x_shift": "more of the hard inputs that both sets have (X shift)",
    "novel_x": "inputs unlike those of the reference (novel X)",
    "y_given_x": "other answers to inputs that look alike (Y given X)",
}
REPAIRS = {
    "prior": "adapt to the target's class shares",
    "mean": "align the means of the features",
    "scale": "align means and scales of the features",
    "coral": "align means and covariances of the features",
    "quantiles": "align the distribution of each feature",
    ORACLE: "train the head on the target's own labels: a bound, no repair",
}


class Rung(NamedTuple):
    """What a repair regains; ``adjusted_p`` is Holm's over the repairs that use no labels."""

    name: str
    value: float
    low: float | None
    high: float | None
    adjusted_p: float

    @property
    def works(self) -> bool:
        """Whether it regains something beyond chance, without labels."""
        return self.name != ORACLE and self.value > 0 and self.adjusted_p <= LEVEL


def cause(name: str) -> str:
    """A term of the ledger in plain words."""
    return CAUSES.get(name, name.replace("_", " "))


def repair(name: str) -> str:
    """A repair in plain words."""
    return REPAIRS.get(name, name.replace("_", " "))


def rungs(run: Run) -> list[Rung]:
    """The repairs that the run tried."""
    rows = {row["metric"].removeprefix("repair_"): row for row in run.headline if row["metric"].startswith("repair_")}
    names = [name for name in rows if not name.endswith("_p_value") and rows[name]["value"] is not None]
    tested = [name for name in names if name != ORACLE]
    p = {name: rows.get(f"{name}_p_value", {}).get("value") for name in names}
    corrected = adjusted(np.array([1.0 if p[name] is None else p[name] for name in tested]), "holm")
    found = dict(zip(tested, corrected.tolist(), strict=True)) | {ORACLE: p.get(ORACLE)}
    return [Rung(name, *of_row(rows[name]).values(), 1.0 if found[name] is None else found[name]) for name in names]


def ledger_section(run: Run) -> Block | None:
    """The terms, which sum to the gap."""
    account = run.json("ledger")
    if account is None:
        return None
    rows = [[cause(term["name"]), of_row(term), term["meaning"]] for term in account["terms"]]
    rows.append(["the gap, their sum", of_row(account["gap"]), ""])
    found = table("The gap, term by term", {"cause": "text", "points": "change", "what it means": "text"}, rows)
    about = (
        "The terms sum to the gap. A term says how accuracy would move if only this differed between the sets; "
        "positive points are accuracy lost."
    )
    return section("ledger", "Where the points went", sentences=[about], tables=[found], figures=_waterfall(run))


def _waterfall(run: Run) -> list[Block]:
    if "ledger" not in run.pictures:
        return []
    account = run.json("ledger")
    largest = largest_term(account)
    alt = f"Waterfall from {percent(account['reference']['accuracy'])} to {percent(account['target']['accuracy'])}"
    if largest:
        alt += f"; the largest step is {cause(largest['name'])}, {points(largest['value'])}"
    return [figure("ledger", run.picture("ledger"), alt, f"{upper(alt)}.")]


def largest_term(account: dict[str, Any]) -> dict[str, Any] | None:
    """The term that moves accuracy most in the direction of the gap."""
    sign = 1 if account["gap"]["value"] >= 0 else -1
    found = [term for term in account["terms"] if sign * term["value"] > 0]
    return max(found, key=lambda term: sign * term["value"]) if found else None


def repair_section(run: Run) -> Block | None:
    """The repairs of the target, one at a time."""
    rows = [[repair(rung.name), estimate(*rung[1:4]), rung.adjusted_p, _verdict(rung)] for rung in rungs(run)]
    columns = {"repair": "text", "points regained": "change", "adjusted p": "p", "verdict": "text"}
    about = (
        "Each repair changes the target's features or scores without its labels; p-values are those of McNemar's test, "
        "corrected for the number of repairs (Holm). The last line uses labels and marks what a new head could regain."
    )
    found = table("Repairs of the target, one at a time", columns, rows)
    return section("repairs", "What wins it back", sentences=[about], tables=[found]) if rows else None


def _verdict(rung: Rung) -> str:
    if rung.name == ORACLE:
        return "upper bound"
    if rung.adjusted_p > LEVEL:
        return "may be chance"
    return "regains" if rung.value > 0 else "makes it worse"

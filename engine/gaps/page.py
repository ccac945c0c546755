"""What a run of `gap` has found, as blocks: the verdict, the breakdown, remedies, classes, confusions, features."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gapscope.blocks import Answer, Block, Figure, Heading, Sentence, Table, estimate, of_row
from gapscope.blocks.formats import in_brackets, listed, percent, points, span, upper
from gapscope.core.text import counted
from gapscope.evaluation.accuracy import PAIRED
from gapscope.evaluation.measures import measure_blocks
from gapscope.evaluation.page import BETWEEN, CHANGED, LOST, NEXT, SURE, WHY, between_text, loss_text
from gapscope.gaps.class_page import class_blocks, feature_blocks, fell_more, is_unequal, pair_blocks, unequal_text
from gapscope.gaps.image_page import image_blocks, moved_text, slice_text
from gapscope.gaps.lead import Stated, largest, lead
from gapscope.gaps.sentences import INPUTS
from gapscope.gaps.words import (
    ADVICE,
    GAINED,
    MIX_OR_LABELS,
    NO_CAUSE,
    ORACLE,
    READINGS,
    UNKNOWN_INPUTS,
    UNSEPARATED,
    cause,
    reason,
    remedy,
)
from gapscope.inference import adjusted
from gapscope.runs.run import FIGURES, Run

LEVEL = 0.05
NAMED = 3
# A term of more than this share of the gap is most of it.
MOST = 0.5
# Labels that a repair is tried with where none without labels helps.
FEW_LABELS = 100
NO_REMEDY = "None of the remedies tried here regains anything beyond chance without labels."
# What comes before the command that looks for the cause.
ASK_EXPLAIN = "What happened to the images, or else to their features:"


class Trial(NamedTuple):
    """What a remedy regains; ``adjusted_p`` is Holm's over the remedies that use no labels."""

    name: str
    value: float
    low: float | None
    high: float | None
    adjusted_p: float
    rows: int

    @property
    def above_chance(self) -> bool:
        """Whether it regains something beyond chance."""
        return self.value > 0 and self.adjusted_p <= LEVEL

    @property
    def works(self) -> bool:
        """Whether it does so without labels."""
        return self.name != ORACLE and self.above_chance

    @property
    def verdict(self) -> str:
        """What can be said of it, in a few words."""
        if self.name == ORACLE:
            return "uses labels"
        if self.adjusted_p > LEVEL:
            return "may be chance"
        return "regains" if self.value > 0 else "makes it worse"


def page(run: Run) -> list[Block]:
    """The verdict first; empty for a run without a breakdown."""
    account = run.json("ledger")
    if account is None:
        return []
    return [
        answer(run, account),
        *run.notes,
        *breakdown_blocks(run, account),
        *remedy_blocks(run),
        *class_blocks(run, account),
        *pair_blocks(run, account),
        *feature_blocks(run),
        *image_blocks(run),
        *reason_blocks(run),
        *measure_blocks(run, READINGS),
    ]


def is_significant(account: Mapping[str, Any]) -> bool:
    """Whether the interval of the gap leaves zero out."""
    gap = account["gap"]
    known = gap["low"] is not None and gap["high"] is not None
    return known and not account.get("same") and not gap["low"] <= 0 <= gap["high"]


def headline(account: Mapping[str, Any]) -> str:
    """The verdict in one sentence, without its full stop."""
    reference, target = (account[side]["set"] for side in ("reference", "target"))
    if account.get("same"):
        return f"{reference} and {target} are the same images with the same predictions, so there is no gap to explain"
    if not is_significant(account):
        return f"No loss of accuracy beyond chance from {reference} to {target}"
    verb = "falls" if account["gap"]["value"] > 0 else "rises"
    return f"Accuracy {verb} by {points(account['gap']['value'])} from {reference} to {target}"


def answer(run: Run, account: Mapping[str, Any]) -> Answer:
    """The verdict, and what was lost, between which sets, why, what to do, and how sure that is."""
    sides, gap = (account["reference"], account["target"]), account["gap"]
    sure = is_significant(account)
    advised = [*_remedies_text(run), _advice(account), _commands_text(run, account)]
    fallen = []
    if not sure and fell_more(run, account):
        fallen = [f"No loss was shown as a whole, but {_classes_text(run, account)}", _pair_text(run)]
    parts = {
        LOST: loss_text(gap["value"], gap["low"], gap["high"], *(side["accuracy"] for side in sides)),
        BETWEEN: between_text(account["model"], *((side["set"], side["rows"]) for side in sides)),
        CHANGED: moved_text(run) if sure else "",
        WHY: [_cause_text(account), _classes_text(run, account), slice_text(run), _pair_text(run)] if sure else fallen,
        NEXT: advised if sure and gap["value"] > 0 else ADVICE["class_drop"] if fallen else _nothing_text(account),
        SURE: [_certainty(account, sure=sure), PAIRED if account.get("paired") and not account.get("same") else ""],
    }
    return Answer.of(headline(account), parts)


def _nothing_text(account: Mapping[str, Any]) -> str:
    """What to do where no loss was shown: which is not to say that there is none, unless the interval says so."""
    high, rows = account["gap"]["high"], account["target"]["rows"]
    if account.get("same") or (high is not None and high <= 0):
        return "Nothing: there is no loss to win back."
    size = "" if high is None else f" of up to {points(high)}"
    seen = f"with {counted(rows, 'image')} a loss{size} cannot be excluded"
    return f"Nothing as far as these sets show; {seen}. More labelled images of the target would tell."


def shown_terms(account: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The terms of a breakdown, without those that could not be separated from another."""
    apart = account.get("inputs") in UNSEPARATED
    return [term for term in account["terms"] if not (apart and term["name"] in INPUTS and term["low"] is None)]


def _cause(account: Mapping[str, Any], term: Mapping[str, Any]) -> str:
    if term["name"] == "class_mix" and account.get("mix_or_labels"):
        return MIX_OR_LABELS
    if term["name"] in GAINED and term["high"] is not None and term["high"] < 0:
        return GAINED[term["name"]]
    return cause(term["name"], account.get("inputs", "separated"))


def _stated(account: Mapping[str, Any]) -> list[Stated]:
    ends = ("low", "high")
    return [
        Stated(term["name"], term["value"], *(math.nan if term[end] is None else term[end] for end in ends))
        for term in account["terms"]
    ]


def _term(account: Mapping[str, Any], found: Stated | None) -> Mapping[str, Any] | None:
    return next((term for term in account["terms"] if found and term["name"] == found.name), None)


def largest_term(account: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The term that moves accuracy most in the direction of the gap."""
    return _term(account, largest(_stated(account), account["gap"]["value"]))


def lead_term(account: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The largest such term that is beyond chance, for all that were looked at."""
    return _term(account, lead(_stated(account), account["gap"]["value"]))


def _cause_text(account: Mapping[str, Any]) -> str:
    found, gap = lead_term(account), account["gap"]["value"]
    if found is None:
        return _no_cause_text(account)
    part, share = points(found["value"]), found["value"] / gap
    if share >= 1:
        return f"{upper(_cause(account, found))}, {part}: {found['meaning']}."
    much = "Mostly" if _is_most(found, account["gap"]) else "The largest part beyond chance is"
    most = largest_term(account)
    larger = (
        "" if most is found else f"; larger, but not beyond chance{_corrected(account)}, is {_named(account, most)}"
    )
    return f"{much} {_cause(account, found)}, {part.split()[0]} of the {points(gap)}: {found['meaning']}{larger}."


def _is_most(term: Mapping[str, Any], gap: Mapping[str, Any]) -> bool:
    """Whether a term is more than half of its gap beyond chance, their errors taken to be independent: a gap that moves
    with its term makes the difference surer than that.
    """
    sign = math.copysign(1, gap["value"])
    beyond = sign * (term["value"] - MOST * gap["value"])
    of_term = term["value"] - term["low"] if sign > 0 else term["high"] - term["value"]
    of_gap = gap["high"] - gap["value"] if sign > 0 else gap["value"] - gap["low"]
    return beyond > math.hypot(of_term, MOST * of_gap)


def _no_cause_text(account: Mapping[str, Any]) -> str:
    most = largest_term(account)
    if most is None:
        return ""
    corrected = _corrected(account)
    return f"No single cause stands out beyond chance{corrected}; the largest is {_named(account, most)}."


def _corrected(account: Mapping[str, Any]) -> str:
    looked_at = sum(term["low"] is not None for term in account["terms"])
    return f", corrected for the {looked_at} looked at"


def _named(account: Mapping[str, Any], term: Mapping[str, Any]) -> str:
    return f"{_cause(account, term)}, {of_gap(term)}"


def of_gap(term: Mapping[str, Any]) -> str:
    """The points of a term with their interval."""
    return f"{points(term['value'])}{in_brackets(span(term['low'], term['high']))}"


def _classes_text(run: Run, account: Mapping[str, Any]) -> str:
    fell = fell_more(run, account)
    if not fell and is_unequal(account):
        return unequal_text(run, account)
    if not fell:
        return "No class stands out from the common drop." if account["gap"]["value"] > 0 else ""
    named = [f"{row['class']} ({points(row['shrunk'])})" for row in fell[:NAMED]]
    rest = [row["class"] for row in fell[NAMED:]]
    verb = counted(len(fell), "class falls", "classes fall")
    return f"{verb} by more than the others: {listed([*named, *rest], NAMED)}."


def _pair_text(run: Run) -> str:
    """The confusion that costs most, of those that became more frequent among the rows of their class."""
    rows = {row["class"]: (row["reference_rows"], row["target_rows"]) for row in run.table("classes")}
    pairs = [row for row in run.table("pairs") if row["flagged"] and row["points"] > 0]
    seen = [(row, *rows.get(row["label"], (0, 0))) for row in pairs]
    grown = [one for one in seen if one[0]["target_count"] * one[1] > one[0]["reference_count"] * one[2]]
    if not grown:
        return ""
    worst, before, after = max(grown, key=lambda one: one[0]["points"])
    return (
        f"The confusion that costs most: {worst['label']} predicted as {worst['predicted']}, "
        f"{worst['target_count']:,} of {after:,} instead of {worst['reference_count']:,} of {before:,}."
    )


def trials(run: Run) -> list[Trial]:
    """The remedies that the run tried."""
    rows = {row["metric"].removeprefix("repair_"): row for row in run.headline if row["metric"].startswith("repair_")}
    names = [name for name in rows if not name.endswith("_p_value") and rows[name]["value"] is not None]
    tested = [name for name in names if name != ORACLE]
    p = {name: rows.get(f"{name}_p_value", {}).get("value") for name in names}
    corrected = adjusted(np.array([1.0 if p[name] is None else p[name] for name in tested]), "holm")
    by_name = dict(zip(tested, corrected.tolist(), strict=True)) | {ORACLE: p.get(ORACLE)}
    return [
        Trial(name, *of_row(rows[name]), 1.0 if by_name[name] is None else by_name[name], rows[name]["n"])
        for name in names
    ]


def _remedies_text(run: Run) -> list[str]:
    tried = trials(run)
    without, working = [one for one in tried if one.name != ORACLE], [one for one in tried if one.works]
    sentences = []
    if working:
        best = max(working, key=lambda one: one.value)
        interval = in_brackets(span(best.low, best.high))
        sentences.append(
            f"{upper(remedy(best.name))}: without labels this regains {points(best.value)}{interval} on "
            f"all {counted(best.rows, 'labelled row')} of the target."
        )
    elif without:
        sentences.append(NO_REMEDY)
    bound = next((one for one in tried if one.name == ORACLE), None)
    if bound and bound.above_chance:
        sentences.append(
            f"The best of several heads trained on the target's own labels regains {points(bound.value)}, on rows that "
            "they did not see."
        )
    elif bound and without and not working:
        sentences.append("Neither does the best of several heads trained on the target's own labels.")
    return sentences


def _advice(account: Mapping[str, Any]) -> str:
    found = lead_term(account)
    if account["gap"]["value"] <= 0:
        return ""
    if found is None:
        return NO_CAUSE
    if found["name"] == "novel_x" and account.get("inputs") == "unknown":
        return UNKNOWN_INPUTS
    if found["name"] == "class_mix" and account.get("mix_or_labels"):
        return ADVICE["exchanged_labels"]
    if found["name"] == "common_drop" and is_unequal(account):
        return ADVICE["class_drop"]
    return ADVICE.get(found["name"], "")


def _commands_text(run: Run, account: Mapping[str, Any]) -> str:
    """What says more and what does it; nothing for files of predictions, which have no features."""
    explained = run.manifest.config.get("run")
    if not explained or account["gap"]["value"] <= 0:
        return ""
    sets = ["--reference", account["reference"]["set"], "--target", account["target"]["set"]]
    words = [*sets, *run.kept("model", "backbone")]
    repair = _repair_text(run, account, explained, words) if account.get("linear", True) else ""
    return f"{repair}{ASK_EXPLAIN} {run.command('explain', *words, about=explained)}."


def _repair_text(run: Run, account: Mapping[str, Any], explained: str, words: Sequence[str]) -> str:
    """The command that repairs; with labels where nothing helps without, none where no head helps even with all."""
    tried = trials(run)
    if not tried or any(one.works for one in tried):
        return f"Repair it: {run.command('repair', *words, about=explained)}. "
    if any(one.name == ORACLE and not one.above_chance for one in tried):
        return ""
    rows = min(FEW_LABELS, account["target"]["rows"] // 2)
    repair = run.command("repair", *words, "--label-rows", str(rows), about=explained)
    return f"Whether {counted(rows, 'label')} of the target would help: {repair}. "


def _certainty(account: Mapping[str, Any], *, sure: bool) -> str:
    rows = min(account[side]["rows"] for side in ("reference", "target"))
    if account.get("same"):
        return "Both sets hold the same rows."
    if sure:
        what = "loss" if account["gap"]["value"] > 0 else "gain"
        return f"The {what} is beyond chance: its interval leaves zero out, with {rows:,} images or more on each side."
    return f"Sets of {rows:,} images show a difference of this size by chance."


def breakdown_blocks(run: Run, account: Mapping[str, Any]) -> list[Block]:
    """The terms, which sum to the gap."""
    terms = shown_terms(account)
    rows = [[_cause(account, term), of_row(term)] for term in terms]
    rows.append(["the gap, their sum", of_row(account["gap"])])
    meanings = [[_cause(account, term), upper(term["meaning"])] for term in terms]
    about = (
        "The terms sum to the gap. A term says how accuracy would move if only this differed between the sets; "
        "positive points are accuracy lost."
    )
    return [
        Heading("ledger", "Where the points went"),
        Table(
            "Where the points went, with 95 % intervals",
            {"cause": "text", "points lost": "change"},
            rows,
            headline=True,
            whole=True,
        ),
        Sentence(about + _held(account)),
        Table("What the terms mean", {"cause": "text", "what it means": "text"}, meanings),
        *(Sentence(f"{upper(note).rstrip('.')}.") for note in account["notes"]),
        *_waterfall(run, account),
    ]


def _held(account: Mapping[str, Any]) -> str:
    """What the intervals of the terms about inputs leave out."""
    if account.get("inputs") != "separated":
        return ""
    return " The intervals of X shift, novel X and Y given X hold the classifier of the two sets as it is."


def _waterfall(run: Run, account: Mapping[str, Any]) -> list[Block]:
    if "ledger" not in run.pictures:
        return []
    sure = is_significant(account)
    most = lead_term(account) if sure else None
    alt = f"Waterfall from {percent(account['reference']['accuracy'])} to {percent(account['target']['accuracy'])}; "
    none = f"no {'step' if sure else 'loss'} stands out beyond chance"
    alt += f"the largest step beyond chance is {_cause(account, most)}, {points(most['value'])}" if most else none
    return [Figure("ledger", run.place / FIGURES / "ledger.png", alt, f"{upper(alt)}.")]


def remedy_blocks(run: Run) -> list[Block]:
    """The remedies on the target, one at a time."""
    rows = [[remedy(one.name), estimate(*one[1:4]), one.adjusted_p, one.verdict] for one in trials(run)]
    columns = {"remedy": "text", "points regained": "change", "adjusted p": "p", "verdict": "text"}
    about = (
        "Each remedy changes the target's features or scores without its labels; p-values are those of McNemar's test, "
        "corrected for the number of remedies (Holm). On sets of up to 5,000 rows the intervals include the chance in "
        "fitting the remedy; on larger ones it is held as it is. The last uses labels: the best of several linear "
        "heads, judged on rows that they did not see, says what could be regained by a new head and so many labels."
    )
    caption = "What wins it back: remedies for the target, one at a time"
    return (
        [
            Heading("remedies", "What wins it back"),
            Table(caption, columns, rows, headline=True, whole=True),
            Sentence(about),
        ]
        if rows
        else []
    )


def reason_blocks(run: Run) -> list[Block]:
    """Reason codes of the target's images, by their share of the errors."""
    rows: Sequence[Mapping[str, Any]] = run.json("reasons") or []
    cells = [
        [reason(one["code"]), one["errors"], _share(one["of_errors"]), one["rows"], _share(one["of_rows"])]
        for one in rows
    ]
    columns = {"reason": "text", "errors": "count", "of errors": "share", "images": "count", "of images": "share"}
    about = (
        "An image may have several reasons. A reason has to do with errors where its share of the errors is well above "
        "its share of the images."
    )
    table = Table("Reasons for errors on the target", columns, cells)
    known = run.json("reasons-known") or {}
    sentences = [about, *_precision_text(known.get("precision")), *_left_out_texts(known.get("left_out") or {})]
    return [Heading("reasons", "Reasons"), table, *map(Sentence, sentences)] if cells else []


def _precision_text(precision: float | None) -> list[str]:
    if precision is None:
        return []
    return [
        f"Of the likely label errors about {percent(precision)} are wrong labels, by the second class of a second "
        "opinion; the others are hard images."
    ]


def _left_out_texts(left_out: Mapping[str, str]) -> list[str]:
    """Which reasons are not given, and why."""
    each = [f'"{reason(code)}" ({why})' for code, why in left_out.items()]
    return [f"Reasons that are left out: {'; '.join(each)}."] if each else []


def _share(value: float | None) -> Any:
    return estimate(value)

"""What a run of `explain` adds to the page of a gap, and to that of a forecast, of the same sets."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gapscope.blocks import Answer, Block, Estimate, Heading, Sentence, Table, estimate
from gapscope.blocks.formats import in_brackets, percent, signed, span, upper
from gapscope.causes.page import (
    NO_CURE,
    ask_training,
    best_cure,
    expected_text,
    headline,
    named,
    picture_blocks,
    read_findings,
    why,
)
from gapscope.causes.record import JOB, explanations
from gapscope.causes.words import spoken
from gapscope.evaluation.page import BETWEEN, CHANGED, LOST, NEXT
from gapscope.forecasts.page import page as forecast_page
from gapscope.gaps.page import ASK_EXPLAIN, NO_REMEDY, page
from gapscope.gaps.words import cause as term_words
from gapscope.runs.run import Run

# What both runs have to be about.
SAME = ("reference", "target", "model")
# The term of a breakdown that a cause is a part of.
TERM = "novel_x"


def page_of_forecast(run: Run) -> list[Block]:
    """The page of a forecast with what runs of `explain` beside it forecast for the same sets, by reproduction and by
    distance.
    """
    blocks = forecast_page(run)
    about: dict[tuple, list[str]] = {}
    for other in explanations(run.place.parent):
        said, findings = _forecasts(run, other), read_findings(other)
        if said and findings:
            about.setdefault((findings["model"], findings["target"]), said)
    texts = [text for said in about.values() for text in said]
    return [*blocks[:1], *(Sentence(text, headline=True) for text in texts), *blocks[1:]]


def _forecasts(forecast: Run, explained: Run) -> list[str]:
    """Of one run of `explain`; nothing where it is about other sets or models."""
    findings, config = read_findings(explained), forecast.manifest.config
    models = {row["model"] for row in forecast.headline}
    if not findings or findings["reference"] != config.get("reference") or findings["model"] not in models:
        return []
    if not _is_of_the_same(forecast, explained):
        return []
    if findings["target"] not in (config.get("target") or ()):
        return []
    best = named(findings)
    if best is None or not best["accuracy"]:
        return [expected_text(findings)] if findings.get("expected") else []
    value, interval = best["accuracy"]["value"], span(best["accuracy"]["low"], best["accuracy"]["high"])
    made = (
        f"By reproduction: {findings['model']} classifies {percent(value)}{in_brackets(interval)} of "
        f"{findings['reference']} after {spoken(best)} correctly."
    )
    return [made, *filter(None, [expected_text(findings)])]


def page_of_gap(gap: Run) -> list[Block]:
    """The page of a gap with its cause, where a run beside it has found one."""
    return with_cause(gap, [], page(gap))


def with_cause(gap: Run, runs: Sequence[Run], blocks: Sequence[Block]) -> list[Block]:
    """The `blocks` of a gap with the cause in answer and breakdown: that of one of `runs`, or of a run beside it."""
    found = _explanation(gap, [*runs, *explanations(gap.place.parent)]) if gap.job == "gap" else None
    findings = read_findings(found) if found else None
    places = [place for place, block in enumerate(blocks, 1) if isinstance(block, Answer)]
    if found is None or not findings or not places:
        return list(blocks)
    parts = parts_of(gap, findings)
    images = [block for block in picture_blocks(found, findings) if not isinstance(block, Heading)]
    before, (answer, *rest) = blocks[: places[0] - 1], blocks[places[0] - 1 :]
    return [*before, _answer(answer, found, findings, parts), *images, *(_with_parts(one, parts) for one in rest)]


def _answer(answer: Answer, found: Run, findings: Mapping[str, Any], parts: Mapping[str, Estimate]) -> Answer:
    """The answer of a gap with what changed in the images, and what undoes it."""
    proof = f"{found.command('report')} has the proof."
    cause = named(findings)
    later = dict(answer.parts)
    moved = later.pop(CHANGED, "")
    first = {name: later.pop(name) for name in (LOST, BETWEEN) if name in later}
    advice = re.sub(rf"{re.escape(ASK_EXPLAIN)} `[^`]*`\.", "", later.get(NEXT, "")).strip()
    cure = best_cure(found, findings) if cause else ""
    if cure == NO_CURE and advice.startswith(NO_REMEDY):
        cure = ""  # the remedies that were tried on all rows say the same
    training = ask_training(found, findings) if cause and NO_REMEDY in advice else ""
    caused = why(findings, within=True, compared=not parts) if cause else [moved]
    changed = [f"{headline(findings)}.", *caused, *_split_text(parts), proof]
    return Answer.of(answer.headline, first | {CHANGED: changed} | later | {NEXT: [cure, advice, training]})


def parts_of(gap: Run, findings: Mapping[str, Any]) -> dict[str, Estimate]:
    """What novel X is made of: itself by its name in the tables, what the cause reproduces, and what it leaves; empty
    where nothing is named, or where the breakdown has no such term or one that is smaller than the cause.

    The interval of what is left takes the other two for independent, which makes it wider rather than narrower.
    """
    account, best = gap.json("ledger"), named(findings)
    terms = [term for term in (account or {}).get("terms", ()) if term["name"] == TERM and term["low"] is not None]
    if not terms or best is None or not best["lost"]:
        return {}
    whole, lost = terms[0], best["lost"]
    if lost["low"] > whole["high"]:  # it costs more than the term has, so that it is no part of this term alone
        return {}
    left = whole["value"] - lost["value"]
    reach = sum((one["high"] - one["low"]) ** 2 for one in (whole, lost)) ** 0.5 / 2
    return {
        term_words(TERM, account.get("inputs", "separated")): estimate(whole["value"], whole["low"], whole["high"]),
        spoken(best): estimate(lost["value"], lost["low"], lost["high"]),
        "unexplained": estimate(left, left - reach, left + reach),
    }


def _split_text(parts: Mapping[str, Estimate]) -> list[str]:
    """Such as ``Inputs unlike those of the reference (novel X), 53.1 points = night 50.2 (48.0 to 52.4) + unexplained
    2.9 (-1.0 to 6.8).``
    """
    if not parts:
        return []
    (whole, total), *others = parts.items()
    terms = [f"{name} {_plain(one)}{in_brackets(span(one.low, one.high))}" for name, one in others]
    return [f"{upper(whole)}, {_plain(total)} points = {' + '.join(terms)}."]


def _plain(one: Estimate) -> str:
    """Points with their sign where that is a minus."""
    return signed(one.value or 0.0).split()[0].lstrip("+")


def _with_parts(block: Block, parts: Mapping[str, Estimate]) -> Block:
    """The breakdown with the parts of novel X below it; any other block as it is."""
    if not parts or not isinstance(block, Table) or list(block.columns) != ["cause", "points lost"]:
        return block
    label, *rest = parts
    below = [[f"… of these {name}", parts[name]] for name in rest]
    rows = [row for one in block.rows for row in ([one, *below] if one[0] == label else [one])]
    return replace(block, rows=rows)


def _explanation(gap: Run, runs: Sequence[Run]) -> Run | None:
    """The first that explains the same two sets for the same model."""
    wanted = [gap.manifest.config.get(name) for name in SAME]
    alike = (run for run in runs if [run.manifest.config.get(name) for name in SAME] == wanted)
    return next((run for run in alike if run.job == JOB and _is_of_the_same(gap, run)), None)


def _is_of_the_same(run: Run, explained: Run) -> bool:
    """Whether what was explained, model and sets, is what `run` has read: another training may bear the same name."""
    known = {one.place: one.config_hash for one in run.manifest.inputs}
    return all(one.place in known and one.config_hash in ("", known[one.place]) for one in explained.manifest.inputs)

"""The answer that the page begins with: what was lost, between which sets, why, what to do, and how sure that is."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gapscope.evaluation.accuracy import Loss, Measured, losses, measured
from gapscope.predictions.confusions import confused_pairs, confusion_counts
from gapscope.reports.page.classes import flagged
from gapscope.reports.page.confusions import Held
from gapscope.reports.page.forecasts import is_forecast
from gapscope.reports.page.ledger import ORACLE, cause, largest_term, repair, rungs
from gapscope.reports.page.words import counted, in_brackets, listed, percent, points, set_name, span, upper
from gapscope.runs.run import Run

Lead = dict[str, Any]
LOST, BETWEEN, WHY, DO, SURE = "What was lost", "Between which sets", "Why", "What to do", "How sure"
SEEN, NEXT, WRONG = "What was seen", "What to do next", "What goes wrong"
LINE = "The line of models"
# What helps against each cause, beside the repairs that were tried.
ADVICE = {
    "class_mix": "Weight the evaluation or the classifier by the target's class shares; the model itself is well.",
    "sampling_noise": "Collect more images of each class before acting on single classes.",
    "label_noise": "Correct the labels of the target before changing the model.",
    "x_shift": "Train on more of the inputs that are hard in both sets.",
    "novel_x": "Train on images like the target's: collect some, or imitate them with `train-cnn --modify`.",
    "y_given_x": "Look at the most certain errors: either labels follow other rules, or the features miss what tells.",
    "common_drop": "Look for what changed in all images: resolution, compression, light, preprocessing.",
    "class_drop": "Look at the classes named here and at what they are taken for.",
}
NAMED = 3


def lead_of(run: Run, held: Held) -> Lead:
    """The answer of one run: a headline, and parts with a name and a text each."""
    tell = LEADS.get(run.job, _accuracies)
    return tell(run, held) or _accuracies(run, held) or _nothing(run)


def _lead(headline: str, parts: Mapping[str, Sequence[str]]) -> Lead:
    told = {name: " ".join(one for one in texts if one) for name, texts in parts.items()}
    return {"headline": headline, "parts": [{"name": name, "text": text} for name, text in told.items() if text]}


def _nothing(run: Run) -> Lead:
    return _lead(f"{upper(run.job)}: {counted(len(run.headline), 'number')} measured", {})


def _gap(run: Run, held: Held) -> Lead | None:
    account = run.json("ledger")
    if account is None:
        return None
    gap, sides = account["gap"], (account["reference"], account["target"])
    sure = gap["low"] is not None and (gap["low"] > 0 or gap["high"] < 0)
    parts = {
        LOST: [_lost_text(account)],
        BETWEEN: [_between(account["model"], *((side["set"], side["rows"]) for side in sides))],
        WHY: [_cause_text(account), *_classes_text(run), _pair_text(run)] if sure else [],
        DO: [*_repairs_text(run), _advice(account)] if sure else ["Nothing: there is no loss to win back."],
        SURE: [_certainty(account, sure=sure)],
    }
    return _lead(_gap_headline(account, sure=sure), parts)


def _gap_headline(account: Mapping[str, Any], *, sure: bool) -> str:
    reference, target = (account[side]["set"] for side in ("reference", "target"))
    if not sure:
        return f"No loss beyond chance from {reference} to {target}"
    verb = "falls" if account["gap"]["value"] > 0 else "rises"
    return f"Accuracy {verb} by {points(account['gap']['value'])} from {reference} to {target}"


def _lost_text(account: Mapping[str, Any]) -> str:
    gap, before, after = account["gap"], account["reference"]["accuracy"], account["target"]["accuracy"]
    direction = "lost" if gap["value"] >= 0 else "won"
    known = in_brackets(span(gap["low"], gap["high"]))
    return f"{points(gap['value'])} of accuracy {direction}{known}: {percent(before)} became {percent(after)}."


def _between(model: str, *sets: tuple[str, int]) -> str:
    told = " and ".join(f"{name} ({counted(n, 'image')})" for name, n in sets)
    return f"{told}, as {model} answers them."


def _cause_text(account: Mapping[str, Any]) -> str:
    largest = largest_term(account)
    if largest is None:
        return ""
    part, whole = points(largest["value"]), points(account["gap"]["value"])
    share = f"all of the {whole}" if part == whole else f"{part} of the {whole}"
    return f"{'Only' if part == whole else 'Mostly'} {cause(largest['name'])}, {share}: {largest['meaning']}."


def _classes_text(run: Run) -> list[str]:
    fell = flagged([row for row in run.table("classes") if "shrunk" in row])
    if not fell:
        return ["No class stands out from the common drop."]
    named = [f"{row['class']} ({points(row['shrunk'])})" for row in fell[:NAMED]]
    rest = [row["class"] for row in fell[NAMED:]]
    return [f"{counted(len(fell), 'class falls', 'classes fall')} by more than the others: {listed([*named, *rest])}."]


def _pair_text(run: Run) -> str:
    pairs = [row for row in run.table("pairs") if row["flagged"] and row["points"] > 0]
    if not pairs:
        return ""
    worst = max(pairs, key=lambda row: row["points"])
    counts = f"{worst['target_count']:,} times instead of {worst['reference_count']:,}"
    return f"The confusion that costs most: {worst['label']} taken for {worst['predicted']}, {counts}."


def _repairs_text(run: Run) -> list[str]:
    tried = rungs(run)
    found = [rung for rung in tried if rung.works]
    told = []
    if found:
        best = max(found, key=lambda rung: rung.value)
        known = in_brackets(span(best.low, best.high))
        told = [f"{upper(repair(best.name))}: without labels this regains {points(best.value)}{known}."]
    elif tried:
        told = ["No repair without labels regains anything beyond chance."]
    oracle = next((rung for rung in tried if rung.name == ORACLE and rung.value > 0), None)
    return told + ([f"With labels of the target a new head could regain {points(oracle.value)}."] if oracle else [])


def _advice(account: Mapping[str, Any]) -> str:
    largest = largest_term(account)
    return ADVICE.get(largest["name"], "") if largest and account["gap"]["value"] > 0 else ""


def _certainty(account: Mapping[str, Any], *, sure: bool) -> str:
    rows = min(account[side]["rows"] for side in ("reference", "target"))
    if sure:
        return f"The loss is beyond chance: its interval leaves zero out, with {rows:,} images or more on each side."
    return f"Sets of {rows:,} images show a difference of this size by chance."


def _accuracies(run: Run, held: Held) -> Lead | None:
    """The largest loss where a model has met several sets, else how accurate the best model is."""
    rows = [one for one in measured(run) if one.against and one.n]
    if not rows:
        return None
    best = max(rows, key=lambda one: one.value)
    fallen = losses(one for one in rows if one.model == best.model and one.run == best.run)
    return _fallen(run, max(fallen, key=lambda one: one.value), held) if fallen else _single(run, best, rows, held)


def _fallen(run: Run, one: Loss, held: Held) -> Lead:
    sides = (one.reference, one.target)
    between = [_between(one.target.model, *((side.set, side.n) for side in sides))]
    values = f"{percent(one.reference.value)} became {percent(one.target.value)}"
    known = in_brackets(span(one.low, one.high))
    lost = f"{points(one.value)} of accuracy {'lost' if one.value >= 0 else 'won'}{known}: {values}."
    errors = _errors_text(held, one.target.set)
    sure = [_surely(one), "It takes the images of the two sets as independent."]
    if not one.sure:
        level = f"{one.target.model} is right about {percent(one.target.value)} of {one.target.set}"
        headline = f"{level}, no less than of {one.reference.set} beyond chance"
        return _lead(headline, {LOST: [lost], BETWEEN: between, WRONG: errors, SURE: sure})
    verb = "loses" if one.value > 0 else "gains"
    headline = f"{one.target.model} {verb} {points(one.value)} from {one.reference.set} to {one.target.set}"
    why = [*errors, "Why accuracy differs, a run of `gap` tells."]
    do = [f"Split the loss into its causes: {_command(run, one)}"]
    return _lead(headline, {LOST: [lost], BETWEEN: between, WHY: why, DO: do, SURE: sure})


def _surely(one: Loss) -> str:
    if one.low is None:
        return "The results give no interval for one of the accuracies."
    told = "leaves zero out, so the difference is beyond chance" if one.sure else "holds zero, so it may be chance"
    return f"The 95 % interval of the loss {told}."


def _command(run: Run, one: Loss) -> str:
    words = ["python", "cli.py", "gap", str(run.place), "--reference", one.reference.set, "--target", one.target.set]
    return f"`{shlex.join(words)}`"


def _single(run: Run, best: Measured, rows: Sequence[Measured], held: Held) -> Lead:
    known = in_brackets(span(best.low, best.high))
    others = len({one.model for one in rows}) - 1
    among = f", the best of {others + 1} models" if others else ""
    images = counted(best.n, "image")
    parts = {
        SEEN: [f"{percent(best.value)} of {images} of {best.set} are answered rightly{known}{among}."],
        WRONG: _errors_text(held, best.set),
        NEXT: ["One set shows no gap. Evaluate the model on a second one, then let `gap` compare the two."],
        SURE: [f"The interval is for images like these {images}, and says nothing about others."],
    }
    return _lead(f"{best.model} is right about {percent(best.value)} of {best.set}", parts)


def _errors_text(held: Held, where: str) -> list[str]:
    """The confusions that take most images of their class."""
    said = next((said for name, said in held if name == where), None)
    pairs = [] if said is None else confused_pairs(said.class_names, confusion_counts(said), NAMED)
    named = [f"{one.true} predicted as {one.predicted} ({percent(one.share)} of its images)" for one in pairs]
    return [f"Most frequent errors: {listed(named)}."] if named else []


def _compared(run: Run, held: Held) -> Lead | None:
    rows = [row for row in run.table("differences") if "one" in row]
    if not rows:
        return None
    largest = max(rows, key=lambda row: abs(row["value"]))
    names = (largest["one"], largest["other"])
    better, worse = names if largest["value"] > 0 else names[::-1]
    known = in_brackets(span(*sorted(abs(largest[end]) for end in ("low", "high"))))
    sure = sum(row["adjusted_p"] <= 0.05 for row in rows)
    parts = {
        SEEN: [f"{better} is right about {points(largest['value'])} more of {set_name(largest)} than {worse}{known}."],
        SURE: [f"{sure} of {counted(len(rows), 'difference')} {'is' if sure == 1 else 'are'} beyond chance on the same "
               f"{counted(largest['n'], 'image')} (McNemar's test, corrected for their number)."],
    }  # fmt: skip
    told = "beats" if largest["adjusted_p"] <= 0.05 else "is not told from"
    return _lead(f"{better} {told} {worse} on {set_name(largest)}, by {points(largest['value'])}", parts)


def _shift(run: Run, held: Held) -> Lead | None:
    verdicts = [one for one in run.json("verdicts") or [] if one["class_name"] is None]
    if not verdicts:
        return None
    told = {one["statistic"]: f"{upper(one['sentence']).rstrip('.')}." for one in reversed(verdicts)}
    tested = [one for one in verdicts if one["p"] is not None]
    differ = any(one["p"] <= 0.05 for one in tested)
    sets = " and ".join(dict.fromkeys(one["target"] for one in verdicts))
    order = ("c2st_accuracy", "mmd", "mean_shift", "class_mean_shift", "ks_max", "precision", "recall")
    shown = [told[name] for name in order if name in told] or list(told.values())[:NAMED]
    verb = "lie apart from" if differ else "are not told from"
    reference = verdicts[0]["reference"]
    parts = {
        SEEN: shown[:NAMED],
        NEXT: ["A shift need not cost accuracy: `gap` tells how much of it does."],
        SURE: [f"{sum(one['p'] <= 0.05 for one in tested)} of {counted(len(tested), 'test')} see a difference at 5 %."],
    }
    return _lead(f"The features of {sets} {verb} those of {reference}", parts)


def _forecast(run: Run, held: Held) -> Lead | None:
    rows = [row for row in run.headline if is_forecast(row["metric"]) and row["value"] is not None]
    if not rows:
        return None
    spans: dict[str, list[float]] = {}
    for row in rows:
        spans.setdefault(set_name(row), []).append(row["value"])
    told = [f"{name}: {percent(min(found))} to {percent(max(found))}." for name, found in spans.items()]
    truth = {set_name(row): row["value"] for row in run.of_metric("accuracy")}
    known = [f"{name} in truth {percent(value)}." for name, value in truth.items() if name in spans]
    parts = {
        SEEN: [f"By {counted(len({row['metric'] for row in rows}), 'method')}:", *told],
        SURE: [*known, "Where methods disagree, none should be trusted without some labels."],
    }
    low, high = (end(row["value"] for row in rows) for end in (min, max))
    return _lead(f"Accuracy without labels: {percent(low)} to {percent(high)} on {listed(list(spans))}", parts)


# By job, in the order in which they speak where a page has several runs.
LEADS: Mapping[str, Callable[[Run, Held], Lead | None]] = {
    "gap": _gap,
    "compare": _compared,
    "fit-incremental": _accuracies,
    "tune": _accuracies,
    "train-cnn": _accuracies,
    "evaluate": _accuracies,
    "predict": _accuracies,
    "shift": _shift,
    "forecast": _forecast,
}

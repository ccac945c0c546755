"""What a run of `explain` has found, as blocks: the cause in words, its proof, the attributes that moved, images."""

from collections.abc import Mapping, Sequence
from typing import Any

from scipy.special import ndtri

from gapscope.attributes import ATTRIBUTES as KNOWN
from gapscope.attributes.moved import Moved, beyond_chance
from gapscope.blocks import Answer, Block, Estimate, Figure, Heading, Sentence, Table, estimate
from gapscope.blocks.blocks import Cell
from gapscope.blocks.formats import in_brackets, listed, p_value, percent, points, span, upper
from gapscope.causes.proof import FELT, least_of
from gapscope.causes.record import ATTRIBUTES, CAUSES, FINDINGS
from gapscope.causes.words import reproduced, severity, specification, spoken, title
from gapscope.core.text import counted
from gapscope.evaluation.accuracy import Measured, loss, losses
from gapscope.evaluation.page import BETWEEN, LOST, NEXT, SURE, WHY, between_text, loss_text
from gapscope.probes import PROBES
from gapscope.runs.run import FIGURES, Run

Row = Mapping[str, Any]
NAMED = 3
SHARES = ("explained", "felt")
PICTURE, CURES = "cause", "cures"
NO_CURE = (
    "None of the remedies brings anything back beyond chance, corrected for their number, on this sample; more images "
    "show smaller gains."
)
NO_SHIFT = "No shift {} beyond chance, so there is nothing to explain"


def page(run: Run) -> list[Block]:
    """The answer first; empty for a run that has none."""
    findings = read_findings(run)
    if findings is None:
        return []
    return [
        answer(run, findings),
        *run.notes,
        *picture_blocks(run, findings),
        *cure_blocks(run, findings),
        *cause_blocks(run, findings),
        *attribute_blocks(run),
    ]


def read_findings(run: Run) -> Row | None:
    """What the run has found; shares explained, which are estimates and come out above 1 by chance, are 1 then."""
    findings = run.json(FINDINGS)
    return findings and {**findings, "proofs": [{**one, **_at_most_all(one)} for one in findings["proofs"]]}


def _at_most_all(proof: Row) -> Row:
    return {name: {side: min(value, 1.0) for side, value in proof[name].items()} for name in SHARES if proof[name]}


def named(findings: Row) -> Row | None:
    """The best cause, where it explains enough to be named."""
    best = findings["proofs"][0] if findings["proofs"] else None
    return best if best and best["named"] else None


def headline(findings: Row) -> str:
    """The finding in one sentence, without its full stop."""
    between = f"from {findings['reference']} to {findings['target']}"
    if not findings["beyond_chance"]:
        return NO_SHIFT.format(between)
    cause = named(findings)
    if cause is None:
        return _unproven(findings, between)
    others = [spoken(one) for one in rivals(findings) if one["family"] != cause["family"]]
    if others:
        both = f"{spoken(cause)} as well as by {listed(others)}"
        return f"The shift {between} is explained by {both}, and these images cannot tell which it is"
    if cause["complete"]:
        return f"The cause of the shift {between} is {title(cause)}"
    return f"The known cause nearest to the shift {between} is {title(cause)}, and it is not all"


def _unproven(findings: Row, between: str) -> str:
    """How much the best of the known causes explains, what speaks against it, or that the images are too few to say."""
    first = findings["proofs"][0]
    if first.get("enough"):
        return f"No known cause explains the shift {between}: {_denied(first)}"
    best = max(findings["proofs"], key=lambda one: one["explained"]["value"])
    value, low, high = (max(best["explained"][name], 0.0) for name in ("value", "low", "high"))
    if value < least_of(best["name"]):
        most = f"at most {percent(value)} of it is explained, by {best['name']}"
        return f"No known cause explains the shift {between}: {most}"
    if best["felt"] and best["felt"]["value"] < FELT:
        return (
            f"No known cause explains the shift {between}: {best['name']} brings the looks of the images nearest, and "
            f"what the network sees of them by {percent(max(best['felt']['value'], 0.0))} only"
        )
    return (
        f"No cause of the shift {between} is proven by so few images: {best['name']} is nearest, and explains anything "
        f"from {percent(low)} to {percent(high)} of it"
    )


def _denied(proof: Row) -> str:
    """What speaks against a cause that explains enough."""
    if proof["against"]:
        same = listed([spoken(proof), *proof["against"]])
        return f"{same} explain as much of it and have nothing in common, which is so where images show something else"
    share, further = percent(proof["explained"]["value"]), listed([KNOWN[name].label for name in proof["away"]])
    return f"{spoken(proof)} explains {share} of it, and takes {further} further from the target"


def answer(run: Run, findings: Row) -> Answer:
    """The cause, what was lost, what proves it, what to do, and how sure that is."""
    parts = {
        LOST: lost_text(run, findings),
        BETWEEN: between_text(findings["model"], *sizes(findings)) if findings["model"] else "",
        WHY: [*why(findings), *(f"{one.sentence}." for one in _telling(attributes(run)))],
        NEXT: _next(run, findings),
        SURE: _sure(findings),
    }
    return Answer.of(headline(findings), parts)


def sizes(findings: Row) -> list[tuple[str, int]]:
    """The two sets, with how many images of each were looked at."""
    return list(zip((findings["reference"], findings["target"]), findings["rows"], strict=True))


def lost_text(run: Run, findings: Row) -> str:
    """How much accuracy fell; nothing without labels of both sets."""
    before, after = findings["accuracies"]
    if not before or not after:
        return ""
    sets, rows = (findings["reference"], findings["target"]), findings.get("labelled") or findings["rows"]
    counted_images = zip(sets, (before["value"], after["value"]), rows, strict=True)
    sides = [Measured.of_count(findings["model"], *one, against=sets[0]) for one in counted_images]
    lost = next(iter(losses(sides, run.beside)), loss(*sides))  # none of a set and itself
    text = loss_text(lost.value, lost.low, lost.high, before["value"], after["value"])
    more = "" if run.is_answered("gap", *sets) else "; `gap` measures all images"
    return f"{text} This is of a sample{more}." if _sampled(findings) else text


def _sampled(findings: Row) -> bool:
    """Whether it saw a part of the images alone."""
    return bool(findings.get("of", findings["rows"]) != findings["rows"])


def why(findings: Row, *, within: bool = False, compared: bool = True) -> list[str]:
    """What the cause explains, what it does to accuracy, and what it leaves; empty where none is named.

    `within` the answer of another run, the size of the sample is said; `compared` sets the cost beside what was lost.
    """
    cause = named(findings)
    if cause is None:
        return []
    value, low, high = (cause["explained"][name] for name in ("value", "low", "high"))
    share = f"{percent(value)} of the distance between the sets{in_brackets(span(low, high))}"
    verb = "explain" if "+" in cause["name"] else "explains"
    first = f"{upper(spoken(cause))} {severity(cause)} {verb} {share}, by features and looks, not accuracy."
    sample = "on a sample of {:,} and {:,} images, ".format(*findings["rows"]) if within and _sampled(findings) else ""
    made = reproduced(cause, findings["accuracies"], sample, compared=compared)
    return [first, _unnoticed(findings, cause), made, *_rest(cause)]


def _unnoticed(findings: Row, cause: Row) -> str:
    """That the network sees next to nothing of the shift, where that is so."""
    if cause["felt"]:
        return ""
    p = p_value(findings["by_chance"][0]["p"])
    return f"It shows in how the images look; the network's features alone differ no more than by chance (p {p})."


def _rest(cause: Row) -> list[str]:
    """What the cause leaves unexplained."""
    if cause["complete"]:
        return []
    if cause["auc"] <= cause["inseparable"]:
        return ["It is not all, and no other known cause adds to it."]
    return [
        "It is not all: modified images and the target's can still be distinguished (area under the curve "
        f"{cause['auc']:.2f}), by something that no known cause adds."
    ]


def rivals(findings: Row) -> list[Row]:
    """Causes that the images cannot distinguish from the best one."""
    best, *others = findings["proofs"]
    return [one for one in others if one["rival"] and one["named"] and "+" not in best["name"]]


def _next(run: Run, findings: Row) -> list[str]:
    cause = named(findings)
    if cause is None:
        return ["Look at the images: `explore` shows those that moved."] if findings["beyond_chance"] else []
    told = [f"{upper(text)}." for one in _best_cures(run) if (text := commands(run, findings, one))]
    return [best_cure(run, findings), *told, ask_training(run, findings)]


def ask_training(run: Run, findings: Row) -> str:
    """The commands that train on images after the cause, where no remedy is known to help; empty for functions."""
    training = "" if _best_cures(run) else _training(run, findings)
    return f"Whether training on images after the cause helps: {training}." if training else ""


def best_cure(run: Run, findings: Row) -> str:
    """The remedies that bring most back beyond chance, without labels and with them; that none does; nothing where
    there are no labels to say it.
    """
    if best := _best_cures(run):
        return " ".join(upper(_brought_back(findings, one)) for one in best)
    if works := _working_cures(run):
        best_one = max(works, key=lambda one: one["back"]["value"] - _price(one))
        return (
            f"No remedy brings back more than it costs on {findings['reference']}: {_brought_back(findings, best_one)}"
        )
    return NO_CURE if any(one["back"] for one in run.json(CURES) or []) else ""


def _price(one: Row) -> float:
    """What a remedy loses on the reference."""
    return -one["cost"]["value"] if one["cost"] else 0.0


def _working_cures(run: Run) -> list[Row]:
    """The remedies that bring something back beyond chance."""
    tried = [one for one in run.json(CURES) or [] if one["back"]]
    return [one for one in tried if _is_beyond_chance(one["back"], len(tried))]


def _best_cures(run: Run) -> list[Row]:
    """The remedy without labels and the one of all that bring most back, of those that bring more than they cost."""
    worth = [one for one in _working_cures(run) if one["back"]["value"] > _price(one)]
    free = [one for one in worth if not one["labels"]]
    best = [max(some, key=lambda one: one["back"]["value"]) for some in (free, worth) if some]
    return best if len(best) < 2 or best[0] is not best[1] else best[:1]


def _is_beyond_chance(back: Row, tried: int) -> bool:
    """Whether a gain is above zero in the interval that holds for all of so many remedies (Bonferroni)."""
    reach = (back["value"] - back["low"]) * float(ndtri(1 - 0.025 / tried) / ndtri(0.975))
    return bool(back["value"] > reach)


def _brought_back(findings: Row, one: Row) -> str:
    labels = f" with {counted(one['labels'], 'label')}" if one["labels"] else ""
    back = f"{points(one['back']['value'])}{in_brackets(span(one['back']['low'], one['back']['high']))}"
    judged = f", judged on {counted(one['judged'], 'image')} that it was not fitted to," if one.get("judged") else ""
    price = _price(one)
    cost = f" and {'costs' if price > 0 else 'wins'} {points(price)} on {findings['reference']}" if price else ""
    return f"{one['words']}: this brings back {back}{labels}{judged if cost else judged.removesuffix(',')}{cost}."


def cure_blocks(run: Run, findings: Row) -> list[Block]:
    """Every remedy with what it brings back and its price."""
    rows = run.json(CURES) or []
    columns = {
        "remedy": "text",
        "points back": "change",
        "points on the reference": "change",
        "labels": "count",
        "seconds": "number",
    }
    about = Sentence(
        "Each remedy was fitted to one half of the sample, or its strength chosen by it, and judged on the other; more "
        "images do better. The one that brings most back was picked among them, and looks rather better than it is. "
        "Seconds are those of the sample."
    )
    if not rows:
        return []
    caption = "What to do: remedies for this cause, with 95 % intervals"
    best = _best_cures(run)
    how = [(one, commands(run, findings, one)) for one in rows]
    return [
        Heading("cures", "What to do"),
        Table(caption, columns, [_cure(one) for one in rows], headline=True, whole=True),
        *(Sentence(f"To {one['words']}: {text}", headline=one not in best) for one, text in how if text),
        about,
    ]


def _cure(one: Row) -> list[Cell]:
    measures = [estimate_of(one[name]) for name in ("back", "cost")]
    return [one["words"], *measures, one["labels"], round(one["seconds"], 1)]


def commands(run: Run, findings: Row, one: Row) -> str:
    """What applies a remedy, as a sentence; empty for what stands in no command."""
    sets = ["--reference", findings["reference"], "--target", findings["target"], *run.kept("model", "backbone")]
    labels = ["--label-rows", str(one["labels"])] if one["name"] == "labels" else []
    repair = run.command("repair", *sets, *labels, about=run.manifest.config["run"])
    if one["name"] == "train":
        return f"with the images of this sample, {repair}; or with all, {_training(run, findings)}"
    return repair if one["name"] in ("align", "labels") else ""


def _training(run: Run, findings: Row) -> str:
    """How the training sets are made after the cause too, and trained on; without their names, how images are made."""
    cause = named(findings)
    modified = specification(cause) if cause else ""
    if not modified:
        return ""
    features, places = findings.get("extract", ()), findings.get("places", {})
    trained = findings.get("trained", ())
    if not trained:
        dataset = findings["reference"].rpartition("/")[0]
        return run.command("extract", *features, about=f"{places.get(dataset, dataset)}+{modified}")
    parts = [name.rpartition("/") for name in trained]
    made = [
        run.command("extract", "--split", split, *features, about=f"{places.get(dataset, dataset)}+{modified}")
        for dataset, _, split in parts
    ]
    both = [*trained, *(f"{dataset}+{modified}/{split}" for dataset, _, split in parts)]
    kind = ["--model", findings["model"]] if findings["model"] in PROBES else []
    words = [*both[1:], *kind, "--evaluate", findings["reference"], findings["target"], *run.kept("backbone")]
    return ", then ".join([*made, run.command("fit-incremental", *words, about=both[0])])


def _sure(findings: Row) -> list[str]:
    """By which images it was chosen and proven, and what else it may be."""
    p = chance_text(findings)
    if not findings["proofs"]:
        return [p]
    chosen, rows = findings["half"], findings["rows"][0]
    halves = (
        f"Causes were chosen by {counted(chosen, 'image')} of the reference and proven on the other {rows - chosen:,}."
    )
    cause = named(findings)
    if cause is None:
        return [p, halves]
    auc = (
        f"A classifier distinguishes the target from plain images with an area under the curve of "
        f"{findings['auc']:.2f}, and from modified ones with {cause['auc']:.2f}; 0.5 is chance."
    )
    same = [one["name"] for one in rivals(findings)]
    expected = expected_text(findings) if not findings["accuracies"][1] else ""
    other = f"It cannot be distinguished from {listed(same)} by these images." if same else ""
    return [p, halves, auc, other, expected]


def expected_text(findings: Row) -> str:
    """What the distance alone lets expect of the target; nothing where it lets expect nothing."""
    one = findings.get("expected")
    if not one:
        return ""
    return (
        f"The distance of the two sets alone lets {findings['model']} be expected to classify {percent(one['value'])} "
        f"({span(one['low'], one['high'])}) of {findings['target']} correctly, learnt from {one['sets']} modified sets "
        "of the reference."
    )


def chance_text(findings: Row) -> str:
    """Whether the sets differ beyond chance."""
    which = "beyond" if findings["beyond_chance"] else "within"
    p = p_value(findings["chance"]) if findings["chance"] > 0.001 else "< 0.001"
    return f"The distance of the two sets is {which} chance (p {p})."


def picture_blocks(run: Run, findings: Row) -> list[Block]:
    """The four columns of images."""
    cause = named(findings)
    if PICTURE not in run.pictures or cause is None:
        return []
    alt = (
        f"Images of {findings['reference']}, the same under {spoken(cause)}, images of {findings['target']}, and "
        "those of them whose features are nearest to the second column"
    )
    figure = Figure(PICTURE, run.place / FIGURES / f"{PICTURE}.png", alt, f"{alt}.")
    return [Heading("images", "Reference, under the cause, and target"), figure]


def cause_blocks(run: Run, findings: Row) -> list[Block]:
    """The proofs, and all causes that were tried."""
    if not findings["proofs"]:
        return []
    table = Table(
        "The best causes, on images that they were not chosen by",
        {
            "cause": "text",
            "family": "text",
            "severity": "text",
            "explained": "share",
            "of the features": "share",
            "AUC left": "number",
            "accuracy": "share",
        },
        [_proof(one) for one in findings["proofs"]],
        headline=True,
        whole=True,
    )
    about = (
        "Each cause was applied to images of the reference. Explained is the share of the distance to the target "
        "(squared MMD of features and of attributes of the images, chance taken out) that this takes away; of the "
        "features, the same without the attributes; more than 100 %, which chance gives, is written as 100 %. AUC left "
        "is how well a classifier of the features still tells the two, 0.5 for not at all. A cause is named from two "
        "thirds on, two together from five sixths and three from eleven twelfths, with an interval above half of that, "
        "unless the features exclude it, and complete from 80 % on with an AUC of 0.6 or less."
    )
    return [Heading("causes", "Causes, applied to the reference"), table, Sentence(about), *_tried(run)]


def _proof(one: Row) -> list[Cell]:
    return [
        spoken(one),
        one["family"],
        severity(one).removeprefix("at ").removeprefix("severity "),
        estimate_of(one["explained"]),
        estimate_of(one["felt"]),
        round(one["auc"], 2),
        estimate_of(one["accuracy"]),
    ]


def estimate_of(measure: Row | None) -> Estimate | None:
    """A measure of the findings as a cell."""
    return estimate(measure["value"], measure["low"], measure["high"]) if measure else None


def _tried(run: Run) -> list[Block]:
    rows = [
        [one["name"], one["family"], estimate(min(one["explained"], 1.0)), one["images"]] for one in run.table(CAUSES)
    ]
    columns = {"cause": "text", "family": "text", "explained": "share", "images": "count"}
    few = Sentence("Causes that could not win were dropped after few images; their shares are rough.")
    caption = f"All {counted(len(rows), 'cause')} that were tried, on the images that they were chosen by"
    heading = Heading("tried", "All causes that were tried", folded=True)
    return [heading, Table(caption, columns, rows), few] if rows else []


def attributes(run: Run) -> list[Moved]:
    """The attributes of the two sets, those that moved most first."""
    return [Moved(**row) for row in run.table(ATTRIBUTES)]


def _telling(moved: Sequence[Moved]) -> list[Moved]:
    """Those that moved most beyond chance, one of tones, colours, texture and files each: others of a kind go along."""
    kinds: dict[str, Moved] = {}
    for one in beyond_chance(moved):
        kinds.setdefault(KNOWN.targets[one.name].partition(":")[0], one)
    return list(kinds.values())[:NAMED]


def attribute_blocks(run: Run) -> list[Block]:
    """What is different about the images, in numbers that people understand."""
    rows = [_attribute(one) for one in attributes(run)]
    columns = {
        "attribute": "text",
        "reference": "text",
        "target": "text",
        "unit": "text",
        "target above": "share",
        "adjusted p": "p",
    }
    caption = "Attributes: medians, and how often an image of the target has more than one of the reference"
    about = Sentence("50 % would be no difference; p-values are corrected for all attributes (Holm).")
    heading = Heading("attributes", "What is different about the images")
    return [heading, Table(caption, columns, rows, headline=True), about] if rows else []


def _attribute(one: Moved) -> list[Cell]:
    attribute = KNOWN[one.name]
    above = estimate(one.above, one.low, one.high)
    return [attribute.label, attribute.show(one.reference), attribute.show(one.target), attribute.unit, above, one.p]

"""The page of a study of augmentation: what helps a small, imbalanced set, and whether synthetic images do."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gapscope.blocks import Answer, Block, Heading, Sentence, Table, estimate
from gapscope.blocks.formats import cell_text, listed, percent, points, upper
from gapscope.core.text import counted
from gapscope.runs.run import Run
from gapscope.studies.augmentation.findings import AUGMENTATION, FIRST, HEADLINE, REFITTED, by_headline, is_sure
from gapscope.studies.augmentation.measures import MEASURES
from gapscope.studies.augmentation.predictions import BOTH, FEATURES, HEAD, REMEDY, SYNTHETIC
from gapscope.studies.augmentation.synthetic_sets import SHEET
from gapscope.studies.changes import at, signed_points, verdict
from gapscope.studies.modifications.page import over
from gapscope.studies.saved import figures_of, findings_of

Findings = Mapping[str, Any]
RANKED = ("accuracy", HEADLINE, "rare_recall", "common_recall")
OTHERS = ("macro_precision", "macro_recall", "weighted_precision", "weighted_recall", "weighted_f1")
CHECKS = {
    "kid": "KID",
    "precision": "precision",
    "recall": "recall",
    "class_agreement": "class agreement",
    "copies_of_training": "copies of training",
}


def title(findings: Findings) -> str:
    """That of the page."""
    return f"{findings['dataset']}: what helps a small, imbalanced set"


def page(run: Run) -> list[Block]:
    """The page of a finished run."""
    findings = findings_of(run)
    sections = (ranking_blocks, measure_blocks, added_blocks, class_blocks, set_blocks, limit_blocks, method_blocks)
    return [answer(findings), *(block for section in sections for block in section(findings, run))]


def answer(findings: Findings) -> Answer:
    """Where it starts, what helps most, and what augmentation, synthetic images and synthetic features do."""
    others = [row for row in by_headline(findings) if row != FIRST]
    sure = [row for row in others if is_sure(findings, "gained", row) > 0]
    hurt = [row for row in others if is_sure(findings, "gained", row) < 0]
    parts = {
        "Without anything": f"{findings['network']} trained on the original images as they are reaches a macro F1 of "
        f"{percent(_score(findings, FIRST))} on {findings['images']:,} test images.",
        "What helps": [_gains(findings, others, sure), _augmentation(findings)],
        "What does not": f"Worse than nothing beyond chance: {_changes(findings, 'gained', hurt)}." if hurt else "",
        "Synthetic images": [_synthetic(findings), _beyond(findings), _empty(findings)],
        "Synthetic features": [_heads(findings), _features(findings)],
        "How sure": f"{len(sure)} of {counted(len(others), 'training')} gain beyond chance, all tested together. "
        f"{upper(over(findings['seeds']))}.",
    }
    return Answer.of(_headline(findings, others, sure), parts)


def _score(findings: Findings, row: int) -> float:
    return findings["scores"]["value"][row, findings["measures"].index(HEADLINE)]


def _change(findings: Findings, side: str, row: int, measure: str = HEADLINE):
    return at(findings[side], (row, findings["measures"].index(measure)))


def _changes(findings: Findings, side: str, rows: Sequence[int]) -> str:
    named = [f"{findings['trainings'][row]} {cell_text(_change(findings, side, row), 'change')}" for row in rows]
    return f"{listed(named, len(named))} points"


def _headline(findings: Findings, others: Sequence[int], sure: Sequence[int]) -> str:
    reached = percent(_score(findings, FIRST))
    if not others:
        return f"Nothing else was tried; macro F1 without anything is {reached}"
    if not sure:
        return f"Nothing that was tried helps beyond chance; macro F1 without anything is {reached}"
    best = sure[0]
    gain = points(_change(findings, "gained", best).value)
    return f"{findings['trainings'][best]} helps most: {gain} of macro F1 over {reached}{_none_of_it(findings, best)}"


def _none_of_it(findings: Findings, row: int) -> str:
    """Of a training with something synthetic, that this is not what helps, as the end of a sentence."""
    sides = {FEATURES: ("over_head", REFITTED, "features"), BOTH: ("beyond", AUGMENTATION, "images")}
    side, without, what = sides.get(findings["kinds"][row], ("", "", ""))
    if not side or without not in findings["trainings"] or is_sure(findings, side, row):
        return ""
    return f", and the synthetic {what} in it nothing beyond chance over {without}"


def _gains(findings: Findings, others: Sequence[int], sure: Sequence[int]) -> str:
    """The trainings that gain beyond chance; the best where none does."""
    if sure:
        return f"Gains beyond chance in macro F1: {_changes(findings, 'gained', sure)}."
    if not others:
        return ""
    change = signed_points(_change(findings, "gained", others[0]))
    best = f"{findings['trainings'][others[0]]}, changes macro F1 by {change}"
    if len(others) == 1:
        return f"The one training that was tried, {best}, which may be chance."
    return f"Of {len(others)} trainings none helps beyond chance; the best, {best}."


def _augmentation(findings: Findings) -> str:
    if AUGMENTATION not in findings["trainings"]:
        return ""
    row = findings["trainings"].index(AUGMENTATION)
    verb = {1: "helps", 0: "may or may not help", -1: "hurts"}[is_sure(findings, "gained", row)]
    change = signed_points(_change(findings, "gained", row))
    return f"Plain augmentation ({findings['augment']}) {verb}: {change}."


def _of_kind(findings: Findings, kind: str) -> list[int]:
    """The trainings of a kind, the best first."""
    return [row for row in by_headline(findings) if findings["kinds"][row] == kind]


def _synthetic(findings: Findings) -> str:
    """What synthetic images do by themselves, beside what other remedies do."""
    rows = _of_kind(findings, SYNTHETIC)
    if not rows:
        return ""
    sure = [row for row in rows if is_sure(findings, "gained", row) > 0]
    if sure:
        return f"Synthetic images alone help: {_changes(findings, 'gained', sure)} over the original images."
    others = [row for row, kind in enumerate(findings["kinds"]) if kind in (REMEDY, HEAD, FEATURES)]
    helped = [findings["trainings"][row] for row in others if is_sure(findings, "gained", row) > 0]
    instead = f"; {listed(helped, len(helped))} did" if helped else ""
    chance = "a loss beyond chance" if is_sure(findings, "gained", rows[0]) < 0 else "which may be chance"
    return (
        f"Synthetic images alone did not help beyond chance{instead}. The best of {counted(len(rows), 'set')}, "
        f"{findings['trainings'][rows[0]]}, changes macro F1 by {signed_points(_change(findings, 'gained', rows[0]))}, "
        f"{chance}."
    )


def _beyond(findings: Findings) -> str:
    """What synthetic images add to plain augmentation."""
    rows = _of_kind(findings, BOTH)
    if not rows or AUGMENTATION not in findings["trainings"]:
        return ""
    parts = [
        f"{verb} ({_changes(findings, 'beyond', chosen)})"
        for verb, way in (("help", 1), ("hurt", -1))
        if (chosen := [row for row in rows if is_sure(findings, "beyond", row) == way])
    ]
    nothing = f"add nothing beyond chance; the most is {_changes(findings, 'beyond', rows[:1])}"
    return f"On top of plain augmentation synthetic images {' and '.join(parts) or nothing}."


def _empty(findings: Findings) -> str:
    """Sets of which nothing could be used."""
    names = [one["name"] for one in findings["sets"] if not one["kept"]]
    return f"No image of {listed(names, 9)} passed the filter, so nothing was trained on it." if names else ""


def _heads(findings: Findings) -> str:
    """What a last layer does that is trained again without synthetic features."""
    rows = _of_kind(findings, HEAD)
    if not rows:
        return ""
    return (
        "With the last layer of the same networks trained again, without synthetic features, macro F1 changes by: "
        f"{_changes(findings, 'gained', rows)}."
    )


def _features(findings: Findings) -> str:
    """What synthetic features add to a last layer that is trained again."""
    rows = _of_kind(findings, FEATURES)
    if not rows:
        return ""
    sure = {way: [row for row in rows if is_sure(findings, "over_head", row) == way] for way in (1, -1)}
    hurt = f" Worse beyond chance: {_changes(findings, 'over_head', sure[-1])}." if sure[-1] else ""
    if sure[1]:
        return f"Synthetic features help over {REFITTED}: {_changes(findings, 'over_head', sure[1])}.{hurt}"
    return (
        f"Synthetic features did not help beyond chance: the best of {counted(len(rows), 'method')}, "
        f"{findings['trainings'][rows[0]]}, changes macro F1 by "
        f"{signed_points(_change(findings, 'gained', rows[0]))} over the original networks and by "
        f"{signed_points(_change(findings, 'over_head', rows[0]))} over {REFITTED}.{hurt}"
    )


def ranking_blocks(findings: Findings, run: Run) -> list[Block]:
    """All trainings with their scores and gains, the best first."""
    place = findings["measures"].index(HEADLINE)
    rows = []
    for row in by_headline(findings):
        p = findings["gained"]["adjusted_p"][row, place]
        word = "the reference" if row == FIRST else verdict(is_sure(findings, "gained", row))
        scores = [_change(findings, "scores", row, name) for name in RANKED]
        rows.append([findings["trainings"][row], *scores, _change(findings, "gained", row), _finite(p), word])
    columns = {"training": "text", **{MEASURES[name]: "share" for name in RANKED}}
    columns |= {"gain in macro F1": "change", "adjusted p": "p", "verdict": "text"}
    both = "images and seeds are" if findings["seeds"] > 1 else "images are"
    return [
        Heading("ranking", "What helps, the best first"),
        Sentence(
            f"Scores are on {findings['images']:,} test images ({listed(findings['test_splits'], 9)}), "
            f"{over(findings['seeds'])}. Gains are over the training on the original images as they are. "
            f"Trainings are compared image by image: {both} taken as samples of many. Differences of one measure are "
            f"corrected together (Benjamini-Hochberg). {_rare(findings)}"
        ),
        Table("Trainings by macro F1", columns, rows, headline=True),
        *figures_of(run, {"gains": f"Gains over the original images by measure; {_best(findings)}"}),
    ]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _best(findings: Findings) -> str:
    others = [row for row in by_headline(findings) if row != FIRST]
    sure = [row for row in others if is_sure(findings, "gained", row) > 0]
    text = _headline(findings, others, sure)
    return text[:1].lower() + text[1:] if not sure else text


def _rare(findings: Findings) -> str:
    if not findings["rare"].any():
        return "All classes have as many training images, so none is rare."
    low, high = int(findings["counts"].min()), int(findings["counts"].max())
    rare = counted(int(findings["rare"].sum()), "class", "classes")
    return f"Rare are {rare} with fewer training images than the middle one; all classes have {low} to {high} of them."


def measure_blocks(findings: Findings, run: Run) -> list[Block]:
    """The measures that the ranking leaves out."""
    rows = [
        [findings["trainings"][row], *(_change(findings, "scores", row, name) for name in OTHERS)]
        for row in by_headline(findings)
    ]
    columns = {"training": "text", **{MEASURES[name]: "share" for name in OTHERS}}
    return [Heading("measures", "The other measures"), Table("Other measures of each training", columns, rows)]


def added_blocks(findings: Findings, run: Run) -> list[Block]:
    """What synthetic images add to plain augmentation, and synthetic features to a last layer trained again."""
    again = (
        f"{upper(REFITTED)}: the networks trained on the original images, their last layer trained again on their "
        "features of these images, as it is here, but without synthetic features."
    )
    return [
        *_added(findings, "beyond", BOTH, "beyond", "What synthetic images add to plain augmentation", AUGMENTATION),
        *_added(findings, "over_head", FEATURES, "heads", "What synthetic features add to a refitted last layer",
                REFITTED, again),
    ]  # fmt: skip


def _added(
    findings: Findings, side: str, kind: str, name: str, heading: str, other: str, about: str = ""
) -> list[Block]:
    rows = _of_kind(findings, kind)
    if not rows or not np.isfinite(findings[side]["value"]).any():
        return []
    cells = [
        [
            findings["trainings"][row],
            *(_change(findings, side, row, measure) for measure in RANKED),
            verdict(is_sure(findings, side, row)),
        ]
        for row in rows
    ]
    columns = {"training": "text", **{MEASURES[measure]: "change" for measure in RANKED}, "verdict on macro F1": "text"}
    sentences = [Sentence(about)] if about else []
    return [Heading(name, heading), *sentences, Table(f"Changes over {other}", columns, cells)]


def class_blocks(findings: Findings, run: Run) -> list[Block]:
    """Recall by class."""
    figures = figures_of(run, {"classes": "Recall of the rarest and the most frequent classes with each training"})
    return [Heading("classes", "Classes"), *figures] if figures else []


def set_blocks(findings: Findings, run: Run) -> list[Block]:
    """The synthetic sets, and what the checks measured of them."""
    if not findings["sets"]:
        return []
    rows = [
        [one["name"], one["made"], one["kept"], *(estimate(one.get(name)) for name in CHECKS)]
        for one in findings["sets"]
    ]
    columns = {"set": "text", "made": "count", "kept": "count", **dict.fromkeys(CHECKS.values(), "number")}
    sheets = {
        name: f"Real images, synthetic ones of {name.removeprefix(f'{SHEET}-')}, and the training image nearest to "
        "each of these, of the rarest classes"
        for name in run.pictures
        if name.startswith(f"{SHEET}-")
    }
    return [
        Heading("sets", "The synthetic sets"),
        Sentence(
            "KID is 0 for a perfect generator; precision and recall are the shares of synthetic and of real images "
            "that lie among the others; class agreement is how often a classifier that has seen no synthetic image "
            "confirms their label. All are of the images as they were made, before the filter. Generators were trained "
            "on the training images of the networks and on no others. Methods that change training images "
            "(augment-only, mixup-pixels, cutmix) copy them by their nature."
        ),
        Table("Synthetic sets", columns, rows),
        *figures_of(run, sheets),
    ]


def limit_blocks(findings: Findings, run: Run) -> list[Block]:
    """What such a study leaves open."""
    sentences = [
        f"All trainings see about as many images: {findings['epochs']} epochs of the original set, and fewer of a "
        "larger one, so that no gain comes from more steps.",
        "There is one division into training and test images. The intervals allow for other test images, not for other "
        "training images.",
        "Synthetic images were made once for each set; other seeds of a generator would make others.",
        "Weighted means take the classes' shares among the test images as given.",
    ]
    if _has_heads(findings):
        sentences.append(
            "Refitted last layers belong to the networks trained on the original images, seed by seed. Features of "
            "training images are not those of new ones; synthetic features are made of the former."
        )
    return [Heading("limits", "What this does not say"), *map(Sentence, sentences)]


def _has_heads(findings: Findings) -> bool:
    return bool({HEAD, FEATURES} & set(findings["kinds"]))


def method_blocks(findings: Findings, run: Run) -> list[Block]:
    """The command, and the runs of the trainings."""
    runs = ", ".join(f"`{name}`" for name in findings["runs"].values())
    jobs = "`train-cnn` or `refit-head`" if _has_heads(findings) else "`train-cnn`"
    sentences = [f"`{findings['command']}`"] if findings.get("command") else []
    sentences.append(
        f"The network is {findings['network']}. Each of the {len(findings['trainings'])} trainings is an ordinary run "
        f"of {jobs} with {counted(findings['seeds'], 'seed')}, which `evaluate`, `compare` and `gap` read: {runs}."
    )
    return [Heading("method", "How it was made"), *map(Sentence, sentences)]

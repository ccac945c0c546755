"""The page of a study of replications: what many models lose from a set to its replications, and how it is known."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gapscope.blocks import Answer, Block, Heading, Sentence
from gapscope.blocks.formats import in_brackets, listed, percent, points, span, upper
from gapscope.core.text import counted
from gapscope.runs.run import Run
from gapscope.studies.replication.line import rises
from gapscope.studies.replication.page_images import (
    class_blocks,
    difficulty_blocks,
    guess_blocks,
    image_blocks,
    largest_kind,
    pair_blocks,
    per_class,
    shared_text,
)
from gapscope.studies.replication.page_models import (
    agreement_blocks,
    broken_text,
    line_blocks,
    line_text,
    loss_blocks,
    off_text,
    ranking_blocks,
    turned_text,
)
from gapscope.studies.saved import findings_of

Findings = Mapping[str, Any]
# A share that no digit of a page shows.
NOTHING = 5e-5


def page(run: Run) -> list[Block]:
    """The page of a finished run."""
    findings = findings_of(run)
    sections = (
        loss_blocks,
        line_blocks,
        ruled_out_blocks,
        image_blocks,
        difficulty_blocks,
        guess_blocks,
        class_blocks,
        pair_blocks,
        agreement_blocks,
        ranking_blocks,
        limit_blocks,
        method_blocks,
    )
    return [answer(findings), *(block for section in sections for block in section(findings, run))]


def answer(findings: Findings) -> Answer:
    """The mean loss, the line, and how much of the loss harder images explain."""
    side = findings["by_target"][findings["primary"]]
    parts = {
        "What was lost": [_loss(side), _other_sets(findings)],
        "Between which sets": _sets(findings),
        "The line of models": [
            broken_text(side),
            f"{upper(line_text(side['line']))}.",
            f"{upper(off_text(side) + '; ' if rises(side['line']) else '')}{turned_text(findings['ranking'])}.",
        ],
        "Why": [_harder(side), shared_text(findings["sharing"]), _kind(findings), ruled_out(findings["noise"])],
        "What to do": _advice(findings["ranking"]),
        "How sure": [
            beyond_sampling(findings["noise"]),
            "Predictions do not say why an image is hard. Models are no random sample, and intervals are over images "
            "alone.",
        ],
    }
    return Answer.of(_headline(findings, side), parts)


def _headline(findings: Findings, side: Findings) -> str:
    """The mean loss, if it is beyond chance."""
    pair = f"from {findings['reference']} to {findings['primary']}"
    low, high = side["mean_drop_interval"]
    models = counted(len(side["models"]), "model")
    if low <= 0 <= high:
        return f"No loss beyond chance {pair}, on average over {models}"
    return f"{models} {'lose' if side['mean_drop'] > 0 else 'gain'} {points(side['mean_drop'])} on average {pair}"


def _loss(side: Findings) -> str:
    """The mean loss or gain with its interval, and the models that lose least and most."""
    lost = side["mean_drop"] >= 0
    low, high = side["mean_drop_interval"] if lost else [-end for end in reversed(side["mean_drop_interval"])]
    order = np.argsort(side["drop"], kind="stable")
    ends = [f"{side['models'][place]} {_part(side['drop'][place], lost=lost)}" for place in (order[0], order[-1])]
    verb = "lost" if lost else "gained"
    return (
        f"The mean model {verb} {points(side['mean_drop'])} of accuracy{in_brackets(span(low, high))}, from {ends[0]} "
        f"to {ends[1]}."
    )


def _part(drop: float, *, lost: bool) -> str:
    """A loss among losses or a gain among gains as points alone; the other with its verb."""
    return points(drop) if (drop >= 0) == lost else f"{'gained' if lost else 'lost'} {points(drop)}"


def _other_sets(findings: Findings) -> str:
    """The mean loss to the other replications."""
    others = [
        f"to {name} {points(side['mean_drop'])} {'lost' if side['mean_drop'] >= 0 else 'gained'}"
        for name, side in findings["by_target"].items()
        if name != findings["primary"]
    ]
    return f"{upper(listed(others))}: the loss depends on how the new images were chosen." if others else ""


def _sets(findings: Findings) -> str:
    names = (findings["reference"], *findings["targets"])
    sets = [f"{name} ({counted(findings['images'][name], 'image')})" for name in names]
    return f"{listed(sets, 6)}, from the predictions of {counted(len(findings['models']), 'model')} alone."


def _harder(side: Findings) -> str:
    harder = side["harder"]
    if side["mean_drop"] <= 0 or harder["explained"] is None:
        return ""
    return (
        f"{100 * harder['mean_harder']:.1f} of the {points(side['mean_drop'])}, {percent(harder['explained'])}"
        f"{in_brackets(span(*harder['explained_interval']))}, come with images that are harder for the other models "
        f"too; {points(harder['mean_rest'])} remain at equal difficulty."
    )


def _kind(findings: Findings) -> str:
    """The kind of image, of those that models miss, that brings most of the loss."""
    kinds, place = findings["kinds"], largest_kind(findings["kinds"])
    if kinds["terms"][place] <= 0:
        return ""
    ours, theirs = (percent(kinds[side][place]) for side in ("reference_share", "target_share"))
    return (
        f"{points(kinds['terms'][place])} come with more images of one kind, {kinds['kinds'][place]}: {theirs} of "
        f"{findings['primary']}, {ours} of {findings['reference']}."
    )


def ruled_out(noise: Findings) -> str:
    """What class shares and sampling can explain at most."""
    mix = np.abs(noise["by_mix"]).max()
    shares = (
        "Both sets have the same class shares"
        if mix < NOTHING
        else f"Other class shares explain at most {points(mix)} of any model's loss"
    )
    return f"{shares}; which images were drawn moves a model by up to {points(max(noise['by_luck']))} (95 % of draws)."


def beyond_sampling(noise: Findings) -> str:
    """How many models lost more than chance can explain."""
    sure = int((noise["drop"] > noise["by_luck"]).sum())
    return f"{sure} of {counted(len(noise['drop']), 'model')} lost more than the choice of images can explain."


def _advice(ranking: Findings) -> Sequence[str]:
    compare = "Compare accuracies on one and the same set only: each replication has its own level."
    order = "The order of models may be read from either set, as no change of places is beyond chance."
    look = "Look at the images that most models miss before changing a model."
    return [compare, *([] if ranking["surely_turned"] else [order]), look]


def ruled_out_blocks(findings: Findings, run: Run) -> list[Block]:
    """Class shares and sampling error."""
    noise, names = findings["noise"], (findings["reference"], findings["primary"])
    images = [f"{name} has {per_class(counts)}" for name, counts in zip(names, noise["images_per_class"], strict=True)]
    mix = [points(end) for end in (noise["by_mix"].min(), noise["by_mix"].max())]
    least = int(np.argmin(noise["drop"]))
    shares = "equal for all classes of a set" if noise["balanced"] else "not equal for all classes"
    luck = noise["by_luck"]
    return [
        Heading("ruled-out", "What cannot explain it"),
        Sentence(
            f"Class shares: {' and '.join(images)} images per class, {shares}. By Kitagawa's formula they contribute "
            f"{mix[0]} to {mix[1]} to the loss of a model."
        ),
        Sentence(
            "Sampling error: two samples of these sizes from one population differ by less than "
            f"{points(luck.min())} to {points(luck.max())} in 95 % of draws, depending on the model. The smallest loss "
            f"is {points(noise['drop'][least])} with a standard error of {points(noise['error'][least])}."
        ),
    ]


def limit_blocks(findings: Findings, run: Run) -> list[Block]:
    """What predictions alone leave open."""
    sentences = (
        "Why an image is hard: harder for every model alike may mean a smaller object, an unusual view, a label that "
        "is one of several valid ones, or a wrong one. Predictions alone do not separate these; the kinds of images "
        "and the second guesses are evidence, not proof.",
        "The correction for how the images were selected (Engstrom et al. 2020) needs annotations of human selection "
        "frequency, and multi-label scoring needs several labels per image. Neither is here, so neither is replicated.",
        "Difficulty is measured with error, by a limited number of models that were built by related methods. "
        "Measurement error moves part of what harder images explain into the rest; relatedness moves part of the rest "
        "into harder images.",
        "Models are not a sample of anything, and images of one class are not independent of the way they were "
        "gathered. Intervals over images speak of other images drawn in the same way from the same sources.",
        f"A split by difficulty is not a cause. The {findings['primary']} images could be harder because of the people "
        "who labelled them, the time they were taken, or the search that found them.",
    )
    return [Heading("limits", "What this cannot say"), *map(Sentence, sentences)]


def method_blocks(findings: Findings, run: Run) -> list[Block]:
    """The command, and where the numbers are."""
    sentences = [f"`{findings['command']}`"] if findings.get("command") else []
    sentences.append(
        f"{_sets(findings)} There are {findings['replicates']:,} bootstrap replicates, keyed by image, with seed "
        f"{findings['seed']}. All numbers of this page are in study.json, the tables behind it in *.parquet. A further "
        "model is one more column of best classes in each table; it may be missing from a replication."
    )
    return [Heading("method", "How it was made"), *map(Sentence, sentences)]

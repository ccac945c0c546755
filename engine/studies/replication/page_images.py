"""What the page says of images: how hard they are, how they are missed, their classes and confusions."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gapscope.blocks import Block, Heading, Sentence, Table, estimate
from gapscope.blocks.formats import in_brackets, listed, percent, points, span
from gapscope.core.text import counted
from gapscope.runs.run import Row, Run
from gapscope.studies.saved import figures_of

Findings = Mapping[str, Any]
LEVEL = 0.05
SHOWN_CLASSES, SHOWN_PAIRS = 50, 25
CLASSES = {
    "class": "text",
    "lost, shrunk": "change",
    "lost, observed": "change",
    "p, lost at all": "p",
    "p, other than the mean": "p",
    "verdict": "text",
    "in models": "count",
}


def image_blocks(findings: Findings, run: Run) -> list[Block]:
    """How many models classify an image correctly, and the kinds of images that are missed."""
    names, kinds = (findings["reference"], findings["primary"]), findings["kinds"]
    rows = list(zip(*(kinds[key] for key in ("kinds", "reference_share", "target_share", "terms")), strict=True))
    columns = {"kind of image": "text", **dict.fromkeys(names, "share"), "of the loss": "change"}
    sides = findings["difficulty"]
    missed = [f"{percent(side['none_right'][0])} of {name}" for name, side in zip(names, sides, strict=True)]
    place = int(np.argmax(kinds["terms"]))
    alts = {
        "difficulty": f"How many models classify an image correctly; none classifies {listed(missed)} correctly",
        "kinds": f"The mean loss by kind of image; {points(kinds['terms'][place])} come with the kind "
        f"{kinds['kinds'][place]}",
    }
    return [
        Heading("images", "The images"),
        *(Sentence(_difficulty(name, side)) for name, side in zip(names, sides, strict=True)),
        Sentence(_separate_losses(findings["sharing"])),
        Sentence(
            "The kind of an image is what three quarters of the models do with it, and the points of the kinds sum to "
            "the mean loss. Images for which most models predict one and the same other class may have a wrong label, "
            "or a second correct one: networks rarely make the same error by accident."
        ),
        Table(f"Kinds of images: {names[0]} against {names[1]}", columns, rows),
        *figures_of(run, alts),
    ]


def _difficulty(name: str, side: Findings) -> str:
    return (
        f"{name}: no model classifies {percent(side['none_right'][0])} of the images correctly "
        f"({span(*side['none_right'][1:])}; {side['none_right_images']:,} images), all classify "
        f"{percent(side['all_right'][0])} correctly ({span(*side['all_right'][1:])})."
    )


def _separate_losses(sharing: Findings | None) -> str:
    if sharing is None:
        return "Some models gained, so there is no common loss whose images could be compared."
    return (
        f"Had each model lost as much on images of its own, all would miss {percent(sharing['alone_none_right'])} and "
        f"none would miss {percent(sharing['alone_all_right'])}. {shared_text(sharing)} A cause that works model by "
        "model, such as each having been fitted to the old set in its own way, would stand at 0."
    )


def shared_text(sharing: Findings | None) -> str:
    """Where the loss stands between losses of each model's own and losses in common."""
    if sharing is None:
        return ""
    return (
        "On a scale from 0 (each model loses on images of its own) to 100 % (all lose on the same images) the loss "
        f"stands at {percent(sharing['shared'])}{in_brackets(span(*sharing['shared_interval']))}."
    )


def largest_kind(kinds: Findings) -> int:
    """The kind that brings most of the loss, among those that most models miss."""
    return int(np.argmax(kinds["terms"][2:])) + 2


def difficulty_blocks(findings: Findings, run: Run) -> list[Block]:
    """The split of each loss by difficulty."""
    names, harder = (findings["reference"], findings["primary"]), findings["by_target"][findings["primary"]]["harder"]
    parts = [f"{points(harder[name])} ({span(*harder[f'{name}_interval'])})" for name in ("mean_harder", "mean_rest")]
    alt = "What each model lost beyond images that are harder for the others too; on average "
    return [
        Heading("hardness", "Harder images, or a change at equal difficulty?"),
        Sentence(
            "The difficulty of an image, for a model, is how many of the other models are wrong about it: the model "
            f"itself has no part in it. The images of {names[0]} are reweighted until they are as difficult as those "
            f"of {names[1]}; what the model loses by that is the part of harder images, and what it loses beyond is "
            f"the rest. Of the mean loss, harder images are {parts[0]} and the rest is {parts[1]}."
        ),
        Sentence(
            "Read this for single models, not for their mean. Difficulty is made of the other models' errors, so that "
            "the mean of the rest is near zero whatever the cause; a model whose rest is far from zero needs an "
            "explanation of its own, and a model unlike the others (much weaker, or of another family) has one because "
            "their difficulty is not its difficulty. An image with a debatable label counts as hard as well."
        ),
        *figures_of(run, {"harder": alt + points(harder["mean_rest"])}),
    ]


def guess_blocks(findings: Findings, run: Run) -> list[Block]:
    """The guesses after the first; nothing where models give one class only."""
    second = findings["second"]
    if second is None:
        return []
    sides, names = (second["reference"], second["target"]), (findings["reference"], findings["primary"])
    listed_in, second_in = ([percent(side[key].mean()) for side in sides] for key in ("rescued", "second"))
    ranges = [
        f"{points(drop.min())} to {points(drop.max())} (mean {points(drop.mean())})"
        for drop in (second["list_drop"], second["first_drop"])
    ]
    alt = (
        f"How often the label is among the first {second['depth']} when the first guess is wrong: on average in "
        f"{listed_in[0]} of cases on {names[0]} and {listed_in[1]} on {names[1]}"
    )
    return [
        Heading("guesses", "The guesses after the first"),
        Sentence(
            f"Top-{second['depth']} accuracy falls by {ranges[0]}, top-1 accuracy by {ranges[1]}. When the first guess "
            f"is wrong, the label is among the first {second['depth']} in {listed_in[0]} of cases on {names[0]} and in "
            f"{listed_in[1]} on {names[1]} (means over models), and it is the second guess in {second_in[0]} and "
            f"{second_in[1]}."
        ),
        Sentence(_near_misses(second)),
        *figures_of(run, {"second-guess": alt}),
    ]


def _near_misses(second: Findings) -> str:
    change = second["target"]["rescued"].mean() - second["reference"]["rescued"].mean()
    mean = second["first_drop"].mean()
    share = f"A list of {second['depth']} regains {percent(1 - second['list_drop'].mean() / mean)} of the mean loss. "
    share = share if mean > 0 else ""
    if change >= 0:
        return (
            f"{share}The label is on the list of a wrong guess at least as often as before: the models still see it, "
            "which is what several valid labels per image would look like."
        )
    return (
        f"{share}The label is on the list of a wrong guess {points(change)} less often than before: the added errors "
        "are not only near misses between two valid names, some images are missed altogether."
    )


def class_blocks(findings: Findings, run: Run) -> list[Block]:
    """Class losses, model by model and together."""
    classes, rows = findings["classes"], run.table("classes")
    order = sorted((row for row in rows if np.isfinite(row["shrunk"])), key=lambda row: -row["shrunk"])
    shown = order[:SHOWN_CLASSES]
    some = f", {len(shown)} of {len(order):,}" if len(order) > len(shown) else ""
    alts = {
        "classes": "How class losses spread as observed, as sampling error alone would spread them, and shrunk; "
        f"sampling error spreads them by {points(classes['noise'])}, the true spread is {points(classes['spread'])}",
        "worst-classes": f"The classes that lost most; {order[0]['class']} is first with {points(order[0]['shrunk'])}"
        if order
        else "",
    }
    return [
        Heading("classes", "Which classes fell"),
        Sentence(_warning(findings, rows)),
        Sentence(_by_model(classes, rows)),
        Sentence(_together(classes, order)),
        Table(f"Classes, the largest loss first{some}", CLASSES, [_class(row) for row in shown]),
        *figures_of(run, alts),
    ]


def _warning(findings: Findings, rows: list[Row]) -> str:
    """Why no list of worst classes is to be read without a test."""
    classes, names = findings["classes"], (findings["reference"], findings["primary"])
    one = classes["models"][classes["typical"]]
    counts = zip(names, findings["noise"]["images_per_class"], strict=True)
    images = [f"{name} {per_class(bounds)}" for name, bounds in counts]
    worst = f", {rows[one['worst']]['class']}," if rows else ""
    return (
        f"Before reading a list of worst classes: images per class are {' and '.join(images)}. The class in which "
        f"{classes['typical']} lost most{worst} lost {points(one['worst_raw'])}; had all classes lost the same "
        f"{points(one['common'])}, chance alone would make the worst lose {points(one['expected_worst'])} on average. "
        f"A class must lose about {points(one['detectable'])} before it stands out among {findings['class_names']:,}. "
        "So class losses are shrunk towards their mean and tested with control of the false discovery rate."
    )


def per_class(bounds: np.ndarray) -> str:
    """The smallest and largest of some counts.

    >>> per_class([10, 10]), per_class([8, 50])
    ('10', '8 to 50')
    """
    low, high = (f"{int(bound):,}" for bound in bounds)
    return low if low == high else f"{low} to {high}"


def _by_model(classes: Findings, rows: list[Row]) -> str:
    models = classes["models"]
    uneven = sum(one["homogeneity_p"] <= LEVEL for one in models.values())
    flagged = np.array([row["flagged_in_models"] for row in rows])
    return (
        f"Model by model: the test that all classes lose alike rejects at 5 % for {uneven} of {len(models)} models. "
        f"{counted(int((flagged > 0).sum()), 'class', 'classes')} stand out from the mean loss in at least one model, "
        f"{int((flagged >= len(models) / 2).sum())} in half of the models or more (Benjamini-Hochberg at 5 % within "
        "each model; the last column counts these models)."
    )


def _together(classes: Findings, rows: list[Row]) -> str:
    fell, rose, worse, milder = (sum(row[name] for row in rows) for name in ("fell", "rose", "worse", "milder"))
    named = [row["class"] for row in rows if row["worse"]]
    which = in_brackets(listed(named)) if named else ""
    return (
        "All models together: the models classify the same images, so their class losses are not independent; ten "
        "difficult images are difficult for all. Here each image counts once, with the share of models that classify "
        f"it correctly. Class losses then scatter by {points(classes['raw_spread'])}, of which sampling error accounts "
        f"for {points(classes['noise'])}; the true spread is estimated as {points(classes['spread'])} about a mean of "
        f"{points(classes['centre'])}. {counted(fell, 'class', 'classes')} of {len(rows):,} lost accuracy, {rose} "
        f"gained; {worse} lost more than the mean{which}, {milder} less (each list with at most 5 % false discoveries "
        f"expected). By the shrunk losses, {percent(classes['share_that_fell'])} of the classes are expected to have "
        "lost."
    )


def _class(row: Row) -> list:
    verdict = (
        "lost more than the mean"
        if row["worse"]
        else "lost"
        if row["fell"]
        else "gained"
        if row["rose"]
        else "may be chance"
    )
    return [
        row["class"],
        estimate(row["shrunk"], row["low"], row["high"]),
        estimate(row["raw"]),
        row["p_fell"],
        row["p_worse"],
        verdict,
        row["flagged_in_models"],
    ]


def pair_blocks(findings: Findings, run: Run) -> list[Block]:
    """The confusions that grew most, and how little they carry."""
    pairs, rows = findings["pairs"], run.table("pairs")
    names = findings["reference"], findings["primary"]
    grown = [row for row in rows if row["added"] > 0][:SHOWN_PAIRS]
    columns = {"true class": "text", "predicted as": "text", **dict.fromkeys(names, "number"), "added": "number"}
    cells = [[row["true"], row["given"], *(round(1e4 * row[key], 2) for key in ("reference", "target", "added"))]
             for row in grown]  # fmt: skip
    first = f"; {grown[0]['true']} predicted as {grown[0]['given']} is first" if grown else ""
    return [
        Heading("confusions", "Which confusions carry the loss"),
        Sentence(
            "Every point lost is a prediction of one class for images of another, so the loss of "
            f"{points(pairs['drop'])} is exactly the sum of the changes of all pairs: {pairs['pairs_that_grew']:,} "
            f"grew and {pairs['pairs_that_shrank']:,} shrank. The {len(pairs['true'])} that grew most add "
            f"{points(pairs['carried'])}. But the largest of so many are largest partly by chance: chosen on one half "
            f"of the images and measured on the other, such pairs add {points(pairs['carried_elsewhere'])}. Pairs that "
            f"never occurred on {names[0]} add {points(pairs['added_by_new'])}, those that did "
            f"{points(pairs['added_by_known'])} net. {_breadth(pairs)}"
        ),
        Table("Confusions that grew most, in ten thousand predictions, the mean of all models", columns, cells),
        *figures_of(run, {"pairs": f"The confusions that grew most{first}"}),
    ]


def _breadth(pairs: Findings) -> str:
    if pairs["drop"] <= 0:
        return "There is no loss."
    share = pairs["carried_elsewhere"] / pairs["drop"]
    by = f"({percent(share)} by the best {len(pairs['true'])})"
    return f"The loss is spread widely {by}." if share < 0.5 else f"The loss is the work of few pairs {by}."

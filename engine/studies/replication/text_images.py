"""What the page says of images: what is ruled out, how hard they are, their classes and confusions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gapscope.studies.replication.writing import (
    SURE,
    Found,
    between,
    chance,
    first,
    percent,
    plural,
    points,
    reach,
    table,
)

SHOWN_CLASSES, SHOWN_PAIRS = 12, 12


def ruled_out_text(found: Found) -> str:
    """Class mix and sampling noise."""
    noise = found["noise"]
    balanced = "the same number for every class in each set" if noise["balanced"] else "not the same for all classes"
    counts = noise["images_per_class"]
    return "\n\n".join(
        [
            "## What cannot explain it",
            f"**Class mix.** {found['reference']} has {reach(counts[0])} images per class, {found['primary']} "
            f"{reach(counts[1])}: {balanced}. Split by Kitagawa's formula, the mix contributes "
            f"{points(noise['by_mix'].min(), 2)} to {points(noise['by_mix'].max(), 2)} points.",
            "**Sampling noise.** Two samples of these sizes from one population differ by less than "
            f"{points(noise['by_luck'].min(), 2)} to {points(noise['by_luck'].max(), 2)} points for 95 % of draws, "
            f"depending on the model. The smallest loss is {points(noise['drop'].min(), 2)} points with a standard "
            f"error of {points(noise['error'][int(np.argmin(noise['drop']))], 2)}.",
        ]
    )


def images_text(found: Found) -> str:
    """How many models are right about an image, and kinds of images."""
    sides = found["difficulty"]
    kinds = found["kinds"]
    names = found["reference"], found["primary"]
    told = [
        f"{name}: no model is right about {percent(side['none_right'][0], 2)} of the images "
        f"({between(side['none_right'][1:], 2)}; {side['none_right_images']:,} images), all are right about "
        f"{percent(side['all_right'][0], 2)} ({between(side['all_right'][1:], 2)})."
        for name, side in zip(names, sides, strict=True)
    ]
    rows = [
        [kind, percent(ours, 2), percent(theirs, 2), points(term, 2)]
        for kind, ours, theirs, term in zip(
            kinds["kinds"], kinds["reference_share"], kinds["target_share"], kinds["terms"], strict=True
        )
    ]
    return "\n\n".join(
        [
            "## The images",
            "\n".join(f"* {line}" for line in told),
            _alone(found),
            "@difficulty How many models are right about an image",
            "Images sorted into kinds by what three quarters of the models do, and the points of the mean loss that "
            "come with each kind; the column sums to the loss. Images to which most models give one and the same "
            "*other* class are the suspects for a wrong or a second right label: networks rarely err alike by "
            "accident.",
            table(["kind of image", *names, "points of the loss"], rows),
            "@kinds The mean loss by kind of image",
        ]
    )


def _alone(found: Found) -> str:
    sharing = found["sharing"]
    if sharing is None:
        return "Some models gained, so losses of each model's own cannot be worked out."
    return (
        f"Had each model lost as much as it did, but on images of its own, {percent(sharing['alone_none_right'], 2)} "
        f"would be missed by all and {percent(sharing['alone_all_right'], 2)} hit by all. Between that (0) and losses "
        "on the same images (100 %), what pairs of models get right together puts the loss at "
        f"{percent(sharing['shared'], 1)} ({percent(sharing['shared_interval'][0], 1)} to "
        f"{percent(sharing['shared_interval'][1], 1)})."
    )


def harder_text(found: Found) -> str:
    """The split by difficulty."""
    harder, models = first(found)["harder"], first(found)["models"]
    order = np.argsort(-harder["rest"])
    rows = [
        [
            models[place],
            points(harder["harder"][place] + harder["rest"][place], 2),
            f"{points(harder['harder'][place], 2)} "
            f"({between((harder['harder_low'][place], harder['harder_high'][place]), 2)})",
            f"{points(harder['rest'][place], 2)} "
            f"({between((harder['rest_low'][place], harder['rest_high'][place]), 2)})",
        ]
        for place in order
    ]
    return "\n\n".join(
        [
            "## Harder images, or a change at equal difficulty?",
            "The difficulty of an image, for a model, is how many of the other models are wrong about it: the model "
            f"judged has no part in it. The images of {found['reference']} are reweighted until they are as difficult "
            f"as those of {found['primary']}; what the model loses thereby is the part of harder images, and what it "
            f"loses beyond is the rest. Of the mean loss, {points(harder['mean_harder'], 2)} points "
            f"({between(harder['mean_harder_interval'], 2)}) are harder images and {points(harder['mean_rest'], 2)} "
            f"({between(harder['mean_rest_interval'], 2)}) the rest.",
            "@harder What each model lost at equal difficulty",
            table(["model", "loss", "harder images", "rest"], rows),
            "Read this for single models, not for their mean. Difficulty is made of the other models' mistakes, so "
            "that the mean of the rest is near nothing whatever the cause; a model whose rest is far from nothing "
            "needs an explanation of its own, and a model unlike the others (much weaker, or of another family) has "
            "one because their difficulty is not its difficulty. Whether the loss is shared is a question to the "
            "numbers under *The images*. And an image with a debatable label counts as hard as well.",
        ]
    )


def second_text(found: Found) -> str:
    """The guesses after the first; nothing where there are none."""
    second = found["second"]
    if second is None:
        return ""
    ours, theirs = second["reference"], second["target"]
    return "\n\n".join(
        [
            "## The guesses after the first",
            f"Top-{second['depth']} accuracy falls by {points(second['list_drop'].min())} to "
            f"{points(second['list_drop'].max())} points (mean {points(second['list_drop'].mean())}), top-1 by "
            f"{points(second['first_drop'].min())} to {points(second['first_drop'].max())} (mean "
            f"{points(second['first_drop'].mean())}). When the first guess is wrong, the label is among the first "
            f"{second['depth']} in {percent(ours['rescued'].mean())} of cases on {found['reference']} and in "
            f"{percent(theirs['rescued'].mean())} on {found['primary']} (means over models), and it is the second "
            f"guess in {percent(ours['second'].mean())} and {percent(theirs['second'].mean())}. {_ambiguity(second)}",
            "@second-guess How often the label is on the list when the first guess is wrong",
        ]
    )


def _ambiguity(second: Mapping[str, Any]) -> str:
    change = second["target"]["rescued"].mean() - second["reference"]["rescued"].mean()
    kept = 1 - second["list_drop"].mean() / second["first_drop"].mean() if second["first_drop"].mean() > 0 else None
    told = "" if kept is None else f"A list of {second['depth']} wins back {percent(kept, 0)} of the mean loss. "
    if change >= 0:
        return (
            f"{told}The label is on the list of wrong answers at least as often as before: the models still see it, "
            "which is what several valid labels per image would look like."
        )
    return (
        f"{told}The label is on the list of wrong answers {points(-change)} points less often than before: the added "
        "errors are not only near misses between two valid names, some images are missed altogether."
    )


def classes_text(found: Found) -> str:
    """Class drops, model by model and together."""
    classes = found["classes"]
    models = classes["models"]
    names = found["class_names"]
    flagged = classes["flagged_in_models"]
    uneven = sum(one["homogeneity_p"] <= SURE for one in models.values())
    in_half = int((flagged >= len(models) / 2).sum())
    order = np.argsort(-np.nan_to_num(classes["shrunk"], nan=-np.inf))
    rows = [
        [
            names[place],
            points(classes["raw"][place]),
            points(classes["shrunk"][place]),
            between((classes["low"][place], classes["high"][place])),
            chance(classes["p_fell"][place]),
            chance(classes["p_worse"][place]),
            f"{flagged[place]} of {len(models)}",
        ]
        for place in order[:SHOWN_CLASSES]
    ]
    columns = [
        "class",
        "lost",
        "shrunk",
        "95 % interval",
        "p, lost at all",
        "p, other than the mean",
        "flagged in models",
    ]
    return "\n\n".join(
        [
            "## Which classes really fell",
            f"**Model by model.** Do all classes drop alike? The homogeneity test says no at 5 % for {uneven} of "
            f"{len(models)} models. {plural(int((flagged > 0).sum()), 'class', 'classes')} stand out from the mean "
            f"drop in at least one model, {in_half} in half of the models or more (Benjamini-Hochberg at 5 % within "
            "each model).",
            "@classes Spread of class drops against luck",
            "**All models together.** The models answer for the same images, so their class drops are no independent "
            "witnesses: ten unlucky images are unlucky for all. Here each image counts once, with the share of models "
            f"that are right about it. Class drops then scatter by {points(classes['raw_spread'])} points, of which "
            f"luck accounts for {points(classes['noise'])}; the true spread is estimated as "
            f"{points(classes['spread'])} points about a mean of {points(classes['centre'])}. "
            f"{plural(int(classes['fell'].sum()), 'class', 'classes')} of {len(names):,} lost accuracy, "
            f"{int(classes['rose'].sum())} gained; {int(classes['worse'].sum())} lost more than the mean, "
            f"{int(classes['milder'].sum())} less (each list with at most 5 % false discoveries expected). By the "
            f"shrunk drops, {percent(classes['share_that_fell'], 0)} of the classes are expected to have lost.",
            table(columns, rows),
            "@worst-classes The classes that lost most, shrunk",
        ]
    )


def pairs_text(found: Found) -> str:
    """The confusions that grew."""
    pairs, names = found["pairs"], found["class_names"]
    rows = [
        [
            f"{names[true]} → {names[given]}",
            f"{1e4 * before:.2f}",
            f"{1e4 * after:.2f}",
            points(added, 3),
        ]
        for true, given, before, after, added in list(
            zip(pairs["true"], pairs["given"], pairs["reference"], pairs["target"], pairs["added"], strict=True)
        )[:SHOWN_PAIRS]
    ]
    several = len(pairs["true"])
    return "\n\n".join(
        [
            "## Which confusions carry the loss",
            "Every point lost is an answer of one class to images of another, so the loss of "
            f"{points(pairs['drop'], 2)} points is exactly the sum of the changes of all pairs: "
            f"{pairs['pairs_that_grew']:,} grew and {pairs['pairs_that_shrank']:,} shrank. The {several} that grew "
            f"most add {points(pairs['carried'], 2)} points. But the largest of so many are largest partly by luck: "
            "chosen on one half of the images and measured on the other, such pairs add "
            f"{points(pairs['carried_elsewhere'], 2)} points. Pairs that never occurred on {found['reference']} add "
            f"{points(pairs['added_by_new'], 2)} points, those that did {points(pairs['added_by_known'], 2)} net: the "
            f"loss is {_breadth(pairs)}.",
            table(
                [
                    "true class → class given",
                    f"{found['reference']}, per 10,000",
                    f"{found['primary']}, per 10,000",
                    "points",
                ],
                rows,
            ),
            "@pairs The confusions that grew most",
        ]
    )


def _breadth(pairs: Mapping[str, Any]) -> str:
    share = pairs["carried_elsewhere"] / pairs["drop"] if pairs["drop"] > 0 else float("nan")
    several = len(pairs["true"])
    if not np.isfinite(share):
        return "no loss at all"
    return (
        f"spread widely, not the work of a few pairs ({percent(share, 0)} by the best {several})"
        if share < 0.5
        else (f"the work of few pairs ({percent(share, 0)} by the best {several})")
    )

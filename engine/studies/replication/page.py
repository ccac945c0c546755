"""The page of a study: sentences and tables filled from the dictionary of findings, so that no number is typed."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from gapscope.studies.replication.text_images import (
    classes_text,
    harder_text,
    images_text,
    pairs_text,
    ruled_out_text,
    second_text,
)
from gapscope.studies.replication.text_models import agreement_text, line_text, lost_text, ranking_text, variants_text
from gapscope.studies.replication.writing import Found, between, first, percent, plural, points, reach


def page(found: Found, folder: str, command: str, pictures: Iterable[str], tables: str | None = None) -> str:
    """The page as Markdown; pictures are expected in `folder` beside it, numbers and tables there or in `tables`."""
    there = set(pictures)
    sections = (
        _head,
        _trap,
        lost_text,
        variants_text,
        line_text,
        ruled_out_text,
        images_text,
        harder_text,
        second_text,
        classes_text,
        pairs_text,
        agreement_text,
        ranking_text,
        _limits,
    )
    parts = [part for section in sections if (part := section(found))]
    parts.append(_made(found, folder if tables is None else tables, command))
    return "\n\n".join(_with_pictures(part, folder, there) for part in parts) + "\n"


def _with_pictures(part: str, folder: str, there: set[str]) -> str:
    lines = []
    for line in part.splitlines():
        name, _, caption = line.removeprefix("@").partition(" ")
        if not line.startswith("@"):
            lines.append(line)
        elif name in there:
            lines.append(f"![{caption}]({folder}/{name}.png)")
    return "\n".join(lines)


def _head(found: Found) -> str:
    drop = first(found)["drop"]
    return "\n\n".join(
        [
            "# ImageNet against ImageNetV2",
            f"**Why did {plural(len(found['common']), 'model')} lose {points(drop.min())} to {points(drop.max())} "
            f"points of accuracy from {found['reference']} to {found['primary']}?**",
            *_answer(found),
        ]
    )


def _answer(found: Found) -> list[str]:
    """The answer in plain words; each sentence says what the figures behind it allow."""
    side, noise = first(found), found["noise"]
    line, turned = side["line"], found["ranking"]["surely_turned"]
    told = [
        f"The mean model lost {points(side['mean_drop'])} points (95 % interval "
        f"{between(side['mean_drop_interval'])}). {_luck(noise)} {_mix(found)}"
    ]
    told.append(_alike(found))
    told.append(f"{_most(found['kinds'], found)}{_selection(found)}")
    told.append(
        f"The accuracies on both sets lie on a line (r = {line['r']:.4f} on probit axes, slope {line['slope']:.3f}) "
        f"and {found['ranking']['turned']} of {found['ranking']['pairs']} pairs of models change places, "
        f"{turned or 'none'} of them surely. What the predictions cannot say is *why* an image is hard: see the "
        "limits at the end."
    )
    return told


def _luck(noise: Mapping[str, Any]) -> str:
    more, models = int((noise["drop"] > noise["by_luck"]).sum()), len(noise["drop"])
    return (
        f"The luck of drawing images moves a model by up to {points(noise['by_luck'].max())} points (95 %); "
        f"{'every model' if more == models else f'{more} of {models} models'} lost more than that."
    )


def _mix(found: Found) -> str:
    mix = np.abs(found["noise"]["by_mix"]).max()
    if mix < 5e-5:
        return "Class mix explains none of it: both sets have the same share of images of every class."
    return f"Another mixture of classes explains at most {points(mix, 2)} points of any model's drop."


def _alike(found: Found) -> str:
    """How far models lost on the same images."""
    sharing, sides = found["sharing"], found["difficulty"]
    if sharing is None:
        return "Some models gained, so there is no common loss whose images could be compared."
    none, everyone = sides[1]["none_right"][0], sides[1]["all_right"][0]
    return (
        "What remains is in the images, and the models lost it "
        f"{'largely on the same ones' if sharing['shared_interval'][0] > 0.5 else 'only in part on the same ones'}: "
        "on a scale from 0 (each model turned wrong on images of its own) to 100 % (all turned wrong on the same "
        f"images) the loss stands at {percent(sharing['shared'], 0)} ({percent(sharing['shared_interval'][0], 0)} to "
        f"{percent(sharing['shared_interval'][1], 0)}). No model is right about {percent(none)} of the images, where "
        f"losses of each model's own would make it {percent(sharing['alone_none_right'])}; all are right about "
        f"{percent(everyone)} instead of {percent(sharing['alone_all_right'])}. A cause that works model by model, "
        "such as each having been fitted to the old set in its own way, would stand at 0."
    )


def _most(kinds: Mapping[str, Any], found: Found) -> str:
    """The kind of image that brings most of the loss, among those that most models miss."""
    largest = int(np.argmax(kinds["terms"][2:])) + 2
    if kinds["terms"][largest] <= 0:
        return ""
    return (
        f"Of the {points(kinds['start'] - kinds['end'])} points, {points(kinds['terms'][largest])} come with more "
        f"images of one kind, *{kinds['kinds'][largest]}*: they are {percent(kinds['target_share'][largest])} of "
        f"{found['primary']} and {percent(kinds['reference_share'][largest])} of {found['reference']}. "
    )


def _selection(found: Found) -> str:
    drops = {name: side["mean_drop"] for name, side in found["by_target"].items()}
    if len(drops) < 2:
        return ""
    least = min(drops, key=drops.get)
    if least == found["primary"]:
        return f"No other variant loses less than {found['primary']}."
    change = f"lose only {points(drops[least])}" if drops[least] > 0 else f"even gain {points(-drops[least])}"
    return (
        f"And it depends on how the new images were chosen: on the variant {least}, gathered from the same sources "
        f"for the same classes, the same models {change} points."
    )


def _trap(found: Found) -> str:
    classes = found["classes"]
    one = classes["models"][classes["typical"]]
    counts = found["noise"]["images_per_class"]
    name = found["class_names"][one["worst"]]
    return (
        f"> **Before reading a list of worst classes.** {found['primary']} has {reach(counts[1])} images per class, "
        f"{found['reference']} {reach(counts[0])}. The class in which {classes['typical']} lost most, *{name}*, lost "
        f"{points(one['worst_raw'])} points; had all classes dropped by the same {points(one['common'])} points, luck "
        f"alone would make the worst lose {points(one['expected_worst'])} on average. A single class must lose about "
        f"{points(one['detectable'], 0)} points before it stands out among {len(found['class_names']):,}. So class "
        "drops below are shrunk towards their mean and tested with control of the false-discovery rate."
    )


def _limits(found: Found) -> str:
    return "\n\n".join(
        [
            "## What this cannot say",
            "\n".join(
                [
                    "* **Why an image is hard.** Harder for every model alike may mean a smaller object, an unusual "
                    "view, a label that is one of several valid ones, or a wrong one. Predictions alone do not tell "
                    "these apart; the kinds of images and the second guesses are evidence, not proof.",
                    "* **The correction for how the images were selected** (Engstrom et al. 2020) needs the "
                    "annotations of human selection frequency, and multi-label scoring needs several labels per "
                    "image. Neither is here, so neither is replicated.",
                    "* **Difficulty is measured with error**, by a limited number of models that were built by "
                    "related methods. Measurement error moves part of what harder images explain into the rest; "
                    "relatedness moves part of the rest into harder images.",
                    "* **Models are not a sample** of anything, and images of one class are not independent of the "
                    "way they were gathered. Intervals over images speak of other images drawn in the same way from "
                    "the same sources.",
                    f"* **One split by difficulty is not a cause.** The {found['primary']} images could be harder "
                    "because of the people who labelled them, the time they were taken, or the search that found them.",
                ]
            ),
        ]
    )


def _made(found: Found, folder: str, command: str) -> str:
    images = ", ".join(f"{name} {count:,}" for name, count in found["images"].items())
    place = f"{folder}/" if folder else ""
    return "\n\n".join(
        [
            "## How it was made",
            f"```bash\n{command}\n```",
            f"Images: {images}. Models: {len(found['models'])}. Bootstrap replicates: {found['replicates']:,}, keyed "
            f"by image, seed {found['seed']}. All numbers of this page are in `{place}study.json`, the tables "
            f"behind it in `{place}*.parquet`. A further model is one more column of best classes in each table, or "
            "a folder with such tables given with `--add`; it may be missing from a variant.",
        ]
    )

"""The page of a study of modifications: sentences and tables filled from the findings, so that no number is typed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from gapscope.studies.modifications.findings import LEVEL, ORIGINAL
from gapscope.studies.modifications.robustness import MIXED
from gapscope.studies.modifications.verdict import span, verdict
from gapscope.studies.replication.writing import percent, plural, reach, table

Found = Mapping[str, Any]
# Classes that a sentence names.
NAMED = 5


def page(found: Found, folder: str, command: str, pictures: Iterable[str]) -> str:
    """The page as Markdown; pictures are expected in `folder` beside it."""
    there = set(pictures)
    sections = (_head, _sets, _matrix, _gains, _classes, _robustness, _limits)
    parts = [part for section in sections for part in section(found)] + _made(found, command)
    return "\n\n".join(_with_picture(part, folder, there) for part in parts if part) + "\n"


def _with_picture(part: str, folder: str, there: set[str]) -> str:
    name, _, caption = part.removeprefix("@").partition(" ")
    if not part.startswith("@"):
        return part
    return f"![{caption}]({folder}/{name}.png)" if name in there else ""


def _head(found: Found) -> list[str]:
    title = f"# {found['dataset']}: original against modified training images"
    return [title, *verdict(found)]


def _sets(found: Found) -> list[str]:
    return ["## The images", "@modifications The same images in each test set"]


def _matrix(found: Found) -> list[str]:
    side, learnt = found["accuracy"], found["learnt"].mean(axis=1)
    rows = [
        [training, _share(learnt[row]), *(_accuracy(side, row, column) for column in range(len(found["tests"])))]
        for row, training in enumerate(found["trainings"])
    ]
    return [
        "## Accuracy",
        f"Accuracy in percent on the {found['images']:,} images of each test set, {_over(found)}. The column *learnt* "
        "is the accuracy of the final weights on the training images themselves, as they are in the set of that row.",
        table(["trained on", "learnt", *found["tests"]], rows),
        "@accuracy Accuracy of each training on each test set",
    ]


def _over(found: Found) -> str:
    if found["seeds"] == 1:
        return "with 95 % intervals over images; a single seed says nothing about other seeds"
    return f"the mean of {found['seeds']} seeds, with 95 % intervals over other images and other seeds"


def _share(value: float) -> str:
    return f"{100 * value:.1f}" if np.isfinite(value) else "–"


def _accuracy(side: Mapping[str, np.ndarray], row: int, column: int) -> str:
    value, low, high = (100 * side[key][row, column] for key in ("value", "low", "high"))
    return f"{value:.1f} ({low:.1f}–{high:.1f})"


def _gains(found: Found) -> list[str]:
    gained = found["differences"]["gained"]
    rows = [
        [training, *(_gain(gained, row, column) for column in range(len(found["tests"])))]
        for row, training in enumerate(found["trainings"])
        if row != ORIGINAL
    ]
    return [
        "## What each training gains and costs",
        "Percentage points more than training on the original reaches on the same test images, with 95 % intervals; "
        f"bold where the difference is sure. {_unit(found)} All differences of the table are corrected together "
        "(Benjamini-Hochberg).",
        table(["trained on", *found["tests"]], rows),
        "@gains Gains over training on the original",
        _carried_over(found),
    ]


def _unit(found: Found) -> str:
    if found["seeds"] == 1:
        return "Each is tested by McNemar's exact test, image by image."
    return (
        "Each is tested image by image and seed by seed: both images and seeds are taken as samples of many "
        "(a two-way table of mean squares, degrees of freedom as by Hillis), because seeds that answer for the same "
        "images are not independent, and images that a seed answers for are not either."
    )


def _gain(gained: Mapping[str, np.ndarray], row: int, column: int) -> str:
    value, low, high = (100 * gained[key][row, column] for key in ("value", "low", "high"))
    told = f"{value:+.1f} ({low:+.1f} to {high:+.1f})"
    return f"**{told}**" if gained["adjusted_p"][row, column] <= LEVEL else told


def _carried_over(found: Found) -> str:
    """Sure gains and losses of a training on modifications that it has not seen."""
    gained, lines = found["differences"]["gained"], []
    for row, training in enumerate(found["trainings"]):
        for column, test in enumerate(found["tests"]):
            foreign = row != ORIGINAL and column != ORIGINAL and training not in (test, MIXED)
            if foreign and gained["adjusted_p"][row, column] <= LEVEL:
                verb = "helps" if gained["value"][row, column] > 0 else "hurts"
                lines.append(f"* Training on {training} also {verb} on {test}: {span(gained, (row, column))} points.")
    if not lines:
        return "No training carries over to a modification that it was not for, as far as can be shown."
    return "\n".join(["What carries over to other modifications:", "", *lines])


def _classes(found: Found) -> list[str]:
    names = found["tests"][1:]
    lost, won = (found["classes"][change] for change in ("lost", "won"))
    return [
        "## Which classes",
        "Changes are of F1, because the recall of a class rises when everything is taken for it. "
        f"A class has {reach(found['images_per_class'])} test images; its change is drawn towards the mean change as "
        "far as so few images demand, with 95 % intervals in points. Named are classes that stand out with "
        "control of the share of false discoveries (Benjamini-Hochberg) over all classes and modifications.",
        "**Trained on the original**, compared with the mean class:\n\n"
        + "\n".join(f"* {name}: {_unlike(found, lost, place)}" for place, name in enumerate(names)),
        "@classes-lost Change of F1 by class, trained on the original",
        *_won_text(found, won, names),
        "@classes-won Change of F1 by class, trained on the modification",
    ]


def _unlike(found: Found, side: Mapping[str, np.ndarray], place: int) -> str:
    mean = float(np.nanmean(side["raw"][place]))
    more = _named(found, side, place, side["raw"][place] > mean, -1)
    less = _named(found, side, place, side["raw"][place] < mean, -1)
    told = f"the mean class changes by {-100 * mean:+.1f} points"
    if not more and not less:
        return f"{told}; no class stands out."
    parts = [f"worse than that {more}"] * bool(more) + [f"better {less}"] * bool(less)
    return f"{told}; {', '.join(parts)}."


def _named(found: Found, side: Mapping[str, np.ndarray], place: int, which: np.ndarray, sign: int) -> str:
    """The flagged classes among `which`, the largest change first, with their shrunk changes and intervals."""
    chosen = np.flatnonzero(side["flagged"][place] & which)
    chosen = chosen[np.argsort(-np.abs(side["shrunk"][place][chosen]), kind="stable")]
    told = [f"{found['class_names'][index]} {_change(side, place, index, sign)}" for index in chosen[:NAMED]]
    return ", ".join(told) + (f" and {len(chosen) - NAMED} more" if len(chosen) > NAMED else "")


def _change(side: Mapping[str, np.ndarray], place: int, index: int, sign: int) -> str:
    value, *ends = (sign * 100 * side[key][place, index] for key in ("shrunk", "low", "high"))
    return f"{value:+.1f} ({min(ends):+.1f} to {max(ends):+.1f})"


def _won_text(found: Found, side: Mapping[str, np.ndarray], names: Sequence[str]) -> list[str]:
    lines = [
        f"* {name}: {_gainers(found, side, place)}"
        for place, name in enumerate(names)
        if np.isfinite(side["raw"][place]).any()
    ]
    head = "**Trained on the modification instead**, both tested on it:\n\n"
    return [head + "\n".join(lines)] if lines else []


def _gainers(found: Found, side: Mapping[str, np.ndarray], place: int) -> str:
    up, down = (_named(found, side, place, sign * side["raw"][place] > 0, 1) for sign in (1, -1))
    parts = [f"gain for {up}"] * bool(up) + [f"loss for {down}"] * bool(down)
    return f"{'; '.join(parts) or 'no class changes that could be shown'}."


def _robustness(found: Found) -> list[str]:
    side, gained = found["robustness"], found["differences"]["gained"]
    columns = ["trained on", "mCE", "of unseen ones", "relative mCE", "mean gain, modified", "gain, original"]
    rows = [
        [
            training,
            *(_ratio(side[name][row]) for name in ("mce", "mce_unseen", "relative_mce")),
            *(
                "–" if row == ORIGINAL else span(one, place)
                for one, place in ((found["differences"]["gained_mean"], row), (gained, (row, ORIGINAL)))
            ),
        ]
        for row, training in enumerate(found["trainings"])
    ]
    left = side["left_out"]
    return [
        "## Robustness in one number",
        "Mean corruption error (mCE) as in ImageNet-C, with the same network trained on the original images as the "
        "reference, whose value is therefore 100 %: errors of each modification, summed over its severities, over "
        "those of the reference, and the mean of these ratios. The relative one takes the error on the original "
        "images away first. *Unseen* leaves out the modification that was trained on. With 95 % intervals; the last "
        "two columns are in points.",
        table(columns, rows),
        f"Left out of the relative error, because they take nothing that could be shown: {', '.join(left)}."
        if left
        else "",
    ]


def _ratio(one) -> str:
    if not np.isfinite(one.value):
        return "–"
    return f"{percent(one.value, 0)} ({100 * one.low:.0f}–{100 * one.high:.0f})"


def _limits(found: Found) -> list[str]:
    lines = [
        "* **One severity is not a curve.** What holds for the severities above need not hold for others.",
        "* **The same budget for all.** Each training has the same network, epochs and settings, tuned for none of "
        "them; another budget may favour another.",
        "* **Modifications are made by a program.** Photographs taken at night differ in more than their light.",
    ]
    if found["seeds"] == 1:
        lines.append("* **One seed.** Another training may differ by more than the intervals, which are over images.")
    elif found["seeds"] < 5:
        lines.append(
            f"* **{plural(found['seeds'], 'seed')}.** How much trainings differ is known only roughly from so few; the "
            "intervals allow for it."
        )
    return ["## What this cannot say", "\n".join(lines)]


def _made(found: Found, command: str) -> list[str]:
    runs = ", ".join(f"`{run}`" for run in found["runs"].values())
    return [
        "## How it was made",
        f"```bash\n{command}\n```",
        f"Network: {found['network']}. Learnt from {found['dataset']}/{found['split']}, tested on "
        f"{found['dataset']}/{found['test_split']}: {found['images']:,} images with labels. Trainings: "
        f"{len(found['trainings'])} sets, {plural(found['seeds'], 'seed')} each; each set is an ordinary run of "
        f"`train-cnn`, which `evaluate`, `compare` and `gap` read: {runs}.",
    ]

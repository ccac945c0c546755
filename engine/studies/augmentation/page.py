"""The page of a study of augmentation: sentences and tables filled from the findings, so that no number is typed."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from gapscope.studies.augmentation.answers import BOTH, FEATURES, HEAD
from gapscope.studies.augmentation.findings import FIRST, HEADLINE, LEVEL, REFITTED, by_headline
from gapscope.studies.augmentation.measures import MEASURES
from gapscope.studies.augmentation.verdict import verdict
from gapscope.studies.replication.writing import plural, reach, table

Found = Mapping[str, Any]
SHEET = "contact-"


def page(found: Found, folder: str, command: str, pictures: Iterable[str]) -> str:
    """The page as Markdown; pictures are expected in `folder` beside it."""
    there = list(pictures)
    sections = (_head, _ranking, _all, _beyond, _over_head, _classes, _sets)
    parts = [part for section in sections for part in section(found)]
    parts += [*_sheets(found, there), *_limits(found), *_made(found, command)]
    return "\n\n".join(_with_picture(part, folder, there) for part in parts if part) + "\n"


def _with_picture(part: str, folder: str, there: list[str]) -> str:
    name, _, caption = part.removeprefix("@").partition(" ")
    if not part.startswith("@"):
        return part
    return f"![{caption}]({folder}/{name}.png)" if name in there else ""


def _head(found: Found) -> list[str]:
    lines = "\n".join(f"* {one}" for one in verdict(found))
    return [f"# {found['dataset']}: what helps a small, imbalanced set", lines]


def _ranking(found: Found) -> list[str]:
    names = ("accuracy", HEADLINE, "rare_recall", "common_recall")
    rows = [
        [
            found["trainings"][row],
            *(_score(found, row, name) for name in names),
            _change(found, "gained", row, HEADLINE),
        ]
        for row in by_headline(found)
    ]
    columns = ["training", *(MEASURES[name] for name in names), "gain in macro F1"]
    return [
        "## What helps, the best first",
        f"In percent on {found['images']:,} unseen images ({', '.join(found['test_splits'])}), {_over(found)}; the "
        f"last column is the change over *{found['trainings'][FIRST]}* in points, bold where it is sure. "
        f"{_unit(found)} Differences of one measure are corrected together (Benjamini-Hochberg). {_groups(found)}",
        table(columns, rows),
        "@gains Gains over the original images by measure",
    ]


def _over(found: Found) -> str:
    if found["seeds"] == 1:
        return "with 95 % intervals over images; a single seed says nothing about other seeds"
    return f"the mean of {found['seeds']} seeds, with 95 % intervals over other images and other seeds"


def _unit(found: Found) -> str:
    both = "images and seeds are" if found["seeds"] > 1 else "images are"
    return f"Trainings are compared image by image: {both} taken as samples of many."


def _groups(found: Found) -> str:
    if not found["rare"].any():
        return "All classes have as many training images, so none is rare."
    return (
        f"Rare: {plural(int(found['rare'].sum()), 'class', 'classes')} with fewer training images than the middle one; "
        f"all have {reach([int(found['counts'].min()), int(found['counts'].max())])} of them."
    )


def _score(found: Found, row: int, measure: str) -> str:
    value, low, high = _ends(found["scores"], row, found["measures"].index(measure))
    return f"{value:.1f} ({low:.1f}–{high:.1f})" if np.isfinite(value) else "–"


def _change(found: Found, side: str, row: int, measure: str) -> str:
    place = found["measures"].index(measure)
    value, low, high = _ends(found[side], row, place)
    if not np.isfinite(value):
        return "–"
    told = f"{value:+.1f} ({low:+.1f} to {high:+.1f})"
    return f"**{told}**" if found[side]["adjusted_p"][row, place] <= LEVEL else told


def _ends(side: Mapping[str, np.ndarray], row: int, column: int) -> tuple[float, float, float]:
    return tuple(100 * float(side[name][row, column]) for name in ("value", "low", "high"))


def _all(found: Found) -> list[str]:
    names = ("macro_precision", "macro_recall", "weighted_precision", "weighted_recall", "weighted_f1")
    rows = [[found["trainings"][row], *(_score(found, row, name) for name in names)] for row in by_headline(found)]
    return ["## The other measures", table(["training", *(MEASURES[name] for name in names)], rows)]


def _beyond(found: Found) -> list[str]:
    told = "Points more than plain augmentation alone reaches."
    return _added(found, "beyond", BOTH, "What synthetic images add to plain augmentation", told)


def _over_head(found: Found) -> list[str]:
    told = (
        f"Points more than *{REFITTED}* reaches: the networks trained on the original images, their last layer learnt "
        "again on their features of these images, as it is here, but without synthetic features."
    )
    return _added(found, "over_head", FEATURES, "What synthetic features add to a refitted last layer", told)


def _added(found: Found, side: str, kind: str, title: str, told: str) -> list[str]:
    """The changes of one side by the trainings of a kind; nothing where there is none."""
    rows = [row for row in by_headline(found) if found["kinds"][row] == kind]
    names = ("accuracy", HEADLINE, "rare_recall", "common_recall")
    cells = [[found["trainings"][row], *(_change(found, side, row, name) for name in names)] for row in rows]
    if not rows or not np.isfinite(found[side]["value"]).any():
        return []
    return [f"## {title}", told, table(["training", *(MEASURES[name] for name in names)], cells)]


def _classes(found: Found) -> list[str]:
    return ["## Classes", "@classes Recall of the rarest and the most frequent classes"]


def _sets(found: Found) -> list[str]:
    if not found["sets"]:
        return []
    names = ("kid", "precision", "recall", "class_agreement", "copies_of_training")
    rows = [
        [one["name"], f"{one['made']:,}", f"{one['kept']:,}", *(_metric(one.get(name)) for name in names)]
        for one in found["sets"]
    ]
    columns = ["set", "made", "kept", "KID", "precision", "recall", "class agreement", "copies of training"]
    return [
        "## The synthetic sets",
        "KID is 0 for a perfect generator; precision and recall are shares of synthetic and of real images that lie "
        "among the others; class agreement is how often a classifier that has seen no synthetic image confirms their "
        "label. All are of the images as they were made, before the filter. Generators learnt from the images that the "
        "networks learn from, and from no others. Methods that change training images (augment-only, mixup-pixels, "
        "cutmix) copy them by their nature.",
        table(columns, rows),
    ]


def _metric(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _sheets(found: Found, there: list[str]) -> list[str]:
    sheets = [name for name in there if name.startswith(SHEET)]
    told = "Real images, synthetic ones, and the training image nearest to each of these, of the rarest classes."
    return [told, *(f"@{name} {name.removeprefix(SHEET)}" for name in sheets)] if sheets else []


def _limits(found: Found) -> list[str]:
    lines = [
        f"All trainings see about as many images: {found['epochs']} epochs of the original set, and fewer of a larger "
        "one, so that no gain is owed to more steps.",
        "There is one division into training and test images. The intervals allow for other test images, not for other "
        "training images.",
        "Synthetic images were made once for each set; other seeds of a generator would make others.",
        "Weighted means take the classes' shares among the test images as given.",
    ]
    if _has_heads(found):
        lines.append(
            "Refitted last layers belong to the networks trained on the original images, seed by seed. Features of "
            "images that a network learnt from are not those of new ones; synthetic features are made of the former."
        )
    return ["## What this does not say", "\n".join(f"* {line}" for line in lines)]


def _made(found: Found, command: str) -> list[str]:
    runs = ", ".join(f"`{name}`" for name in found["runs"].values())
    jobs = "`train-cnn` or `refit-head`" if _has_heads(found) else "`train-cnn`"
    return [
        "## How it was made",
        f"```bash\n{command}\n```",
        f"Network: {found['network']}. Each of the {len(found['trainings'])} trainings is an ordinary run of "
        f"{jobs} with {plural(found['seeds'], 'seed')}, which `evaluate`, `compare` and `gap` read: {runs}.",
    ]


def _has_heads(found: Found) -> bool:
    return bool({HEAD, FEATURES} & set(found["kinds"]))

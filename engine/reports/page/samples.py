"""Images that a model answers wrongly with the greatest certainty, as small pictures read from their dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from gapscope.core.errors import GapscopeError
from gapscope.data.catalogue import open_dataset
from gapscope.data.source import Source, Undecodable
from gapscope.evaluation.classes import align_classes
from gapscope.evaluation.picks import LEAST, MOST, RIGHT, WRONG, telling_rows
from gapscope.predictions import Predictions
from gapscope.reports.page.blocks import Block, data_address, figure, section
from gapscope.reports.page.confusions import Held
from gapscope.reports.page.words import counted, percent, set_name
from gapscope.runs.run import Run
from gapscope.schemas.reasons import CODES
from PIL import Image

# Images under each heading, and the longer side of one in pixels; a small image is enlarged whole times.
SHOWN, SIDE = 10, 96
QUALITY = 80
HEADINGS = {
    f"{WRONG}, {MOST}": "Wrong, and most certain",
    f"{WRONG}, {LEAST}": "Wrong, and least certain",
    f"{RIGHT}, {LEAST}": "Right, but least certain",
}


@dataclass(frozen=True)
class Images:
    """Where the images of the sets are looked for.

    Attributes
    ----------
    data_root
        Folder of the datasets.
    seed
        Decides the splits of datasets that have none.
    """

    data_root: Path
    seed: int = 0

    def of(self, said: Predictions) -> Source:
        """The images that were predicted, checked to be the same by the labels of all of them.

        Raises
        ------
        GapscopeError
            They are not there, or are others.
        """
        source = open_dataset(said.dataset, self.data_root, seed=self.seed).source(said.split)
        if not _same(source, said):
            raise GapscopeError(f"what {said.name} names under {self.data_root} are not the images that were predicted")
        return source


def _same(source: Source, said: Predictions) -> bool:
    """Whether every predicted row has the label of the listed image that it names."""
    listing = source.listing
    if not said.n or said.sample_id.min() < 0 or said.sample_id.max() >= len(listing):
        return False
    labels = listing.labels[said.sample_id]
    if listing.class_names:
        index, _ = align_classes(said.class_names, listing.class_names, said.name)
        labels = np.where(labels >= 0, index[labels], -1)
    return bool((labels == said.label).all())


def sample_section(run: Run, held: Held, images: Images) -> Block | None:
    """The most certain errors of each set with their pictures; a sentence where these are not to be had."""
    galleries, missing = [], []
    reasons = _reasons(run)
    for where, said in held:
        found, told = _of_set(said, images, reasons)
        galleries += [one | {"title": f"{one['title']}: {said.model} on {where}"} for one in found]
        missing += [f"{where}: {told}"] if told else []
    names = [name for name in run.pictures if name.startswith(("predictions-", "saliency-"))]
    told = {where.replace("/", "-"): f"{where}: {_found(said)}" for where, said in held if said.known.any()}
    figures = [figure(name, run.picture(name), _alt(name, told)) for name in names]
    return section("samples", "Images", sentences=missing, galleries=galleries, figures=figures)


def _alt(name: str, told: Mapping[str, str]) -> str:
    """What a picture of images shows, and what was found on their set."""
    kind, _, where = name.partition("-")
    answers = "Right and wrong answers, the most and the least certain"
    what = answers if kind == "predictions" else "What speaks for each answer, by Grad-CAM"
    return f"{what}, on {told.get(where, where)}"


def _found(said: Predictions) -> str:
    """How many answers are right, and which wrong one is the most certain."""
    known = said.labelled()
    wrong = np.flatnonzero(known.label != known.predicted)
    told = f"{percent(1 - len(wrong) / known.n)} of {counted(known.n, 'image')} are answered rightly"
    if not len(wrong) or known.confidence is None:
        return told
    worst = wrong[known.confidence[wrong].argmax()]
    label, given = (known.class_names[index[worst]] for index in (known.label, known.predicted))
    return f"{told}; the most certain error is {label} taken for {given}, with {percent(known.confidence[worst])}"


def _reasons(run: Run) -> dict[tuple[str, int], list[str]]:
    """Of a gap, the reason codes of the target's rows, by set and sample id."""
    target = run.manifest.config.get("target")
    if not isinstance(target, str):
        return {}
    rows = run.table("reasons", ["sample_id", *CODES])
    return {(target, row["sample_id"]): [code.replace("_", " ") for code in CODES if row[code]] for row in rows}


def _of_set(said: Predictions, images: Images, reasons: Mapping) -> tuple[list[Block], str]:
    """Galleries, and why there are none."""
    if said.confidence is None or not said.known.any():
        return [], "no images are shown, because the model gives no probabilities or the set no labels."
    picked = telling_rows(said.label, said.predicted, said.confidence, said.sample_id, SHOWN)
    chosen = {title: picked[heading] for heading, title in HEADINGS.items() if len(picked[heading])}
    try:
        source = images.of(said)
        galleries = [_gallery(title, said, rows, source, reasons) for title, rows in chosen.items()]
    except (GapscopeError, OSError) as error:
        return [], f"the images are not shown, because {error}."
    return galleries, ""


def _gallery(title: str, said: Predictions, rows: Sequence[int], source: Source, reasons: Mapping) -> Block:
    return {"title": title, "images": [_shown(said, int(row), source, reasons) for row in rows]}


def _shown(said: Predictions, row: int, source: Source, reasons: Mapping) -> dict[str, Any]:
    sample = int(said.sample_id[row])
    label, given = (said.class_names[index] for index in (said.label[row], said.predicted[row]))
    return {
        "src": _thumbnail(source, sample),
        "label": label,
        "given": given,
        "confidence": float(said.confidence[row]),
        "name": source.listing.names[sample],
        "reasons": reasons.get((set_name({"dataset": said.dataset, "split": said.split}), sample), []),
    }


def _thumbnail(source: Source, sample: int) -> str | None:
    """The image as a small JPEG; None where it cannot be decoded."""
    try:
        picture = source.image(sample)
    except Undecodable:
        return None
    scale = SIDE / max(picture.size)
    scale = max(1, int(scale)) if scale >= 1 else scale
    size = tuple(max(1, round(scale * length)) for length in picture.size)
    small = picture.resize(size, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS)
    stream = BytesIO()
    small.save(stream, "JPEG", quality=QUALITY, optimize=True)
    return data_address(stream.getvalue(), "jpeg")

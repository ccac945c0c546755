"""Predictions, reasons and attributes as a folder that FiftyOne reads as a `FiftyOneDataset`.

Of the two versions of the format this is the one without a dump of FiftyOne's own database, which its importer reads as
well: ``metadata.json`` names the classes, and each sample holds plain fields and ``_cls`` for labels.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gapscope.attributes import ATTRIBUTES
from gapscope.attributes.attribute import attributes_of
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.text import counted
from gapscope.data.source import Source, Undecodable
from gapscope.exports.lists import write_list
from gapscope.exports.subject import Subject, Written, file_of
from gapscope.predictions import Predictions
from gapscope.schemas.reasons import CODES

METADATA, SAMPLES, DATA = "metadata.json", "samples.json", "data"


def export(subject: Subject, out: Location) -> Written:
    """Write the samples of all sets that a run has predicted, with the reasons of a gap; some milliseconds an image.

    Raises
    ------
    InputError
        The run has no predictions, or no image of them is to be had.
    """
    classes: dict[str, None] = {}
    missing: list[str] = []

    def samples() -> Iterator[dict[str, Any]]:
        for predictions in subject.predictions():
            source = subject.images(predictions)
            if source is None:
                missing.append(predictions.name)
                continue
            classes.update(dict.fromkeys(predictions.class_names))
            yield from _samples(predictions, source, _reasons(subject, predictions.name), out)

    count = write_list(out / SAMPLES, samples(), '{"samples": [', "]}")
    if not count:
        raise InputError(f"the images of {', '.join(missing)} are not to be had; name their folder with --data-root")
    info = {"source": f"gapscope, {subject.run.name}"}
    content = {"media_type": "image", "info": info, "default_classes": list(classes)}
    (out / METADATA).write_text(json.dumps(content, indent=1))
    without = f", without those of {', '.join(missing)}, which were not found" if missing else ""
    opens = f'`fiftyone.Dataset.from_dir("{out}", dataset_type=fiftyone.types.FiftyOneDataset)`'
    return Written(f"{counted(count, 'sample')}{without}", opens)


def _samples(
    predictions: Predictions, source: Source, reasons: Mapping[int, list[str]], out: Location
) -> Iterator[dict[str, Any]]:
    for row, sample in enumerate(predictions.sample_id.tolist()):
        try:
            attributes = _attributes(source, sample)
            path = _file(source, sample, predictions.name, out)
        except (Undecodable, OSError):
            continue
        label, given = int(predictions.label[row]), int(predictions.predicted[row])
        confidence = None if predictions.confidence is None else float(predictions.confidence[row])
        right = [] if label < 0 else ["right" if label == given else "wrong"]
        yield {
            "filepath": path,
            "tags": [predictions.split or predictions.dataset, *right],
            "metadata": None,
            "_media_type": "image",
            "dataset": predictions.dataset,
            "sample_id": sample,
            "ground_truth": None if label < 0 else _classification(predictions.class_names[label]),
            "prediction": _classification(predictions.class_names[given], confidence),
            "reasons": reasons.get(sample, []),
            **attributes,
        }


def _classification(name: str, confidence: float | None = None) -> dict[str, Any]:
    sure = {} if confidence is None else {"confidence": confidence}
    return {"_cls": "Classification", "tags": [], "label": name, **sure}


def _attributes(source: Source, sample: int) -> dict[str, float | None]:
    """The attributes of an image under names that FiftyOne takes; None for what an image does not have."""
    image = np.asarray(source.image(sample))
    data = source.read(sample) if hasattr(source, "read") else b""
    values = attributes_of(image, data)
    return {
        name.replace("-", "_"): float(value) if np.isfinite(value) else None
        for name, value in zip(ATTRIBUTES, values, strict=True)
    }


def _file(source: Source, sample: int, where: str, out: Location) -> str:
    """The image's own file, or one that is written below data/, as seen from the folder."""
    there = file_of(source, sample)
    if there is not None:
        return str(there)
    name = f"{DATA}/{where.replace('/', '-')}-{sample}.png"
    (out / name).write_atomically(lambda file: source.image(sample).save(file, "PNG"))
    return name


def _reasons(subject: Subject, where: str) -> dict[int, list[str]]:
    """Of a gap, why its target's images may be misclassified."""
    run = subject.run
    if run.manifest.config.get("target") != where:
        return {}
    rows = run.table("reasons", ["sample_id", *CODES])
    return {row["sample_id"]: [code.replace("_", " ") for code in CODES if row[code]] for row in rows}

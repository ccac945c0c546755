"""Figures of what a network predicts for a set: telling images with its predictions, and where it looks."""

from collections.abc import Mapping, Sequence

import numpy as np

from gapscope.cnn.images import Images
from gapscope.cnn.saliency import grad_cam
from gapscope.cnn.test_set import TestSet
from gapscope.cnn.training_run import TrainingRun
from gapscope.core.errors import InputError
from gapscope.draw import png
from gapscope.draw.gallery import Tile, gallery
from gapscope.evaluation.picks import telling_rows
from gapscope.networks.pixels import normalised, to_device
from gapscope.networks.trained import Trained
from gapscope.predictions import Predictions, read_predictions
from gapscope.runs.folder import PREDICTIONS

# Images under each heading.
SHOWN = 8
Rows = Mapping[str, Sequence[Tile]]


def draw_predictions(run: TrainingRun, model: Trained, test: TestSet, images: Images) -> list[str]:
    """Write ``predictions-SET.png`` and ``saliency-SET.png``; a sentence for the user where the second cannot be."""
    place = run.place(model.title) / PREDICTIONS / test.folder
    names = {"dataset": test.dataset, "split": test.split, "class_names": model.class_names}
    said = read_predictions(str(place), model=model.title, **names)
    picked = telling_rows(said.label, said.top[:, 0], said.confidence, said.sample_id, SHOWN)
    rows = {heading: _tiles(said, chosen, images) for heading, chosen in picked.items()}
    title = f"{model.title} on {test.name}"
    run.draw(model.title, f"predictions-{test.folder}", png(gallery(rows, title=title)))
    try:
        looked: Rows = {heading: _with_heat(model, tiles) for heading, tiles in rows.items()}
    except InputError as error:
        return [f"{test.name}: no picture of where {model.title} looks, because {error}"]
    picture = gallery(looked, title=f"{title}: what speaks for each answer, by Grad-CAM")
    run.draw(model.title, f"saliency-{test.folder}", png(picture))
    return []


def _tiles(said: Predictions, rows: np.ndarray, images: Images) -> list[Tile]:
    """The images at ``rows : (n,)`` of the predictions, as the network sees them, with its answers."""
    pixels = images.batch(said.sample_id[rows]).x
    return [
        Tile(image, said.class_names[given], said.class_names[label] if label >= 0 else None, float(confidence))
        for image, given, label, confidence in zip(
            pixels, said.top[rows, 0], said.label[rows], said.confidence[rows], strict=True
        )
    ]


def _with_heat(model: Trained, tiles: Sequence[Tile]) -> list[Tile]:
    """The tiles with what speaks for the class that was given."""
    if not tiles:
        return []
    x = normalised(to_device(np.stack([tile.image for tile in tiles]), model.device), model.mean, model.std)
    given = np.array([model.class_names.index(tile.predicted) for tile in tiles])
    heat = grad_cam(model.model, x, given)
    return [tile._replace(heat=one) for tile, one in zip(tiles, heat, strict=True)]

"""Sets of images that trained networks are evaluated on, and what networks predict for them."""

from collections.abc import Callable, Sequence
from statistics import mean, stdev
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from gapscope.cnn.images import Images, batches, even_parts, usable
from gapscope.cnn.view import CHUNK_BYTES, ImageView
from gapscope.core.chunk import Chunk
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.data.dataset import Dataset
from gapscope.data.source import Source
from gapscope.evaluation import align_classes, predict
from gapscope.evaluation.copies import copies_among
from gapscope.evaluation.predict import outcomes_of, predictions
from gapscope.networks.trained import Trained
from gapscope.schemas.results import Result
from gapscope.store import Piece
from gapscope.store.workspace import slug
from gapscope.stream import CHUNK_ROWS, connect
from gapscope.summaries.outcomes import Outcomes


class TestSet(NamedTuple):
    """A split to evaluate on.

    Attributes
    ----------
    classes : (c,) int64
        The model's class index for each of the split's classes.
    note
        What has to be said about its classes.
    """

    dataset: str
    split: str
    source: Source
    classes: np.ndarray
    note: str

    @classmethod
    def of(cls, dataset: Dataset, split: str, known: Sequence[str]) -> "TestSet":
        """The split of a dataset, for a network of the classes `known`.

        Raises
        ------
        InputError
            It has classes that the network does not know.
        """
        source = dataset.source(split)
        if not source.listing.class_names:
            return cls(dataset.name, split, source, np.empty(0, np.int64), "")
        classes, note = align_classes(known, source.listing.class_names, f"{dataset.name}/{split}")
        return cls(dataset.name, split, source, classes, note)

    @property
    def name(self) -> str:
        """As ``dataset/split``."""
        return f"{self.dataset}/{self.split}"

    @property
    def folder(self) -> str:
        """What its predictions and figures are called."""
        return slug(f"{self.dataset}-{self.split}")


def predicted(
    model: Trained, images: Images, classes: np.ndarray, place: Location, progress: Progress
) -> tuple[Outcomes, str]:
    """Write the predictions for all images of a set to `place`; what they are worth, counted on each image once, and
    what is to be said of copies.
    """
    written = {"synthetic": _flags(images), "digests": images.digests}
    with connect(threads=1) as workers:
        view = ImageView.of(images)
        counts = predict(model, model.class_names, view, classes, place, workers, **written, progress=progress)
    used = usable(images)
    copies = copies_among(images.digests[used], images.source.listing.labels[used])
    if copies.first is not None:
        counts = outcomes(model, images, used[copies.first], known=classes)
    return counts, copies.said(images.name, len(used))


def _flags(images: Images) -> Callable[[Piece], np.ndarray] | None:
    """Says which of the images of a piece, those that were rejected left out, are synthetic; None where none is."""
    synthesis = images.source.listing.synthesis
    if synthesis is None:
        return None
    return lambda piece: synthesis.made[[row for row in range(*piece) if row not in images.rejected]]


def outcomes(
    model: Trained,
    images: Images,
    rows: np.ndarray,
    done: Callable[[int], object] = lambda _count: None,
    *,
    known: np.ndarray | None = None,
) -> Outcomes:
    """What a model says of the images at `rows`, counted and not kept; ``done(n)`` is called after n more of them.
    `known` are the model's class indices for those of the images, where these are others.
    """
    classes = len(model.class_names)
    index = np.append(np.arange(classes) if known is None else known, -1)
    size = max(1, min(CHUNK_ROWS, CHUNK_BYTES // images.frame.pixels))
    counted = Outcomes.none(classes)
    for batch in batches(images, even_parts(rows, size)):
        said = predictions(model, Chunk(batch.rows, batch.x, index[batch.y].astype(np.int32)))
        counted = counted.merge(outcomes_of(said, classes))
        done(len(batch.rows))
    return counted


def means(model: str, seeds: int, results: Sequence[Result]) -> list[Result]:
    """The mean over seeds of each headline metric on each set, with the 95 % interval of Student's t; none for one."""
    if seeds < 2:
        return []
    factor = float(stdtrit(seeds - 1, 0.975)) / seeds**0.5
    values: dict[tuple[str, str, str, int], list[float]] = {}
    for one in results:
        if one.class_name is None:
            values.setdefault((one.dataset, one.split, one.metric, one.n), []).append(one.value)
    title = f"{model}, mean of {seeds} seeds"
    return [
        Result(
            **{"dataset": dataset, "split": split, "model": title, "metric": metric, "n": n},
            value=mean(result),
            low=mean(result) - factor * stdev(result),
            high=mean(result) + factor * stdev(result),
        )
        for (dataset, split, metric, n), result in values.items()
    ]

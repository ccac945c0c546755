"""Images that a model classifies wrongly with the greatest certainty, as small pictures read from their dataset."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gapscope.blocks import Block, Figure, Gallery, Heading, Picture, Sentence
from gapscope.blocks.formats import percent
from gapscope.core.errors import GapscopeError
from gapscope.core.files import read_table
from gapscope.core.location import Location
from gapscope.core.text import counted
from gapscope.data.addresses import last_name
from gapscope.data.catalogue import open_dataset
from gapscope.data.modified import SEPARATOR
from gapscope.data.source import Source
from gapscope.evaluation.best_predictions import best_predictions
from gapscope.evaluation.classes import align_classes
from gapscope.evaluation.picks import LEAST, MOST, RIGHT, WRONG, telling_rows
from gapscope.gaps.words import reason
from gapscope.predictions import Predictions
from gapscope.reports.thumbnail import thumbnail
from gapscope.runs.run import FIGURES, MANIFEST, Run
from gapscope.schemas.reasons import CODES
from gapscope.store import EmbeddingStore, open_store
from gapscope.store.plan import pieces_of
from gapscope.stream import CHUNK_ROWS

# Images under each heading.
SHOWN = 10
HEADINGS = {
    f"{WRONG}, {MOST}": "Wrong, and most certain",
    f"{WRONG}, {LEAST}": "Wrong, and least certain",
    f"{RIGHT}, {LEAST}": "Right, but least certain",
}
PREDICTIONS, SALIENCY, REASONS = "predictions-", "saliency-", "reasons.parquet"


@dataclass(frozen=True)
class Images:
    """Where the images of the sets are looked for.

    Attributes
    ----------
    data_root
        Folder of the datasets that are known by name; those given by path are looked for there.
    seed
        Decides the splits of datasets that have none.
    """

    data_root: Path
    seed: int = 0

    def of(self, predictions: Predictions, run: Run) -> Source:
        """The images that were predicted, checked to be the same by the labels of all of them.

        Raises
        ------
        GapscopeError
            They are not there, or are others.
        """
        reasons = []
        stores = _stores(predictions, run)
        named = _imported(predictions, stores)
        for place in dict.fromkeys([*_places(predictions, run, stores), predictions.dataset]):
            try:
                source = open_dataset(place, self.data_root, seed=self.seed).source(predictions.split)
            except GapscopeError as error:
                reasons.append(str(error))
                continue
            if _same(source, predictions, named):
                return source
            reasons.append(f"what {place} names are not the images that were predicted")
        raise GapscopeError(reasons[-1])


def _stores(predictions: Predictions, run: Run) -> list[EmbeddingStore]:
    """Those that the run has read of the dataset that was predicted, whatever was done to its images."""
    plain = predictions.dataset.partition(SEPARATOR)[0]
    places = [Location.of(one.place) for one in run.manifest.inputs if "/embeddings/" in one.place]
    stores = [open_store(place) for place in places if (place / MANIFEST).exists()]
    return [store for store in stores if store.provenance.dataset.partition(SEPARATOR)[0] == plain]


def _imported(predictions: Predictions, stores: Sequence[EmbeddingStore]) -> EmbeddingStore | None:
    """The store of imported features that was predicted, whose names alone say whose they are; None for others."""
    for store in stores:
        made = store.provenance
        if made.is_imported and (made.dataset, made.split) == (predictions.dataset, predictions.split):
            return store
    return None


def _places(predictions: Predictions, run: Run, stores: Sequence[EmbeddingStore]) -> Iterator[str]:
    """Paths from which the dataset may have been read, by the options of the run and by the stores that it read.

    What stands behind the first plus in the dataset's name, its modifications, stands behind the path too.
    """
    _, plus, modifications = predictions.dataset.partition(SEPARATOR)
    given = run.manifest.config.get("dataset")
    for path in [given if isinstance(given, str) and "/" in given else "", *(one.manifest.images for one in stores)]:
        if path and Path(path).exists():
            yield f"{path}{plus}{modifications}"


def _same(source: Source, predictions: Predictions, named: EmbeddingStore | None) -> bool:
    """Whether every predicted row has the label of the listed image that it names, and its name, if one is `named`."""
    listing = source.listing
    ids = predictions.sample_id
    if not predictions.n or ids.min() < 0 or ids.max() >= len(listing):
        return False
    if named is not None and not _same_names(listing.names, ids, named):
        return False
    labels = listing.labels[ids]
    if listing.class_names:
        index, _ = align_classes(predictions.class_names, listing.class_names, predictions.name)
        labels = np.where(labels >= 0, index[labels], -1)
    return bool((labels == predictions.label).all())


def _same_names(names: Sequence[str], ids: np.ndarray, store: EmbeddingStore) -> bool:
    """Whether the stored row of each of ``ids : (n,)`` is called as the listed image of that number."""
    own = store.sample_ids()
    predicted = np.isin(own, ids)
    if predicted.sum() < len(np.unique(ids)):
        return False
    for piece in pieces_of(0, store.rows, CHUNK_ROWS):
        numbers, paths = own[slice(*piece)].tolist(), store.paths(piece)
        rows = np.flatnonzero(predicted[slice(*piece)]).tolist()
        if any(last_name(paths[row]) != last_name(names[numbers[row]]) for row in rows):
            return False
    return True


def sample_blocks(run: Run, images: Images) -> list[Block]:
    """The most certain errors of each set with their pictures; a sentence where these are not to be had."""
    galleries: list[Block] = []
    sentences: list[Block] = []
    accuracies = {}
    for where, predictions in best_predictions(run):
        shown, missing = _of_set(where, predictions, run, images)
        galleries += shown
        sentences += [Sentence(f"{where}: {missing}")] if missing else []
        if predictions.known.any():
            accuracies[where.replace("/", "-")] = f"{where}: {_accuracy(predictions)}"
    names = [name for name in run.pictures if name.startswith((PREDICTIONS, SALIENCY))]
    figures = [Figure(name, run.place / FIGURES / f"{name}.png", _alt(name, accuracies)) for name in names]
    below = [*sentences, *galleries, *figures]
    return [Heading("samples", "Images"), *below] if below else []


def _alt(name: str, accuracies: Mapping[str, str]) -> str:
    """What a picture of images shows, and what was measured on their set."""
    kind, _, where = name.partition("-")
    predicted = "Right and wrong predictions, the most and the least certain"
    what = predicted if kind == "predictions" else "What speaks for each prediction, by Grad-CAM"
    return f"{what}, on {accuracies.get(where, where)}"


def _accuracy(predictions: Predictions) -> str:
    """How many predictions are right, and which wrong one is the most certain."""
    known = predictions.labelled()
    wrong = np.flatnonzero(known.label != known.predicted)
    right = f"{percent(1 - len(wrong) / known.n)} of {counted(known.n, 'image')} are classified correctly"
    if not len(wrong) or known.confidence is None:
        return right
    worst = wrong[known.confidence[wrong].argmax()]
    label, given = (known.class_names[index[worst]] for index in (known.label, known.predicted))
    return f"{right}; the most certain error is {label} predicted as {given}, with {percent(known.confidence[worst])}"


def _reasons(run: Run, where: str, ids: np.ndarray) -> dict[int, tuple[str, ...]]:
    """Of a gap with the target `where`, the reason codes of some of its images, by sample id."""
    place = run.place / REASONS
    if run.manifest.config.get("target") != where or not place.exists():
        return {}
    table = read_table(place)
    some = table.filter(pc.is_in(table["sample_id"], pa.array(ids)))
    return {row["sample_id"]: _of_row(row) for row in some.to_pylist()}


def _of_row(row: Mapping) -> tuple[str, ...]:
    """The codes of a row, and what its attributes say."""
    codes = [reason(code) for code in CODES if row.get(code)]
    return (*codes, row["image_reason"]) if row.get("image_reason") else tuple(codes)


def _of_set(where: str, predictions: Predictions, run: Run, images: Images) -> tuple[list[Gallery], str]:
    """Galleries, or why there are none."""
    if predictions.confidence is None or not predictions.known.any():
        return [], "no images are shown, because the model gives no probabilities or the set no labels."
    columns = (predictions.label, predictions.predicted, predictions.confidence, predictions.sample_id)
    picked = telling_rows(*columns, SHOWN)
    try:
        source = images.of(predictions, run)
        reasons = _reasons(run, where, predictions.sample_id[np.concatenate([picked[kind] for kind in HEADINGS])])
        return [
            Gallery(f"{title}: {predictions.model} on {where}", _pictures(predictions, picked[kind], source, reasons))
            for kind, title in HEADINGS.items()
            if len(picked[kind])
        ], ""
    except (GapscopeError, OSError) as error:
        return [], f"the images are not shown, because {error}."


def _pictures(predictions: Predictions, rows: Sequence[int], source: Source, reasons: Mapping) -> tuple[Picture, ...]:
    return tuple(_picture(predictions, int(row), source, reasons) for row in rows)


def _picture(predictions: Predictions, row: int, source: Source, reasons: Mapping) -> Picture:
    sample = int(predictions.sample_id[row])
    label, given = (predictions.class_names[index[row]] for index in (predictions.label, predictions.predicted))
    return Picture(
        src=thumbnail(source, sample),
        name=source.listing.names[sample],
        label=label,
        given=given,
        confidence=float(predictions.confidence[row]),
        reasons=reasons.get(sample, ()),
    )

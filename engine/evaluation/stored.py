"""What a trained model says of a stored set, as predictions, results, and sentences about them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.core.text import counted
from gapscope.data.label_order import check_label_order
from gapscope.evaluation import align_classes, measure, predict
from gapscope.evaluation.copies import once
from gapscope.evaluation.predict import count
from gapscope.probes.model import Classifier
from gapscope.runs.folder import PREDICTIONS
from gapscope.schemas.results import Result
from gapscope.store import EmbeddingStore
from gapscope.store.comparable import difference, meaning_of, way_out
from gapscope.store.selected import Selected
from gapscope.store.workspace import slug
from gapscope.stream import Workers
from gapscope.summaries.outcomes import Outcomes

MUST_AGREE = ("dim", "weights_hash", "layer", "preprocessing", "precision")


class Evaluation(NamedTuple):
    """Metrics of one model on one set, and sentences about them."""

    results: list[Result]
    notes: list[str]


def title_of(member: str, class_weight: str = "none", without: str = "") -> str:
    """What results call a model of a member of `PROBES`, trained with a treatment of unequal classes, without a set.

    >>> title_of("softmax", "balanced"), title_of("lda", without="sketch")
    ('softmax, balanced', 'lda without sketch')
    """
    title = f"{member} without {without}" if without else member
    return title if class_weight == "none" else f"{title}, {class_weight}"


def title_of_model(model: Classifier) -> str:
    """What results call a trained model."""
    return title_of_details(model.name, model.details)


def title_of_details(member: str, details: Mapping[str, Any]) -> str:
    """What results call a trained model of a member with these details."""
    return title_of(member, details.get("class_weight", "none"), details.get("without", ""))


def check_features(model: Classifier, store: EmbeddingStore) -> None:
    """Refuse a set whose features were made differently from those that the model was trained on.

    Raises
    ------
    InputError
        They differ; the message names one difference.
    """
    there = meaning_of(store.provenance)
    if field := difference(model.features, there, MUST_AGREE):
        raise InputError(
            f"{store.name} has features of another kind: {field} is {there[field]!r}, the model was trained on "
            f"{model.features.get(field)!r}; {way_out(store.provenance)}"
        )


def evaluate(
    model: Classifier, title: str, store: EmbeddingStore, place: Location, workers: Workers, progress: Progress
) -> Evaluation:
    """Predictions of a model, which results call `title`, for a set, written below `place`; and their worth."""
    check_features(model, store)
    made = store.provenance
    classes, note = classes_of(model, store)
    target = place / PREDICTIONS / slug(f"{made.dataset}-{made.split}")
    flags = None if made.synthetic is None else store.is_synthetic
    names = model.class_names
    counts = predict(model, names, store.view(), classes, target, workers, synthetic=flags, progress=progress)
    few, repeated = once(store)
    counts = counts if few is store else count(model, names, few.view(), classes, workers)
    results = measure(counts, made.dataset, made.split, title, names) if counts.n else []
    strangers = untrained(model.details, names, store.name, counts)
    copies = few.sentence if few is not store and isinstance(few, Selected) else repeated
    return Evaluation(results, [one for one in (note, copies, *_remarks(store, counts), strangers) if one])


def classes_of(model: Classifier, store: EmbeddingStore) -> tuple[np.ndarray, str]:
    """The model's class index of each of the store's, none where these have no names; and a note, mostly empty.

    Raises
    ------
    InputError
        The store has classes that the model does not know.
    """
    if not store.class_names:
        return np.empty(0, np.int64), ""
    return align_classes(model.class_names, store.class_names, store.name)


def known_classes_of(model: Classifier, store: EmbeddingStore) -> tuple[np.ndarray, str]:
    """The model's class index of each of the store's, all -1 where these are other classes; and a note then."""
    try:
        return classes_of(model, store)[0], ""
    except InputError as error:
        return np.full(len(store.class_names), -1), f"There is no back-test on {store.name}: {error}."


def _remarks(store: EmbeddingStore, counts: Outcomes) -> list[str]:
    """What has to be said about the labels of a set."""
    if not store.rows:
        return [f"{store.name} has no rows, so nothing was predicted"]
    if not counts.n:
        return [
            f"{store.name} has no labels; its {counted(counts.unlabelled, 'row was', 'rows were')} predicted and not "
            "measured"
        ]
    finding = check_label_order(counts.confusion)
    some = f"{store.name}: {counts.unlabelled:,} rows without a label were predicted but not counted"
    return [f"warning: {store.name}: {finding.sentence}" if finding else "", some if counts.unlabelled else ""]


def untrained(details: Mapping[str, Any], class_names: Sequence[str], name: str, counts: Outcomes) -> str:
    """Which classes of the set `name` a model with these `details` had no training rows of; empty where there are none
    or that is not known.
    """
    rows = counts.confusion.sum(axis=1)
    strangers = [index for index, trained in enumerate(details.get("class_rows", ())) if not trained and rows[index]]
    if not strangers:
        return ""
    total, names = int(rows[strangers].sum()), ", ".join(class_names[index] for index in strangers[:5])
    more = f" and {len(strangers) - 5:,} more classes" if len(strangers) > 5 else ""
    never = f"the model had no training rows of {names}{more}"
    return f"warning: {name}: {never}, so its {total:,} rows of them are all wrong"

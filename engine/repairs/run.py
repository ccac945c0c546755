"""A run of `repair`: fit on some rows of the target, choose by them, judge on the others, and save the chosen model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.files import write_json
from gapscope.core.progress import Progress
from gapscope.core.text import counted
from gapscope.evaluation.copies import first_of_each, with_copies
from gapscope.evaluation.stored import evaluate
from gapscope.probes.model import Classifier
from gapscope.probes.rules.linear import Linear
from gapscope.repairs import cause, record
from gapscope.repairs.cause import Images, Reproduced
from gapscope.repairs.criterion import ROWS, mixes_apart
from gapscope.repairs.cross_fit import cross_fitted, why_not
from gapscope.repairs.fit import (
    CAUSE,
    NOTHING,
    Candidate,
    chosen_without_labels,
    known_of,
    seen_of,
    with_signs,
    without_labels,
)
from gapscope.repairs.groups import Groups, table_of_cells
from gapscope.repairs.judge import Gain, gain_of_changes, gains, gains_of_rows
from gapscope.repairs.labelled import Rows
from gapscope.repairs.labels import first_labelled, read_label_file, rows_with_labels
from gapscope.repairs.seen import prepared
from gapscope.runs.folder import RunFolder
from gapscope.schemas.results import Result
from gapscope.store import EmbeddingStore, View
from gapscope.store.comparable import Relabelled
from gapscope.store.selected import Selected, whole_of
from gapscope.stream import Workers

Array = np.ndarray
# Rows of the target that are judged and not fitted to: this share of them, and at most so many.
JUDGED, JUDGED_ROWS = 0.5, 20_000
# Rows of each set that are fitted to, at most. More change no mean by a hundredth of a deviation, and cost half a
# minute for 100,000 of a thousand features and classes.
FITTED_ROWS = 100_000
ABOUT = "about"


@dataclass(frozen=True)
class Sets:
    """A model with the two sets: as stored, and as views with its class indices."""

    model: Classifier
    reference: EmbeddingStore | Selected
    target: EmbeddingStore | Selected
    views: tuple[View, View]

    @classmethod
    def of(cls, model: Classifier, reference: EmbeddingStore, target: EmbeddingStore, classes: tuple) -> "Sets":
        """`classes` are the model's class indices for those of the two stores.

        Raises
        ------
        InputError
            The model has no linear head, or the target has too few rows.
        """
        if not isinstance(model.rule, Linear):
            raise InputError(
                f"{model.name} is no linear model, and a repair is a change of linear weights; train softmax, "
                "logistic, ridge or lda on the same features and repair that"
            )
        if target.rows < 2:
            raise InputError(
                f"{target.name} has {counted(target.rows, 'row')}; a repair needs 2 or more to see how they moved"
            )
        if not reference.rows:
            raise InputError(f"{reference.name} has no rows to compare with; name another --reference")
        names = list(model.class_names)
        stores = zip((reference, target), classes, strict=True)
        return cls(model, reference, target, tuple(Relabelled(store, names, index).view() for store, index in stores))

    def check_same_mix(self) -> None:
        """Refuse the premise that both sets have the same class shares where their labels say otherwise.

        Raises
        ------
        InputError
            They do.
        """
        label = [np.concatenate([chunk.y for chunk in first_rows(one).chunks()]) for one in self.views]
        reference, target = (one[one >= 0] for one in label)
        k = len(self.model.class_names)
        if len(reference) and len(target) and mixes_apart(reference, target, k) > 1:
            raise InputError(
                f"the labels of {self.target.name} have other class shares than those of {self.reference.name}; leave "
                "--same-mix out"
            )


@dataclass(frozen=True)
class LabelsUsed:
    """Which target labels a repair may use: those of a file, of so many stored rows, or none."""

    file: str = ""
    stored: int = 0

    @property
    def are_used(self) -> bool:
        """Whether there are any."""
        return bool(self.file or self.stored)

    def count(self, class_names: tuple[str, ...]) -> int:
        """How many there are."""
        return len(read_label_file(self.file, class_names).label) if self.file else self.stored


class Choice(NamedTuple):
    """All repairs and the chosen one.

    Attributes
    ----------
    labelled : (n,) int64
        Sample ids of the rows whose labels were used.
    gains
        On the labelled rows, by heads that were not fitted to them; empty where no head was fitted to labels.
    reason
        Why none was, though there are labels.
    """

    candidates: list[Candidate]
    name: str
    labelled: Array
    gains: dict[str, Gain]
    reason: str = ""

    @property
    def repair(self) -> Candidate:
        """The chosen one."""
        return next(one for one in self.candidates if one.name == self.name)


def repaired(
    sets: Sets,
    labels: LabelsUsed,
    made: RunFolder,
    workers: Workers,
    progress: Progress,
    *,
    seed: int,
    known_cause: Reproduced | None = None,
    same_mix: bool = False,
    groups: Groups | None = None,
) -> list[Result]:
    """Fit, choose, judge, save and predict; what was found is in the tables of the run."""
    model, (reference, target) = sets.model, sets.views
    fitted, judged = _divided(target)
    labelled = labelled_rows(labels, sets, fitted, workers) if labels.are_used else None  # refused before all work
    images = None
    with made.timed("fit"):
        known = known_of(model, first_rows(reference), workers, progress)
        candidates = without_labels(model, known, seen_of(model, fitted, workers, progress))
        if known_cause:
            apart = sets.target.sample_ids()[judged.start : judged.stop]
            found = cause.apart_from(known_cause, sets.reference, sets.target, apart)
            images = cause.images_of(found, reference, workers, seed)
            candidates.append(cause.candidate(model, images, seed))
        candidates = with_signs(model, candidates, reference, fitted)
        by_cause = cause.chosen_by_cause(model, candidates, images) if images else ""
        name = by_cause or chosen_without_labels(candidates, min(fitted.rows, ROWS), same_mix=same_mix)
        choice = Choice(candidates, name, np.empty(0, int), {})
    if labelled is not None:
        with made.timed("fit to labels"):
            choice = _with_labels(choice, labelled, model, groups, seed)
    with made.timed("judge"):
        trained = with_copies(sets.reference, images.after.sample_id if images else np.empty(0, int))
        used = with_copies(sets.target, choice.labelled)
        last = reference.store.view(max(reference.start, reference.stop - JUDGED_ROWS), reference.stop)
        won = gains(model, choice.candidates, judged, workers, progress, seed=seed, without=used)
        price = _costs(model, choice.candidates, last, images, trained, workers, progress, seed)
        if groups and won:
            cells = table_of_cells(model, choice.repair.head, judged, groups, workers)
            made.write_table(f"{record.CELLS}.parquet", cells)
    with made.timed("predict"):
        result = record.save(model, choice.repair, sets.target.name, made)
        for store in map(whole_of, (sets.reference, sets.target)):
            evaluate(result, result.name, store, made.place / record.MODELS / choice.name, workers, progress)
    ids = np.union1d(with_copies(sets.target, sets.target.sample_ids()[fitted.start : fitted.stop]), used)
    record.save_rows([(sets.target, ids), (sets.reference, trained[: None if choice.name == CAUSE else 0])], made)
    about = {"model": model.name, "reference": sets.reference.name, "target": sets.target.name}
    about |= {"labels": len(choice.labelled), "no_labels_because": choice.reason, "fitted": fitted.rows}
    about |= {"groups": groups.column if groups else "", "images": len(images.after.y) if images else 0}
    about |= {"cause": found.cause if by_cause and (choice.reason or not labels.are_used) else ""}
    about |= {"same_mix": same_mix, "judged": bool(won), "criterion": any(one.signs is not None for one in candidates)}
    write_json(made.place / f"{ABOUT}.json", about)
    won = won or choice.gains
    made.write_table(f"{record.REPAIRS}.parquet", record.table_of(choice.candidates, choice.name, won, price))
    return [
        *record.results_of(won, model, sets.target, "regained"),
        *record.results_of(price, model, sets.reference, "change_on_reference"),
    ]


def _costs(
    model: Classifier,
    candidates: Sequence[Candidate],
    reference: View,
    images: Images | None,
    trained: Array,
    workers: Workers,
    progress: Progress,
    seed: int,
) -> dict[str, Gain]:
    """What each repair changes on the reference. The head of the cause is judged on its `images` by heads that were
    fitted without them; heads that are fitted to labels, which may be that one changed, on all rows but `trained`.
    """
    ask = partial(gains, model, view=reference, workers=workers, progress=progress, seed=seed)
    if images is None:
        return ask(candidates, without=np.empty(0, int))
    free = [one for one in candidates if not one.labels and one.name != CAUSE]
    labelled = [one for one in candidates if one.labels]
    result = ask(free, without=np.empty(0, int))
    result |= ask(labelled, without=trained) if labelled else {}
    fitted = next(one for one in candidates if one.name == CAUSE)
    return result if fitted.head is None else result | {CAUSE: cause.price(model, fitted, images)}


def _with_labels(choice: Choice, chunk: Chunk, model: Classifier, groups: Groups | None, seed: int) -> Choice:
    """The choice by labelled rows, if they can choose."""
    group = groups(chunk.sample_id) if groups else None
    rows = Rows(prepared(model, chunk.x), chunk.y, group)
    reason = why_not(rows, model.rule, model.class_names)
    if reason:
        return choice._replace(labelled=chunk.sample_id, reason=reason)
    cross = cross_fitted(model.temperature, choice.candidates, choice.name, rows, seed)
    refused = [*cross.refused, *(one for one in choice.candidates if one.head is None)]
    name = cross.chosen()
    found = gains_of_rows(cross.candidates, cross.correct)
    if name != NOTHING:
        found[name] = gain_of_changes(cross.correct[:, 0], cross.gains())
    return Choice([*cross.candidates, *refused], name, chunk.sample_id, found)


def first_rows(view: View) -> View:
    """The rows of a set that are fitted to at most; rows stand in random order."""
    return view.store.view(view.start, min(view.stop, view.start + FITTED_ROWS))


def _divided(target: View) -> tuple[View, View]:
    """The rows to fit to, and the last rows, to judge by; rows stand in random order. Without a label among the last
    there is nothing to judge, and all are fitted to.
    """
    count = min(int(target.rows * JUDGED), JUDGED_ROWS)
    cut = target.stop - count
    judged = target.store.view(cut, target.stop)
    if not any((chunk.y >= 0).any() for chunk in judged.chunks()):
        cut, judged = target.stop, target.store.view(target.stop, target.stop)
    return target.store.view(target.start, min(cut, target.start + FITTED_ROWS)), judged


def labelled_rows(labels: LabelsUsed, sets: Sets, fitted: View, workers: Workers) -> Chunk:
    """The target rows whose labels may be used, with them; of copies that a file names, one of each."""
    if labels.file:
        read = read_label_file(labels.file, sets.model.class_names)
        every = replace(sets.views[1].store, store=whole_of(sets.target)).view()
        chunk = rows_with_labels(every, read, workers)
        return chunk.take(first_of_each(sets.target, chunk.sample_id))
    return first_labelled(fitted, labels.stored)

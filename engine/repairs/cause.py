"""What a proven cause is good for: the reference's images after it have labels where the target has none.

A head is trained on these images as they are and after the cause, and all repairs are judged on the latter: the one
that classifies most of them correctly is chosen.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gapscope.causes.record import REPRODUCED, explanations
from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.files import read_table
from gapscope.core.location import Location
from gapscope.core.random import stream
from gapscope.gaps.keys import keys_of_stores
from gapscope.probes.model import Classifier
from gapscope.repairs.cross_fit import best_of, why_not
from gapscope.repairs.fit import CAUSE, GROUPS, NEEDS_LABELS, NOTHING, Candidate
from gapscope.repairs.judge import Gain, gain_of_changes
from gapscope.repairs.labelled import Rows, anchored, logistic
from gapscope.repairs.labels import rows_of
from gapscope.repairs.seen import prepared
from gapscope.runs.folder import input_of
from gapscope.runs.run import RUNS, find_run
from gapscope.store import EmbeddingStore, View
from gapscope.stream import Workers

Array = np.ndarray


class Reproduced(NamedTuple):
    """The reference's images after a cause: its name, and their rows with the model's class indices."""

    cause: str
    rows: Chunk


class Images(NamedTuple):
    """The reference's images as they are and after a cause, row for row, with the model's class indices.

    Attributes
    ----------
    plain, after
        Their rows.
    group : (n,) int
        The fifth of the images that each is left out with.
    """

    cause: str
    plain: Chunk
    after: Chunk
    group: Array


def explained(workspace: Location, model: Location, stores: Sequence[EmbeddingStore]) -> str:
    """The run of `explain` that has named a cause for the model in this folder and these stores, the one that has
    looked at most images; empty without any.
    """
    wanted = {str(model): None, **{one.place: one.config_hash for one in map(input_of, stores)}}
    for run in explanations(workspace / RUNS):
        known = {one.place: one.config_hash for one in run.manifest.inputs}
        if known == wanted | {str(model): known.get(str(model))} and (run.place / f"{REPRODUCED}.parquet").exists():
            return run.name
    return ""


def reproduced(workspace: Location, run: str, model: Classifier, reference: str, target: str) -> Reproduced:
    """What a run of `explain` has kept for these two sets.

    Raises
    ------
    InputError
        It is about other sets or features, has named no cause, or its classes are others.
    """
    place = find_run(workspace, run) / f"{REPRODUCED}.parquet"
    if not place.exists():
        raise InputError(f"{run} has named no cause to train on; leave --explain out, or run `explain` again")
    table = read_table(place)
    about = {name.decode(): value.decode() for name, value in table.schema.metadata.items()}
    if (about["reference"], about["target"]) != (reference, target):
        raise InputError(
            f"{run} explains {about['target']} by {about['reference']}, and not {target} by {reference}; name the run "
            "of `explain` for these sets"
        )
    place_of = {name: index for index, name in enumerate(model.class_names)}
    y = np.array([place_of.get(name, -1) for name in table["class"].to_pylist()], np.int32)
    x = np.stack(table["embedding"].to_pylist()).astype(np.float32)
    if (y < 0).all() or x.shape[1] != model.rule.weight.shape[1]:
        raise InputError(f"{run} has other features or classes than {model.name}; explain with the model's own run")
    rows = Chunk(table["sample_id"].to_numpy(), x, y)
    return Reproduced(about["cause"], rows.take(y >= 0))


def apart_from(found: Reproduced, reference: EmbeddingStore, target: EmbeddingStore, judged: Array) -> Reproduced:
    """Without the images that rows of the target with the sample ids `judged` show too, as of a set and its copy."""
    ids = reference.sample_ids(), target.sample_ids()
    known, theirs = keys_of_stores((reference, target), ids)
    seen = ids[0][np.isin(known, theirs[np.isin(ids[1], judged)])]
    return found._replace(rows=found.rows.take(~np.isin(found.rows.sample_id, seen)))


def images_of(found: Reproduced, reference: View, workers: Workers, seed: int) -> Images:
    """The same images as they are in the reference, beside what the cause makes of them; one read."""
    plain, after = (
        one.take(np.argsort(one.sample_id)) for one in (rows_of(reference, found.rows.sample_id, workers), found.rows)
    )
    after = after.take(np.isin(after.sample_id, plain.sample_id))
    group = stream(seed, "cause groups").permutation(len(after.y)) % GROUPS
    return Images(found.cause, plain, after, group)


def candidate(model: Classifier, images: Images, seed: int) -> Candidate:
    """The head anchored on the old one that is fitted to the images as they are and after the cause, refitted without
    each fifth of them.
    """
    after = Rows(prepared(model, images.after.x), images.after.y)
    reason = why_not(after, model.rule, model.class_names)
    if reason:
        return Candidate(CAUSE, None, f"of the images after {images.cause}, {reason}")
    both = Rows(np.concatenate([prepared(model, images.plain.x), after.z]), np.tile(after.y, 2))
    begun = time.perf_counter()
    fitted, refitted = anchored(logistic, model.rule, model.temperature, both, np.tile(images.group, 2))
    seconds = time.perf_counter() - begun
    note = f"{len(after.y):,} images of the reference as they are and after {images.cause}"
    return Candidate(CAUSE, fitted.head, note, tuple(refitted), seconds)


def chosen_by_cause(model: Classifier, candidates: Sequence[Candidate], images: Images) -> str:
    """The repair that classifies most of the images after the cause correctly, if by more than a standard error more
    than none does; else empty.
    """
    tried = [one for one in candidates if one.head is not None and one.name not in NEEDS_LABELS]
    correct = np.stack([_correct(model, one, images.after, images.group) for one in tried], axis=1)
    nothing = next(place for place, one in enumerate(tried) if one.name == NOTHING)
    best = best_of(correct, nothing)
    return "" if best == nothing else tried[best].name


def price(model: Classifier, one: Candidate, images: Images) -> Gain:
    """What the head of the cause changes on the images as they are, each judged by the head that was fitted without."""
    before = _correct(model, Candidate(NOTHING, model.rule, ""), images.plain, images.group)
    after = _correct(model, one, images.plain, images.group)
    return gain_of_changes(before, after.astype(int) - before)


def _correct(model: Classifier, one: Candidate, rows: Chunk, group: Array) -> Array:
    """Which rows are classified correctly, ``(n,) bool``; by the head of the cause those that it was not fitted to."""
    z = prepared(model, rows.x)
    heads = one.refitted if one.name == CAUSE else (one.head,) * GROUPS
    result = np.zeros(len(z), bool)
    for place, head in enumerate(heads):
        left_out = group == place
        result[left_out] = head.scores(z[left_out]).argmax(axis=1) == rows.y[left_out]
    return result

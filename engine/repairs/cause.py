"""A head that is trained on the reference's images after the cause that `explain` has named, without a target label."""

import time
from typing import NamedTuple

import numpy as np

from gapscope.causes.record import REPRODUCED
from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.files import read_table
from gapscope.core.location import Location
from gapscope.core.random import stream
from gapscope.gaps.keys import keys_of_stores
from gapscope.probes.model import Classifier
from gapscope.repairs.cross_fit import why_not
from gapscope.repairs.fit import CAUSE, GROUPS, Candidate
from gapscope.repairs.labelled import Rows, anchored_logistic
from gapscope.repairs.seen import prepared
from gapscope.runs.run import find_run
from gapscope.store import EmbeddingStore

Array = np.ndarray


class Reproduced(NamedTuple):
    """The reference's images after a cause: its name, and their rows with the model's class indices."""

    cause: str
    rows: Chunk


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


def candidate(model: Classifier, found: Reproduced, seed: int) -> Candidate:
    """The head anchored on the old one, refitted without each fifth of the images."""
    rows = Rows(prepared(model, found.rows.x), found.rows.y)
    reason = why_not(rows, model.rule, model.class_names)
    if reason:
        return Candidate(CAUSE, None, f"of the images after {found.cause}, {reason}")
    begun = time.perf_counter()
    head = anchored_logistic(model.rule, model.temperature, rows, seed).head
    seconds = time.perf_counter() - begun
    group = stream(seed, "cause groups").permutation(len(rows.y)) % GROUPS
    refitted = tuple(
        anchored_logistic(model.rule, model.temperature, rows.take(group != one), seed).head for one in range(GROUPS)
    )
    return Candidate(CAUSE, head, f"{len(rows.y):,} images of the reference after {found.cause}", refitted, seconds)

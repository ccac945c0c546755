"""Why a single image may have been missed: codes for every target row, by thresholds that the reference sets.

* ``ambiguous_label``: the two best probabilities are as close as in a tenth of the reference rows, and the label is
  among the three best classes.
* ``confusable_pair``: label and prediction (or, of a correct one, prediction and runner-up) are one of the few pairs
  that hold half of the reference's errors.
* ``near_boundary``: as near to the boundary with the runner-up as a tenth of the reference rows.
* ``far_from_training``, ``very_far_from_training``: stranger than 95 % and 99 % of reference rows. Strangeness is
  measured from the first half of the reference and calibrated on the second, which the measure has not seen.
* ``domain_direction``: the domain classifier finds the row more like the target than 95 % of the reference rows.
* ``unusual_image``: an attribute is so far out that 5 % of the reference rows have any as far out.
* ``hard_slice``: it is in a slice of the target that lost more than the rest; see `gapscope.gaps.slices`.
* ``likely_label_error``: the model and a second opinion, learnt from the other labels of the target, agree on another
  class, in a region where at least half of such labels are wrong by estimate; see `gapscope.gaps.label_errors`.

A code that more than half of the rows would carry tells none apart, and one whose precision cannot be known is not
given: no row has it, and the table's metadata say why. A code describes and does not prove. Whether it has to do with
errors is seen by comparing its share of the errors with its share of all rows.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gapscope.blocks.formats import percent
from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.core.ranking import best_classes
from gapscope.core.text import counted
from gapscope.gaps.distance import DISTANCES, Reference, Score
from gapscope.gaps.label_errors import label_errors, second_opinion
from gapscope.probes.model import Classifier, softmax
from gapscope.probes.rules.linear import Linear
from gapscope.schemas.reasons import CODES, OF_IMAGES, REASONS_SCHEMA
from gapscope.store import Piece, View
from gapscope.stream import CHUNK_ROWS, Workers, each

Array = np.ndarray
DISTANCE = "relative-mahalanobis"
CLOSE, FAR, VERY_FAR, ALONG = 0.10, 0.95, 0.99, 0.95
TOP_FEW = 3
# Share of the rows beyond which a code tells none apart.
MOST_ROWS = 0.5
ERRORS = "likely_label_error"
# Confusable are the fewest pairs of classes that hold this share of the reference's errors, but no more than so many.
PAIR_SHARE, MOST_PAIRS = 0.5, 50
METADATA = b"gapscope.thresholds"


class Domains(Protocol):
    """P(target | x) of every row of both sets, in the order of the views."""

    reference: Array
    target: Array


class Images(Protocol):
    """What attributes say of the rows of the target, in the order of the view."""

    unusual: Array
    sliced: Array
    reasons: list[str | None]


@dataclass(frozen=True)
class Thresholds:
    """Numbers that the reference sets; NaN where it says nothing, and then no row has the code.

    Attributes
    ----------
    closeness
        Difference of the two best probabilities.
    boundary
        Distance to the boundary with the runner-up.
    far, very_far
        Strangeness.
    domain
        P(target | x).
    """

    closeness: float
    boundary: float
    far: float
    very_far: float
    domain: float


@dataclass(frozen=True, eq=False)
class Measure:
    """Picklable, for workers: everything about the rows of a chunk that is measured without thresholds.

    Attributes
    ----------
    classes : (c + 1,) int
        The model's class index for each of the view, and -1.
    confident : (k,)
        Mean probability of each class over its own reference rows; infinity while it is unknown.
    answers : (n, k) or None
        What the model has said of all rows of the view, where nothing else of it is known.
    """

    model: Classifier
    score: Score
    view: View
    classes: Array
    confident: Array
    answers: Array | None = None

    def __call__(self, index: int, chunk: Chunk) -> dict[str, Array]:
        """Columns of n numbers; ``path`` of texts or None."""
        scores, probability = self._said(index, chunk)
        top = best_classes(scores, 2)
        rows, label = np.arange(len(top)), self.classes[chunk.y]
        runner_up = top[:, -1] if top.shape[1] > 1 else np.full(len(top), -1, np.int32)
        own = np.maximum(label, 0)
        return {
            "sample_id": chunk.sample_id,
            "path": self._paths(index, len(chunk.x)),
            "label": label,
            "predicted": top[:, 0],
            "runner_up": runner_up,
            "probability": probability[rows, top[:, 0]],
            "runner_up_probability": np.where(runner_up < 0, 0.0, probability[rows, runner_up]),
            "label_probability": np.where(label < 0, np.nan, probability[rows, own]),
            "label_rank": (scores > scores[rows, own][:, None]).sum(axis=1),
            "suggested": suggested(probability, self.confident),
            "boundary": boundary_distance(self.model, scores, top),
            "strangeness": self.score(chunk.x),
        }

    def _said(self, index: int, chunk: Chunk) -> tuple[Array, Array]:
        """Scores and probabilities ``(n, k)`` of a chunk."""
        if self.answers is not None:
            scores = np.asarray(self.answers[index * CHUNK_ROWS :][: len(chunk.y)], np.float64)
            return scores, softmax(scores)
        scores = np.asarray(self.model.scores(chunk.x), np.float64)
        return scores, softmax(scores, self.model.temperature) if self.model.probabilistic else np.full_like(
            scores, np.nan
        )

    def _paths(self, index: int, rows: int) -> list[str | None]:
        paths = getattr(self.view.store, "paths", None)  # arrays in memory have none
        start = self.view.start + index * CHUNK_ROWS
        return paths(Piece(start, start + rows)) if paths else [None] * rows


def suggested(probability: Array, confident: Array) -> Array:
    """Of the classes whose ``probability : (n, k)`` is at least that of their own members, the likeliest; -1 without
    any. Rows of confident learning's joint counts by label and this class; ``(n,)``.
    """
    sure = np.where(probability >= confident, probability, -1.0)
    best = sure.argmax(axis=1)
    return np.where(sure[np.arange(len(best)), best] >= 0, best, -1)


def boundary_distance(model: Classifier, scores: Array, top: Array) -> Array:
    """How far each row would have to move before the runner-up wins, ``(n,)``: features' units for a linear head, the
    difference of the tempered scores for others.
    """
    if top.shape[1] < 2:
        return np.full(len(top), np.inf)
    rows = np.arange(len(top))
    margin = scores[rows, top[:, 0]] - scores[rows, top[:, 1]]
    if not isinstance(model.rule, Linear):
        return margin / model.temperature
    length = np.linalg.norm(model.rule.weight[top[:, 0]] - model.rule.weight[top[:, 1]], axis=1)
    return np.divide(margin, length, out=np.where(margin > 0, np.inf, 0.0), where=length > 0)


def reasons(
    model: Classifier,
    reference: View,
    target: View,
    *,
    workers: Workers,
    progress: Progress = SILENT,
    domains: Domains | None = None,
    images: Images | None = None,
    distance: str = DISTANCE,
    reference_classes: Array | None = None,
    target_classes: Array | None = None,
    answers: tuple[Array, Array] | None = None,
) -> pa.Table:
    """The reasons table of the target, in the order of the view; `REASONS_SCHEMA` has its columns.

    Two or three reads of the reference and three of the target. Memory: the table, 55 bytes a row and its path; a row
    of the reference costs as much while the thresholds are found.

    Parameters
    ----------
    domains
        From `gapscope.shifts.domain.domain_scores`; without it no row is said to lie in the domain direction.
    images
        From `gapscope.gaps.images.image_evidence`; without it no image is said to be unusual or in a slice.
    distance
        Name in `gapscope.gaps.distance.DISTANCES`.
    reference_classes, target_classes : (c,) int
        The model's class index for each class index of the set; the same indices if None.
    answers : (n, k) and (m, k)
        Logarithms of the probabilities of all rows, of a model of which nothing else is known.

    Raises
    ------
    InputError
        The reference has fewer than four rows, or the domain scores are not those of these rows.
    """
    _check(reference, target, domains, distance)
    half = reference.start + (reference.rows + 1) // 2
    near = Reference.read(model, View(reference.store, reference.start, half), workers, progress)
    score = DISTANCES[distance](near)
    own, theirs = (_indices(*pair) for pair in ((reference, reference_classes), (target, target_classes)))
    said: tuple[Array | None, Array | None] = answers or (None, None)
    if answers is None:
        width = model.scores(np.zeros((1, reference.store.dim), np.float32)).shape[1]
    else:
        width = answers[0].shape[1]
    unknown = np.full(width, np.inf)
    measure = Measure(model, score, reference, own, unknown, said[0])
    known = each(reference, measure, workers, progress=progress, description=f"thresholds from {reference.store.name}")
    result = {name: np.concatenate([part[name] for part in known]) for name in known[0] if name != "path"}
    limits = thresholds(result, half - reference.start, None if domains is None else domains.reference)
    pairs = confusable(result["label"], result["predicted"], width)
    measure = Measure(model, score, target, theirs, confidences(result, width), said[1])
    parts = each(target, measure, workers, progress=progress, description=f"reasons for {target.store.name}")
    scores = np.full(target.rows, np.nan) if domains is None else np.asarray(domains.target, np.float64)
    tables = [
        coded(part, limits, pairs, scores[index * CHUNK_ROWS : (index + 1) * CHUNK_ROWS])
        for index, part in enumerate(parts)
    ]
    table = pa.concat_tables(tables) if tables else REASONS_SCHEMA.empty_table()
    table, about = _with_label_errors(table, target, theirs, width, workers, progress)
    table = _with_images(table, images)
    about["images"] = images is not None
    table, left_out = _telling_apart(table)
    about["left_out"] |= left_out
    return table.replace_schema_metadata({METADATA: json.dumps(asdict(limits) | {"distance": distance} | about)})


def _with_label_errors(
    table: pa.Table, target: View, classes: Array, width: int, workers: Workers, progress: Progress
) -> tuple[pa.Table, dict]:
    """The table with the rows whose label is probably wrong, and what is known of them."""
    opinion = second_opinion(target, workers, progress) if table.num_rows else None
    if opinion is not None:
        opinion |= {name: classes[opinion[name]] for name in ("best", "second")}
    label, predicted = (table[name].to_numpy() for name in ("label", "predicted"))
    found = label_errors(label, predicted, opinion, width)
    table = _replaced(table, ERRORS, found.named)
    if found.reason:
        return table, {"left_out": {ERRORS: found.reason}}
    return table, {"left_out": {}, "precision": found.precision}


def _with_images(table: pa.Table, images: Images | None) -> pa.Table:
    """The table with what the images say, where they are known."""
    if images is None:
        return table
    said = {"unusual_image": images.unusual, "hard_slice": images.sliced, "image_reason": images.reasons}
    for name, values in said.items():
        table = _replaced(table, name, values)
    return table


def _telling_apart(table: pa.Table) -> tuple[pa.Table, dict[str, str]]:
    """The table without the codes that more than half of its rows have, and why each is left out."""
    left_out = {}
    for code in CODES:
        share = float(table[code].to_numpy().mean()) if table.num_rows else 0.0
        if share > MOST_ROWS:
            left_out[code] = f"{100 * share:.1f} % of the images would have it, so that it tells few apart"
            table = _replaced(table, code, np.zeros(table.num_rows, bool))
    return table, left_out


def _replaced(table: pa.Table, code: str, carried: Array | Sequence[str | None]) -> pa.Table:
    field = REASONS_SCHEMA.field(code)
    return table.set_column(REASONS_SCHEMA.get_field_index(code), field, pa.array(carried, field.type))


def about_codes(table: pa.Table) -> tuple[dict[str, str], float | None]:
    """Which codes of a reasons table are not given and why; the share of the likely label errors that are wrong by
    estimate, None where none are named.
    """
    about = json.loads((table.schema.metadata or {}).get(METADATA, b"{}"))
    return about.get("left_out", {}), about.get("precision")


def _knows_images(table: pa.Table) -> bool:
    """Whether attributes of the images were known."""
    return bool(json.loads((table.schema.metadata or {}).get(METADATA, b"{}")).get("images"))


def _check(reference: View, target: View, domains: Domains | None, distance: str) -> None:
    if distance not in DISTANCES:
        raise InputError(f"no distance named {distance!r} (known: {', '.join(sorted(DISTANCES))})")
    if reference.rows < 4:
        raise InputError(
            f"{reference.store.name} has {counted(reference.rows, 'row')}; reason codes need a reference of 4 or more"
        )
    if domains is None:
        return
    for view, scores in ((reference, domains.reference), (target, domains.target)):
        if len(scores) != view.rows:
            raise InputError(
                f"{len(scores)} domain scores for the {view.rows} rows of {view.store.name}; score it again"
            )


def _indices(view: View, classes: Array | None) -> Array:
    own = np.arange(len(view.store.class_names)) if classes is None else np.asarray(classes)
    return np.append(own, -1)


def thresholds(result: dict[str, Array], half: int, domain: Array | None) -> Thresholds:
    """What the measured reference rows say; strangeness is taken from those from `half` on."""
    strange = result["strangeness"][half:]
    return Thresholds(
        closeness=_quantile(result["probability"] - result["runner_up_probability"], CLOSE),
        boundary=_quantile(result["boundary"], CLOSE),
        far=_quantile(strange, FAR),
        very_far=_quantile(strange, VERY_FAR),
        domain=_quantile(np.zeros(0) if domain is None else np.asarray(domain), ALONG),
    )


def _quantile(values: Array, level: float) -> float:
    values = values[np.isfinite(values)]
    return float(np.quantile(values, level)) if len(values) else float("nan")


def confidences(result: dict[str, Array], classes: int) -> Array:
    """Confident learning's thresholds: mean probability of each class over its own rows, infinite without any; (k,)."""
    label, own = result["label"], result["label_probability"]
    known = (label >= 0) & np.isfinite(own)
    count = np.bincount(label[known], minlength=classes)
    total = np.bincount(label[known], own[known], minlength=classes)
    return np.divide(total, count, out=np.full(classes, np.inf), where=count > 0)


def confusable(label: Array, predicted: Array, classes: int) -> Array:
    """The pairs of classes that hold half of the errors, as a symmetric ``(k, k) bool``; as few as do, 50 at most."""
    wrong = (label >= 0) & (label != predicted)
    low, high = np.minimum(label, predicted)[wrong], np.maximum(label, predicted)[wrong]
    pair, count = np.unique(low.astype(np.int64) * classes + high, return_counts=True)
    order = np.argsort(-count, kind="stable")
    before = np.cumsum(count[order]) - count[order]
    chosen = pair[order[:MOST_PAIRS][before[:MOST_PAIRS] < PAIR_SHARE * count.sum()]]
    table = np.zeros((classes, classes), bool)
    table[chosen // classes, chosen % classes] = True
    return table | table.T


def coded(result: dict[str, Array], limits: Thresholds, pairs: Array, domain: Array) -> pa.Table:
    """The reasons table of measured rows; ``domain : (n,)`` is NaN where it is not known."""
    label, predicted = result["label"], result["predicted"]
    known = label >= 0
    wrong = known & (label != predicted)
    rival = np.where(wrong, label, result["runner_up"])
    close = result["probability"] - result["runner_up_probability"] <= limits.closeness
    columns = dict(result) | {
        "right": pa.array(~wrong, mask=~known),
        "domain": domain,
        "ambiguous_label": known & close & (result["label_rank"] < TOP_FEW),
        "confusable_pair": (rival >= 0) & pairs[predicted, np.maximum(rival, 0)],
        "near_boundary": result["boundary"] <= limits.boundary,
        "far_from_training": result["strangeness"] > limits.far,
        "very_far_from_training": result["strangeness"] > limits.very_far,
        "domain_direction": domain > limits.domain,
        **dict.fromkeys((ERRORS, *OF_IMAGES), np.zeros(len(label), bool)),
        "image_reason": pa.nulls(len(label), pa.string()),
    }
    arrays = [_column(columns[field.name], field) for field in REASONS_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=REASONS_SCHEMA)


def _column(values: Array | Sequence | pa.Array, field: pa.Field) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    return pa.array(values, from_pandas=field.nullable).cast(field.type)


@dataclass(frozen=True)
class CodeShare:
    """How much of the errors carries a code, against how much of everything.

    Attributes
    ----------
    code
        In `CODES`; ``none`` for rows without any.
    rows, errors
        Labelled rows with the code, and the wrong ones among them.
    of_rows, of_errors
        Their shares of all labelled rows and of all errors; NaN without any.
    """

    code: str
    rows: int
    errors: int
    of_rows: float
    of_errors: float

    @property
    def sentence(self) -> str:
        """What came out, for people."""
        subject = "no code" if self.code == "none" else self.code
        return f"{subject}: {percent(self.of_errors)} of the errors, {percent(self.of_rows)} of all rows"


def code_shares(table: pa.Table) -> tuple[CodeShare, ...]:
    """The shares of every code over the labelled rows of a reasons table, and of rows without any code.

    A row may carry several codes, so the shares do not add up to one. Codes that are not given have none, nor has the
    domain direction where no domain scores were given.
    """
    table = table.filter(pc.is_valid(table["right"]))
    wrong = ~table["right"].to_numpy().astype(bool)
    left_out, _ = about_codes(table)
    judged = [code for code in CODES if code != "domain_direction" or table["domain"].null_count < len(table)]
    judged = [code for code in judged if code not in left_out and (code not in OF_IMAGES or _knows_images(table))]
    codes = {code: table[code].to_numpy().astype(bool) for code in judged}
    codes["none"] = ~np.logical_or.reduce(list(codes.values()))
    return tuple(_share(code, carried, wrong) for code, carried in codes.items())


def _share(code: str, carried: Array, wrong: Array) -> CodeShare:
    rows, errors, total, missed = (int(one.sum()) for one in (carried, carried & wrong, carried >= 0, wrong))
    nan = float("nan")
    return CodeShare(code, rows, errors, rows / total if total else nan, errors / missed if missed else nan)

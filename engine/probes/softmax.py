"""The softmax probe: one pass for moments, a closed-form start, then averaged mini-batch descent in the metric of the
features.

1. *Moments.* One `fold` gives class means and covariances.
2. *Start.* The linear discriminants of these moments, shrunk by what suits the held-out rows and multiplied by the one
   temperature that makes their scores fit as logits.
3. *Descent.* Mini-batch gradient steps preconditioned by `Metric`, a learning rate that falls linearly to zero, weights
   averaged. Heads with different penalties share the reading: they race through the first epoch, or through its
   beginning where there are many classes, and the one with the least held-out loss goes on alone.
4. *Choice.* The averaged head, or the closed form should that be better on the held-out rows. If the head is ahead
   after the first epoch, nothing is left to choose, and the held-out rows join the others for the rest.

Two numbers make the steps independent of the data's size and shape. The learning rate is ``c / (1 + k e / b)``, for k
classes, batches of b rows and e effective features: in the preconditioned metric a row's step moves its own class's
score by ``rate * k * e / b`` times its error, so c says how much of its error a row may correct at once, and 2 serves
features of ten classes and of a thousand. Batches may therefore be large at no cost in accuracy. The penalty is a
multiple of ``d / (n k)``: curvature is proportional to 1/k, and the number of rows that a feature needs to earn its
weight to d.

No momentum: it averages the noise of neighbouring steps, which the average of the weights does better, and it brought
nothing on real features.

References
----------
Polyak and Juditsky (1992), "Acceleration of stochastic approximation by averaging"; Shamir and Zhang (2013),
"Stochastic gradient descent for non-smooth optimization", for the running average that forgets; Böhning (1992),
"Multinomial logistic regression algorithm", for the bound on the Hessian that the metric follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from engine.core.checkpoint import NO_CHECKPOINT, Checkpoint
from engine.core.chunk import Chunk
from engine.core.errors import DivergedError, InputError
from engine.core.progress import SILENT, Progress
from engine.core.registry import Registry
from engine.probes.discriminant import Discriminant, tempered_path
from engine.probes.heads import Head, Heads
from engine.probes.metric import Metric, scales
from engine.probes.model import Classifier
from engine.probes.options import ProbeOptions
from engine.probes.rules.linear import Linear
from engine.probes.training import Holdout, Labels, labels_of, moments_of, with_holdout
from engine.store import View
from engine.stream import CHUNK_ROWS, SHARDS, Rounds, Workers
from engine.summaries import LabelledMoments

ENGINES = Registry("array library", {"numpy": "engine.probes.heads:NumPy", "torch": "engine.probes.heads_torch:Torch"})

# In each list the first serves when there are no held-out rows to choose by.
RIDGES = (0.1, 1e-4, 1e-3, 0.01, 0.03, 0.3, 1.0, 10.0)
PENALTIES = (3.0, 1e-4, 0.01, 0.3, 10.0)
LEARNING_RATE = 2.0
# With few features and classes the rule would take whole Newton steps, whose noise a hundred steps do not average out.
FASTEST = 0.3
# The learning rate makes accuracy indifferent to the batch, so it is as large as leaves a hundred and more steps an
# epoch.
# Rows that are in memory are used again where an epoch has fewer rows than this: reading costs more than steps do.
ROWS_AN_EPOCH, MOST_REPEATS = 100_000, 4
STEPS_AN_EPOCH, SMALLEST_BATCH, LARGEST_BATCH = 80, 64, 8192
# Columns that may be trained for a whole epoch; with more, the race is shorter in proportion.
RACE_COLUMNS = 512


@dataclass(frozen=True)
class Leg:
    """A stretch of the training: a run of rows, in which epoch, and whether all heads race through it."""

    view: View
    epoch: int
    race: bool


@dataclass(frozen=True)
class Course:
    """How every leg is cut into steps.

    Attributes
    ----------
    batch_rows
        Rows of a step.
    repeats
        Rounds of steps on the rows in memory before the next are read.
    seed
        Decides the order of the rows after the first epoch.
    """

    batch_rows: int
    repeats: int
    seed: int

    def rounds(self, leg: Leg) -> Rounds:
        """The steps of a leg."""
        chunk_rows = max(CHUNK_ROWS, self.batch_rows // SHARDS)
        return Rounds(leg.view, self.batch_rows, chunk_rows, repeats=self.repeats, epoch=leg.epoch - 1, seed=self.seed)

    def steps(self, legs: Sequence[Leg]) -> int:
        """Steps of several legs."""
        return sum(self.rounds(leg).steps for leg in legs)


def fit(
    train: View,
    holdout: View | Chunk,
    options: ProbeOptions,
    workers: Workers,
    progress: Progress = SILENT,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Classifier:
    """Train on `train`; penalty, shrinkage and the final choice go by the log-loss on `holdout`.

    Reads the training rows ``1 + epochs`` times. An epoch costs ``4 d k`` flops a row, the moments ``d²`` in float64.

    Raises
    ------
    InputError
        No row has a label, a feature is not finite, or the batch size is not a multiple of four.
    DivergedError
        The loss became NaN or infinite; the message names epoch and step.
    """
    clock = Clock()
    moments = moments_of(train, workers, progress)
    labels = labels_of(moments, train)
    held = Holdout.of(holdout, labels)
    clock.lap("moments")
    weight, bias, start = closed_form(moments, held)
    clock.lap("closed_form")
    details = {
        "start": start,
        "holdout_rows": len(held.y),
        "rows": moments.total.n,
        "unlabelled": moments.classes.unlabelled,
        "passes": 1,
    }
    if len(labels.present) > 1 and options.epochs:
        everything = with_holdout(train, holdout)
        weight, bias, descent = descend(
            train, everything, moments, labels, held, (weight, bias), options, workers, progress, clock
        )
        details |= descent
    details["seconds"] = clock.laps
    rule = Linear.over_all(weight.T, bias, labels.present, labels.classes)
    return Classifier("softmax", rule, details=details)


class Clock:
    """Seconds of the parts of a job."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, name: str) -> None:
        """The part called `name` ends now."""
        now = perf_counter()
        self.laps[name] = self.laps.get(name, 0.0) + now - self._last
        self._last = now


def closed_form(moments: LabelledMoments, held: Holdout) -> tuple[np.ndarray, np.ndarray, list[dict]]:
    """``weight (d, p)``, ``bias (p,)`` and the table they were chosen from: shrunk discriminants, tempered.

    The shrinkage is a ridge on standardised features. There is always one: the descent goes on from here.
    """
    discriminant = Discriminant.of(moments, scales(moments.total))
    table = list(tempered_path(discriminant, RIDGES, np.add, held))
    ridge, temperature, _ = min(table, key=lambda row: row[2]["log_loss"])
    weight, bias = discriminant.solve(discriminant.eigenvalues + ridge)
    rows = [{"ridge": r, "temperature": t, **result} for r, t, result in table]
    return temperature * weight, temperature * bias, rows


def descend(
    train: View,
    everything: View,
    moments: LabelledMoments,
    labels: Labels,
    held: Holdout,
    start: tuple[np.ndarray, np.ndarray],
    options: ProbeOptions,
    workers: Workers,
    progress: Progress,
    clock: Clock,
) -> tuple[np.ndarray, np.ndarray, dict]:
    """``weight (d, p)``, ``bias (p,)`` and what the training did, from the closed-form `start`.

    Once the penalty is chosen and the descent is ahead of its start, nothing is left to choose: the held-out rows join
    the others, and `everything` is trained on.
    """
    metric = Metric.of(moments.total, len(labels.present))
    course = Course(batch_of(train.rows, options), repeats_of(train.rows), options.seed)
    settings = settings_of(moments, metric, course.batch_rows, options)
    plan = legs(train, options.epochs, len(settings) * metric.classes, len(settings))
    origin = moments.total.mean
    state = Heads.start(settings, *start, origin, metric.penalty, course.batch_rows, course.steps(plan))
    engine = engine_of(options.device)
    race: list[dict] = []
    joined = False
    while plan:
        if plan[0].epoch == 2 and is_ahead(state, start, held):
            joined, plan = True, [replace(leg, view=everything) for leg in plan]
            state = replace(state, total=state.done + course.steps(plan))
        leg, *plan = plan
        shown = {"progress": progress, "description": f"epoch {leg.epoch}"}
        state = engine.run(course.rounds(leg), replace(state, epoch=leg.epoch), labels.positions, workers, **shown)
        clock.lap(f"epoch_{leg.epoch}")
        if leg.race:
            race = standings(state, held)
            best = min(range(len(race)), key=lambda head: race[head]["log_loss"])
            state = state.only(best)
    descended = state.averaged(0)
    if not np.isfinite(descended[0]).all():
        raise DivergedError(f"the weights are not finite after step {state.done}; choose a smaller learning rate")
    chosen = "descent" if joined or is_ahead(state, start, held) else "closed form"
    clock.lap("choice")
    details = {
        "chosen": chosen,
        "race": race,
        "l2": state.settings[0].l2,
        "learning_rate": state.settings[0].rate,
        "batch_rows": course.batch_rows,
        "repeats": course.repeats,
        "epochs": options.epochs,
        "passes": 1 + options.epochs,
        "steps": state.done,
        "rows": moments.total.n + (everything.rows - train.rows if joined else 0),
        "rows_per_second": {
            str(epoch): train.rows / clock.laps[f"epoch_{epoch}"] for epoch in range(1, options.epochs + 1)
        },
    }
    return *(descended if chosen == "descent" else start), details


def is_ahead(state: Heads, start: tuple[np.ndarray, np.ndarray], held: Holdout) -> bool:
    """Whether the first head has less log-loss than the closed form on the held-out rows."""
    losses = [held.judge(held.scores(*head))["log_loss"] for head in (state.averaged(0), start)]
    return losses[0] < losses[1]


def batch_of(rows: int, options: ProbeOptions) -> int:
    """The smallest power of two that gives at most `STEPS_AN_EPOCH` steps, within bounds; or what was asked for."""
    if options.batch_rows is None:
        wanted = 1 << max(0, -(-rows // STEPS_AN_EPOCH) - 1).bit_length()
        return min(max(wanted, SMALLEST_BATCH), LARGEST_BATCH)
    if options.batch_rows < SHARDS or options.batch_rows % SHARDS:
        raise InputError(
            f"batches of {options.batch_rows} rows cannot be divided by {SHARDS}; choose a multiple of {SHARDS}"
        )
    return options.batch_rows


def repeats_of(rows: int) -> int:
    """How often rows are used while they are in memory: few rows make few steps, and steps on them cost little."""
    return min(max(1, round(ROWS_AN_EPOCH / max(rows, 1))), MOST_REPEATS)


def settings_of(moments: LabelledMoments, metric: Metric, batch_rows: int, options: ProbeOptions) -> list[Head]:
    """The heads that race: one for each penalty."""
    unit = len(metric.scale) / (moments.total.n * metric.classes)
    penalties = [factor * unit for factor in PENALTIES] if options.l2 is None else [options.l2]
    return [
        Head(l2, rate_of(metric, l2, batch_rows, options), metric.preconditioner(l2).astype(np.float32))
        for l2 in penalties
    ]


def rate_of(metric: Metric, l2: float, batch_rows: int, options: ProbeOptions) -> float:
    """The learning rate at full speed, by the rule at the top of this file; bounded unless it was asked for."""
    one_row = 1 / (1 + metric.classes * metric.dimension(l2) / batch_rows)
    return min(FASTEST, LEARNING_RATE * one_row) if options.learning_rate is None else options.learning_rate * one_row


def legs(train: View, epochs: int, columns: int, heads: int) -> list[Leg]:
    """The race, the rest of the first epoch, and the other epochs."""
    finish = train.stop if heads == 1 else train.start + int(train.rows * min(1, RACE_COLUMNS / columns))
    first = [Leg(train.store.view(train.start, finish), 1, heads > 1)]
    if finish < train.stop:
        first.append(Leg(train.store.view(finish, train.stop), 1, race=False))
    return first + [Leg(train, epoch, race=False) for epoch in range(2, epochs + 1)]


def standings(state: Heads, held: Holdout) -> list[dict]:
    """How the averaged heads classify the held-out rows."""
    return [
        {"l2": setting.l2, "learning_rate": setting.rate, **held.judge(held.scores(*state.averaged(head)))}
        for head, setting in enumerate(state.settings)
    ]


def engine_of(device: str) -> Any:
    """The array library that computes on `device`."""
    return ENGINES["numpy"](device) if device == "cpu" else ENGINES["torch"](device)

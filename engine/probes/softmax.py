"""The softmax probe: one pass for moments, a closed-form start, then averaged mini-batch descent in the metric of the
features.

1. *Moments.* One `fold` gives class means and covariances.
2. *Start.* The linear discriminants of these moments, shrunk by what suits the held-out rows and multiplied by the one
   temperature that makes their scores fit as logits.
3. *Descent.* Mini-batch gradient steps preconditioned by `Metric`, a learning rate that falls linearly to zero, weights
   averaged. Heads with different settings share the reading (see `gapscope.probes.grid`): five penalties race
   through the first epoch, or through its beginning where there are many classes, and the one with the least held-out
   loss goes on alone; a grid goes on together to the end; under successive halving the poor are dropped again and
   again.
4. *Choice.* The averaged head, or the closed form should that be better on the held-out rows. If the head is ahead
   after the first epoch, nothing is left to choose, and the held-out rows join the others for the rest.

Full-batch steps follow where they cost no more than the descent did, and on request until the distance to the optimum
is known to be small. Of small sets the optimum costs less than a descent that comes near to it, and is found outright
(`gapscope.probes.path`).

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
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gapscope.core.checkpoint import NO_CHECKPOINT, Checkpoint, Saved
from gapscope.core.chunk import Chunk
from gapscope.core.errors import DivergedError
from gapscope.core.progress import SILENT, Progress
from gapscope.core.registry import Registry
from gapscope.probes.closed_form import closed_form
from gapscope.probes.convex import Aim, minimise
from gapscope.probes.grid import Grid, Seen
from gapscope.probes.heads import ARRAYS, Head, Heads, Reads
from gapscope.probes.imbalance import class_weights
from gapscope.probes.model import Classifier, unit_rows
from gapscope.probes.options import ProbeOptions
from gapscope.probes.path import ended, walk
from gapscope.probes.problem import Problem, cached, certificate, check_penalty
from gapscope.probes.rules.linear import Linear
from gapscope.probes.schedule import Schedule, Stage, batch_of, repeats_of, stages_of
from gapscope.probes.training import Clock, Holdout, Labels, labels_of, moments_of, with_holdout
from gapscope.store import Changed, View
from gapscope.stream import Workers
from gapscope.summaries import LabelledMoments

LIBRARIES = Registry(
    "array library", {"numpy": "gapscope.probes.heads:NumPy", "torch": "gapscope.probes.heads_torch:Torch"}
)
STAGE = "descent"
# Rows times features times classes up to which the optimum is found outright: a path of penalties costs a second.
SMALL = 2 * 10**8
# The same up to which full-batch steps follow a descent, and how far they go: ten to thirty, after which the test
# accuracy of CIFAR-10 features, and of a hundred unequal classes, is that of the optimum.
MIDDLE, NEARER = 2 * 10**9, Aim(3e-5, 40)


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
    check_penalty(options)
    clock = Clock()
    moments = moments_of(train, workers, progress, checkpoint)
    labels = labels_of(moments, train)
    counts = moments.classes.count[labels.present]
    held = Holdout.of(holdout, labels).weighing(options.class_weight, counts)
    clock.lap("moments")
    weight, bias, start = closed_form(moments, held)
    clock.lap("closed_form")
    details = {
        "start": start,
        "settings": [],
        **held.summary(labels),
        "rows": moments.total.n,
        "unlabelled": moments.classes.unlabelled,
        "class_rows": moments.classes.count.tolist(),
        "passes": 1,
    }
    end = End((weight, bias), held.temperature(held.scores(weight, bias), logits=True))
    several = len(labels.present) > 1 and options.epochs > 0
    if several and is_small(moments, options, SMALL):
        rows = train, with_holdout(train, holdout)
        end = settled(end, *rows, moments, held, options, workers, progress, checkpoint)
        clock.lap("optimum")
        details |= end.details
    elif several:
        seen = {False: Seen(moments, (weight, bias))}
        grid = Grid.of(options, len(labels.present))
        if grid.needs_unit_rows:
            unit = Changed(train.store, unit_rows).view(train.start, train.stop)
            moments_unit = moments_of(unit, workers, progress, checkpoint, "moments of unit rows")
            seen[True] = Seen(moments_unit, closed_form(moments_unit, held.change(unit_rows))[:2])
        descent = Descent(train, with_holdout(train, holdout), seen, labels, held, grid, options)
        end = descent.run(workers, progress, checkpoint, clock)
        details |= end.details
    rows = with_holdout(train, holdout) if end.details.get("joined") else train
    if several and end.details["chosen"] == "descent" and is_small(moments, options, MIDDLE) and not end.unit:
        end = polished(end, train, rows, moments, options, workers, progress, checkpoint)
        clock.lap("full_batch")
        details |= end.details
    if options.certify and several and end.details["chosen"] != "optimum":
        end = certified(end, rows, moments, options, workers, progress, checkpoint)
        clock.lap("certificate")
        details |= end.details
    details |= {"seconds": clock.laps, "penalty_on": options.penalty_on}
    labels = end.present or labels
    rule = Linear.over_all(end.head[0].T, end.head[1], labels.present, labels.classes)
    return Classifier("softmax", rule, temperature=end.temperature, normalised=end.unit, details=details)


@dataclass(frozen=True)
class End:
    """A head ``(weight (d, p), bias (p,))``, its temperature, whether it sees rows of length one, how it came about,
    and its classes where they are not those of the training rows alone.
    """

    head: tuple[np.ndarray, np.ndarray]
    temperature: float
    unit: bool = False
    details: dict[str, Any] = field(default_factory=dict)
    present: Labels | None = None


@dataclass(frozen=True)
class Descent:
    """The heads of a grid on their way through the rows.

    Once one head is left and it is ahead of its start after the first epoch, nothing is left to choose: the held-out
    rows join the others, and `everything` is trained on.

    Attributes
    ----------
    seen
        Moments and closed form of the features as they are stored (False) and of rows of length one (True).
    """

    train: View
    everything: View
    seen: dict[bool, Seen]
    labels: Labels
    held: Holdout
    grid: Grid
    options: ProbeOptions

    def run(self, workers: Workers, progress: Progress, checkpoint: Checkpoint, clock: Clock) -> End:
        """The head that is chosen, after all stages."""
        schedule = Schedule(batch_of(self.train.rows, self.options), repeats_of(self.train.rows), self.options.seed)
        heads = self.grid.heads(self.seen, self._row_weights, schedule.batch_rows, self.options)
        stages = stages_of(self.train, self.options.epochs, self.grid, len(self.labels.present))
        starts = [self.seen[head.unit].start for head in heads]
        state = State(Heads.start(heads, starts, schedule.batch_rows, schedule.steps(stages)), tuple(range(len(heads))))
        state, library = state.restored(checkpoint.load(STAGE), heads), library_of(self.options.device)

        def save(reached: Heads, done: int) -> None:
            if checkpoint.due():
                checkpoint.save(STAGE, *state.packed(library.on_host(reached), done))

        for number in range(state.stage, len(stages)):
            state = self._holdout_decided(state, stages[number])
            if state.holdout_merged:
                stages = [replace(stage, view=self.everything) if stage.epoch > 1 else stage for stage in stages]
                state = state.ending_after(schedule.steps(stages[number:]))
            stage = stages[number]
            trained = library.run(
                schedule.rounds(stage),
                replace(state.heads, epoch=stage.epoch),
                Reads(self.labels.positions, self._draw, self.options.seed, stage.epoch),
                workers,
                first=state.first,
                after=save,
                progress=progress,
                description=f"epoch {stage.epoch}",
            )
            state = replace(state, heads=trained, stage=number + 1, first=0)
            state = self._best(state, stage.keep) if stage.keep else state
            clock.lap(f"epoch_{stage.epoch}")
            checkpoint.save(STAGE, *state.packed(state.heads, done=0))
        return self._chosen(state, heads, schedule, clock)

    def _holdout_decided(self, state: "State", stage: Stage) -> "State":
        """The state at the start of a stage: at that of the second epoch, whether the held-out rows join is decided."""
        if stage.epoch != 2 or state.holdout_merged is not None:
            return state
        if len(state.active) > 1 or not self._is_ahead(state.heads):
            return replace(state, holdout_merged=False)
        return replace(state, holdout_merged=True, temperature=self._temperature(state.heads))

    @property
    def _row_weights(self) -> np.ndarray | None:
        weights = class_weights(self.options.class_weight, self._counts)
        return None if (weights == 1).all() else weights.astype(np.float32)

    @property
    def _draw(self) -> np.ndarray | None:
        balanced = self.options.class_weight == "balanced-sampling"
        return class_weights("balanced", self._counts) if balanced else None

    @property
    def _counts(self) -> np.ndarray:
        return self.seen[False].moments.classes.count[self.labels.present]

    def _rows(self, head: Head) -> Holdout:
        return self.held.change(unit_rows) if head.unit else self.held

    def _scores(self, state: Heads, index: int) -> np.ndarray:
        return self._rows(state.settings[index]).scores(*state.averaged(index))

    def _temperature(self, state: Heads) -> float:
        return self.held.temperature(self._scores(state, 0), logits=True)

    def _is_ahead(self, state: Heads) -> bool:
        """Whether the first head has less log-loss than its closed form on the held-out rows."""
        head = state.settings[0]
        start = self._rows(head).scores(*self.seen[head.unit].start)
        losses = [self.held.judge_tempered(scores)["log_loss"] for scores in (self._scores(state, 0), start)]
        return losses[0] < losses[1]

    def _best(self, state: "State", keep: int) -> "State":
        """The state with the best `keep` of its heads, and how each was judged."""
        heads = state.heads
        judged = [self.held.judge(self._scores(heads, index)) for index in range(len(state.active))]
        rows = heads.done * heads.batch_rows
        table = {
            str(index): {"rung": state.stage, "rows": rows, **result}
            for index, result in zip(state.active, judged, strict=True)
        }
        state = replace(state, table=state.table | table)
        order = sorted(range(len(judged)), key=lambda index: judged[index]["log_loss"])[:keep]
        best = sorted(order)
        if len(best) == len(judged):
            return state
        return replace(state, heads=heads.only(best), active=tuple(state.active[index] for index in best))

    def _chosen(self, state: "State", heads: Sequence[Head], schedule: Schedule, clock: Clock) -> End:
        if len(state.active) > 1:
            state = self._best(state, 1)
        last = state.heads
        if not np.isfinite(last.weight).all():
            raise DivergedError(f"the weights are not finite after step {last.done}; choose a smaller learning rate")
        head, merged = last.settings[0], bool(state.holdout_merged)
        descended = merged or self._is_ahead(last)
        chosen = last.averaged(0) if descended else self.seen[head.unit].start
        scores = self._rows(head).scores(*chosen)
        temperature = state.temperature if merged else self.held.temperature(scores, logits=True)
        moments = self.seen[False].moments
        details = {
            "chosen": "descent" if descended else "closed form",
            "settings": [{**heads[int(index)].name, **row} for index, row in state.table.items()],
            **head.name,
            "l2": head.l2,
            "learning_rate": head.rate,
            "batch_rows": schedule.batch_rows,
            "repeats": schedule.repeats,
            "epochs": self.options.epochs,
            "passes": 1 + self.options.epochs,
            "steps": last.done,
            "joined": merged,
            "rows": moments.total.n + (self.everything.rows - self.train.rows if merged else 0),
            "rows_per_second": {
                name.removeprefix("epoch_"): self.train.rows / seconds
                for name, seconds in clock.laps.items()
                if name.startswith("epoch_")
            },
        }
        return End(chosen, temperature, head.unit, details)


@dataclass(frozen=True)
class State:
    """Where the descent is: what a checkpoint keeps.

    Attributes
    ----------
    heads
        Their weights, which a stage trains in place.
    active
        Which heads of the grid are left.
    stage, first
        The stage they are in, and the steps of it that are done.
    table
        For each head of the grid, how it was judged last.
    holdout_merged
        Whether the held-out rows have joined the others; None before that is decided.
    temperature
        Of the single head when they did.
    """

    heads: Heads
    active: tuple[int, ...]
    stage: int = 0
    first: int = 0
    table: dict[str, dict] = field(default_factory=dict)
    holdout_merged: bool | None = None
    temperature: float = 1.0

    def ending_after(self, steps: int) -> "State":
        """With a learning rate that falls to zero `steps` steps behind the beginning of this stage."""
        return replace(self, heads=replace(self.heads, total=self.heads.done - self.first + steps))

    def packed(self, heads: Heads, done: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and plain values of the state with its heads at `heads`, `done` steps into the stage."""
        about = {"leg": self.stage, "first": done, "alive": list(self.active), "table": self.table}
        about |= {"joined": self.holdout_merged, "temperature": self.temperature}
        about |= {"done": heads.done, "total": heads.total}
        return {name: getattr(heads, name) for name in ARRAYS}, about

    def restored(self, saved: Saved | None, heads: Sequence[Head]) -> "State":
        """What was saved of the descent of the grid's `heads`; this state if nothing was."""
        if saved is None:
            return self
        about = saved.about
        settings = tuple(heads[index] for index in about["alive"])
        reached = replace(self.heads, settings=settings, done=about["done"], total=about["total"], **saved.arrays)
        return State(
            reached,
            tuple(about["alive"]),
            about["leg"],
            about["first"],
            about["table"],
            about["joined"],
            about["temperature"],
        )


def is_small(moments: LabelledMoments, options: ProbeOptions, most: int) -> bool:
    """Whether passes over all rows cost so little, at `most` rows times features times classes, that full-batch steps
    are worth it; never where a descent is asked for.
    """
    work = moments.total.n * len(moments.present) * len(moments.total.mean)
    asked = options.learning_rate is not None or options.batch_rows is not None or options.grid or options.certify
    return work <= most and not asked and options.class_weight != "balanced-sampling" and options.view != "raw"


def settled(
    end: End,
    train: View,
    everything: View,
    moments: LabelledMoments,
    held: Holdout,
    options: ProbeOptions,
    workers: Workers,
    progress: Progress,
    checkpoint: Checkpoint,
) -> End:
    """The optimum of the best penalty, or the closed form `end` where that is surely better on the held-out rows.

    Held-out rows of a small set are too few to tell small differences, so the optimum wins unless its log-loss is
    higher by more than the standard error of the difference.
    """
    everything = cached(everything, options, workers)
    rows = everything.store.view(everything.start, everything.start + train.rows)
    problem = Problem.with_moments(rows, moments, options, workers, progress)
    path = walk(problem, held, options, checkpoint)
    if held.prefers(held.scores(*end.head) / end.temperature, held.scores(*problem.raw(path.point)) / path.temperature):
        return replace(end, details={"chosen": "closed form", "settings": path.table, "passes": 1 + path.evaluations})
    optimum = ended(problem, everything, path, problem, held, checkpoint)
    details = optimum.details | {"settings": path.table, "chosen": "optimum"}
    return End((optimum.weight, optimum.bias), optimum.temperature, details=details, present=optimum.problem.labels)


def polished(
    end: End,
    train: View,
    rows: View,
    moments: LabelledMoments,
    options: ProbeOptions,
    workers: Workers,
    progress: Progress,
    checkpoint: Checkpoint,
) -> End:
    """The head after full-batch steps on `rows`, which begin with those of `train`, whose `moments` are known."""
    rows = cached(rows, options, workers)
    first = rows.store.view(rows.start, rows.start + train.rows)
    problem = Problem.with_moments(first, moments, options, workers, progress)
    if rows.stop > first.stop:
        problem = problem.joined(rows, checkpoint)
    start, l2 = problem.point(*end.head), end.details["l2"]
    (nearer,) = minimise(problem.objective, problem.metric, [start], [l2], NEARER, checkpoint, "full batch")
    passes = end.details["passes"] + nearer.minimiser.evaluations
    about = end.details | {"certificate": certificate(nearer, NEARER), "passes": passes}
    return replace(end, head=problem.raw(nearer.minimiser.point), details=about)


def certified(
    end: End,
    rows: View,
    moments: LabelledMoments,
    options: ProbeOptions,
    workers: Workers,
    progress: Progress,
    checkpoint: Checkpoint,
) -> End:
    """The head brought to the optimum of its penalty on `rows`, and how far above it the descent had ended."""
    if end.unit:
        rows = Changed(rows.store, unit_rows).view(rows.start, rows.stop)
    rows = cached(rows, options, workers)
    problem = Problem.of(rows, "moments of the certificate", options, workers, progress, checkpoint)
    l2 = end.details["l2"]
    point = problem.point(*end.head)
    ((value, _),) = problem.objective.evaluate([point], [l2], np.float32, "certificate")
    (optimum,) = minimise(problem.objective, problem.metric, [point], [l2], problem.aim, checkpoint, "certificate")
    about = certificate(optimum, problem.aim)
    above = (value - optimum.minimiser.value) / optimum.minimiser.value
    details = end.details | {"certificate": about | {"descent_above_optimum": above}}
    return replace(end, head=problem.raw(optimum.minimiser.point), details=details)


def library_of(device: str) -> Any:
    """The array library that computes on `device`."""
    return LIBRARIES["numpy"](device) if device == "cpu" else LIBRARIES["torch"](device)

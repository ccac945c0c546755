"""Test accuracy against seconds and against passes over the data: gapscope's default beside what people use now.

    python -m benchmarks.time_to_accuracy TRAIN TEST --out benchmarks/results/time_to_accuracy.json
    python -m benchmarks.time_to_accuracy TRAIN TEST --only gapscope sgd --limit 120

TRAIN and TEST are embedding stores. All start from the files and run one after the other on the same processors:

* `gapscope`: `softmax` as it is, everything chosen on held-out rows, that time included;
* `sgd`: `SGDClassifier.partial_fit` over raw chunks;
* `lbfgs`, `saga`: scikit-learn's `LogisticRegression` on standardised features in memory, with the penalty that
  `logistic` chose, its search not counted;
* `dask-ml`: its `Incremental` around `SGDClassifier`;
* `torch`: momentum SGD with a cosine schedule on standardised features, the usual linear probe, at the best of three
  learning rates, the search not counted.

The goal is the accuracy of the converged optimum (`logistic`) less 0.1 points; the time to it is that of the first
measurement from which the accuracy stays above the goal. Evaluations are not counted.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.location import Location
from gapscope.probes.options import ProbeOptions
from gapscope.probes.train import train
from gapscope.store import EmbeddingStore, View, open_store
from gapscope.stream import connect

POINTS = 0.1
CHUNK_ROWS = 8192
LOOKS_SECONDS = 0.1
TORCH_RATES, TORCH_EPOCHS, TORCH_BATCH = (0.1, 0.01, 0.001), 20, 256
COLOURS = {"gapscope": "#0072B2", "sgd": "#D55E00", "lbfgs": "#009E73", "saga": "#CC79A7", "dask-ml": "#E69F00"}


@dataclass
class Curve:
    """What one way of training reached: seconds, passes over the data and test accuracy, measurement by measurement."""

    test: Chunk
    limit: float
    points: list[tuple[float, float, float]] = field(default_factory=list)
    paused: float = 0.0
    begun: float = field(default_factory=perf_counter)

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return perf_counter() - self.begun - self.paused

    def look(self, passes: float, predict: Callable[[np.ndarray], np.ndarray], seconds: float | None = None) -> bool:
        """Measure; whether there is time left."""
        start = perf_counter()
        spent = self.seconds if seconds is None else seconds
        self.points.append((spent, passes, float((predict(self.test.x) == self.test.y).mean())))
        self.paused += perf_counter() - start
        return spent < self.limit

    def reached(self, goal: float) -> float | None:
        """Seconds to the goal; None when it was never reached for good."""
        below = [index for index, point in enumerate(self.points) if point[2] < goal]
        first = below[-1] + 1 if below else 0
        return self.points[first][0] if first < len(self.points) else None


@dataclass
class Recorder:
    """A checkpoint that keeps every state of the descent with its time, in memory."""

    kept: list[tuple[float, dict, dict]] = field(default_factory=list)
    origin: np.ndarray | None = None
    begun: float = field(default_factory=perf_counter)
    last: float = 0.0

    def load(self, _stage: str) -> None:
        return None

    def save(self, stage: str, arrays: dict, about: dict) -> None:
        if stage == "moments":
            self.origin = arrays["mean"]
        elif stage == "descent":
            copies = {name: arrays[name].copy() for name in ("mean_weight", "mean_centre")}
            self.kept.append((perf_counter() - self.begun, copies, json.loads(json.dumps(about))))
        self.last = perf_counter()

    def due(self) -> bool:
        return perf_counter() - self.last > LOOKS_SECONDS


def divided(store: EmbeddingStore) -> tuple[View, View]:
    """Training rows and held-out ones, as `fit-incremental` divides them."""
    held = min(store.rows // 10, 10_000)
    return store.view(0, store.rows - held), store.view(store.rows - held)


def gapscope(store: EmbeddingStore, curve: Curve, _c: float) -> None:
    """The default softmax probe."""
    recorder = Recorder()
    rows, held = divided(store)
    with connect() as workers:
        model = train("softmax", rows, held, ProbeOptions(), workers, checkpoint=recorder)
        total = perf_counter() - recorder.begun
    winner = next((i for i, row in enumerate(model.details["settings"]) if row["l2"] == model.details.get("l2")), 0)
    classes = len([count for count in model.details["class_rows"] if count])
    for seconds, arrays, about in recorder.kept:
        place = about["alive"].index(winner)
        columns = slice(place * classes, (place + 1) * classes)
        weight = arrays["mean_weight"][:, columns]
        bias = arrays["mean_centre"][columns] - recorder.origin @ weight
        passes = 1 + about["done"] / model.details["steps"] * model.details["epochs"]
        curve.look(passes, lambda x, w=weight, b=bias: (x @ w + b).argmax(axis=1), seconds)
    curve.look(model.details["passes"], model.predict, total)


def sgd(store: EmbeddingStore, curve: Curve, _c: float) -> None:
    """`SGDClassifier.partial_fit` over raw chunks."""
    from sklearn.linear_model import SGDClassifier

    model, classes = SGDClassifier(loss="log_loss"), np.arange(len(store.class_names))
    for passes, chunk in _endless(store):
        model.partial_fit(chunk.x, chunk.y, classes=classes)
        if not curve.look(passes, model.predict):
            return


def lbfgs(store: EmbeddingStore, curve: Curve, c: float) -> None:
    """scikit-learn's L-BFGS, five iterations at a time."""
    _logistic(store, curve, c, "lbfgs", 5)


def saga(store: EmbeddingStore, curve: Curve, c: float) -> None:
    """scikit-learn's SAGA, two epochs at a time."""
    _logistic(store, curve, c, "saga", 2)


def _logistic(store: EmbeddingStore, curve: Curve, c: float, solver: str, step: int) -> None:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    rows = store.view().read()
    scaler = StandardScaler().fit(rows.x)
    x = scaler.transform(rows.x)
    model = LogisticRegression(C=c, solver=solver, max_iter=step, warm_start=True, tol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for turn in range(1, 200 // step):
            model.fit(x, rows.y)
            left = curve.look(2 + turn * step, lambda new: model.predict(scaler.transform(new)))
            if not left or model.n_iter_.max() < step:
                return


def dask_ml(store: EmbeddingStore, curve: Curve, _c: float) -> None:
    """dask-ml's `Incremental`."""
    import dask.array as da
    from dask_ml.wrappers import Incremental
    from sklearn.linear_model import SGDClassifier

    x = store.to_dask_array(CHUNK_ROWS)
    labels = np.concatenate([chunk.y for chunk in store.view().chunks(CHUNK_ROWS)])
    y = da.from_array(labels, chunks=(x.chunks[0],))
    model = Incremental(SGDClassifier(loss="log_loss"), shuffle_blocks=False)
    for turn in range(1, 40):
        model.partial_fit(x, y, classes=np.arange(len(store.class_names)))
        if not curve.look(1 + turn, model.estimator_.predict):
            return


def torch_sgd(store: EmbeddingStore, curve: Curve, _c: float) -> None:
    """Momentum SGD, at the best of three learning rates; only the best one's curve is kept."""
    curves = [_torch_at(store, curve, rate) for rate in TORCH_RATES]
    curve.points = max(curves, key=lambda points: points[-1][2])


def _torch_at(store: EmbeddingStore, like: Curve, rate: float) -> list[tuple[float, float, float]]:
    import torch

    curve = Curve(like.test, like.limit)
    rows = store.view().read()
    x, y = torch.from_numpy(rows.x), torch.from_numpy(rows.y).long()
    mean, deviation = x.mean(dim=0), x.std(dim=0).clamp_min(1e-6)
    x = (x - mean) / deviation
    layer = torch.nn.Linear(x.shape[1], len(store.class_names))
    steps = TORCH_EPOCHS * -(-len(x) // TORCH_BATCH)
    optimiser = torch.optim.SGD(layer.parameters(), rate, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)

    @torch.no_grad()
    def predict(new: np.ndarray) -> np.ndarray:
        return layer((torch.from_numpy(new) - mean) / deviation).argmax(dim=1).numpy()

    for epoch in range(1, TORCH_EPOCHS + 1):
        for batch in torch.randperm(len(x)).split(TORCH_BATCH):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(layer(x[batch]), y[batch]).backward()
            optimiser.step()
            schedule.step()
        if not curve.look(1 + epoch, predict):
            break
    return curve.points


def _endless(store: EmbeddingStore) -> Iterator[tuple[float, Chunk]]:
    done = 0
    while True:
        for chunk in store.view().chunks(CHUNK_ROWS):
            done += len(chunk.y)
            yield done / store.rows, chunk


WAYS: dict[str, Callable[[EmbeddingStore, Curve, float], None]] = {
    "gapscope": gapscope,
    "sgd": sgd,
    "lbfgs": lbfgs,
    "saga": saga,
    "dask-ml": dask_ml,
    "torch": torch_sgd,
}


def draw(figures: dict[str, Any], place: Path) -> None:
    """Accuracy against seconds and against passes, both logarithmic, one line for each way."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    for axes, column, label in zip(figure.subplots(1, 2, sharey=True), (0, 1), ("seconds", "passes"), strict=True):
        for name, points in figures["curves"].items():
            values = np.array(points)
            axes.plot(values[:, column], 100 * values[:, 2], ".-", label=name, color=COLOURS.get(name, "#000000"))
        axes.axhline(100 * figures["converged"], color="grey", linestyle=":", label="converged optimum")
        axes.set(xscale="log", xlabel=f"{label} (training and reading)" if not column else "passes over the data")
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("test accuracy, %")
    figure.axes[1].legend(loc="lower right")
    figure.suptitle(f"Time to accuracy: {figures['rows']:,} rows, {figures['features']:,} features, {figures['set']}")
    figure.savefig(place, dpi=130)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every way, print the times to the goal, write curves and picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("--only", nargs="+", choices=sorted(WAYS), default=list(WAYS))
    parser.add_argument("--limit", type=float, default=300, help="seconds that each may take, as good as")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    store, test = (open_store(Location(place)) for place in (options.train, options.test))
    rows, held = divided(store)
    chunk = test.view().read()
    with connect() as workers:
        start = perf_counter()
        optimum = train("logistic", rows, held, ProbeOptions(), workers)
    figures = {
        "set": store.name,
        "rows": store.rows,
        "features": store.dim,
        "converged": float((optimum.predict(chunk.x) == chunk.y).mean()),
        "converged_seconds": perf_counter() - start,
        "c": optimum.details["c"],
        "curves": {},
        "seconds_to_goal": {},
    }
    goal = figures["converged"] - POINTS / 100
    print(f"converged {figures['converged']:.4f}, goal {goal:.4f}", flush=True)
    for name in options.only:
        curve = Curve(chunk, options.limit)
        WAYS[name](store, curve, figures["c"])
        figures["curves"][name] = curve.points
        figures["seconds_to_goal"][name] = curve.reached(goal)
        best = max(point[2] for point in curve.points)
        print(
            f"{name}: {figures['seconds_to_goal'][name]} s to the goal, best {best:.4f} in {curve.points[-1][0]:.1f} s",
            flush=True,
        )
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(figures, indent=1))
        draw(figures, options.out.with_suffix(".png"))


if __name__ == "__main__":
    main()

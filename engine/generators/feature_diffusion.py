"""Diffusion of embeddings: a small network is trained to take noise off the rows of each class, chunk by chunk.

Rows are seen along the leading axes of their covariance, at most `axes` of them, all divided by one number so that they
have variance one on average. What lies outside these axes is drawn from the class-conditional Gaussians of
`feature_gaussian`: few rows do not teach a network directions of little variance, and a classifier would recognise a
set without them at once. The process of noise, velocity and guidance is that of `gapscope.generators.denoising`.

References
----------
Han et al. (2024), "Latent-based diffusion model for long-tailed recognition" (LDMLR): diffusion of features.
"""

from bisect import bisect_right
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import DDIMScheduler
from torch import nn

from gapscope.core.checkpoint import Checkpoint
from gapscope.core.errors import InputError
from gapscope.core.progress import Progress
from gapscope.core.random import stream
from gapscope.generators.denoising import COSINE, TIMES, ddim, guided, noising, noisy, weighted_loss
from gapscope.generators.drawing import in_blocks, noise
from gapscope.generators.feature_gaussian import Gaussians, look, memory
from gapscope.generators.feature_generator import FeatureMethod, Fitted, Task
from gapscope.generators.generator import check_range
from gapscope.generators.training_loop import Schedule, run_steps, seeded
from gapscope.networks.state import Followed
from gapscope.store import View
from gapscope.summaries import LabelledMoments

Array = np.ndarray
NAME = "feature-diffusion"
WARMUP = 100
# Added to the seed of what is drawn outside the axes, so that it does not repeat the numbers inside.
OUTSIDE = 2**40


@dataclass(frozen=True)
class FeatureDiffusionRecipe:
    """How the network is trained and sampled.

    Attributes
    ----------
    steps, batch_size, lr
        Of Adam; the rate rises over the first 100 steps.
    width, layers
        Of the network.
    axes
        Leading axes that the network is trained on, at most.
    label_dropout
        Share of rows that are shown without their class, for guidance.
    ema
        Decay per step of the moving average of the weights that makes the rows.
    guidance
        1 for the class as fitted; above, more typical and less various rows.
    ddim_steps
        Evaluations of the network for a row; must divide 1000.
    block
        Rows that are made together; see `gapscope.generators.drawing.in_blocks`.
    chunk_rows
        Rows in memory; batches are drawn from one chunk after the other.
    """

    steps: int = 4000
    batch_size: int = 256
    lr: float = 1e-3
    width: int = 256
    layers: int = 3
    axes: int = 64
    label_dropout: float = 0.1
    ema: float = 0.999
    guidance: float = 1.0
    ddim_steps: int = 50
    block: int = 256
    chunk_rows: int = 65_536
    seed: int = 0

    def check(self) -> None:
        """Refuse values that make no sense."""
        many = float("inf")
        check_range(self, 1, many, "steps", "batch_size", "width", "layers", "axes", "block", "chunk_rows")
        check_range(self, 0, 1, "label_dropout", "ema")
        check_range(self, 0, many, "guidance")
        if not self.lr > 0:
            raise InputError(f"lr is {self.lr}; give a number above 0, such as 0.001")
        if not 0 < self.ddim_steps <= TIMES or TIMES % self.ddim_steps:
            raise InputError(f"ddim steps is {self.ddim_steps}; give a divisor of {TIMES}, such as 20, 25, 50 or 100")


class Frame(NamedTuple):
    """Coordinates of the network: ``z = (x - origin) axes / scale`` with ``axes : (d, q)``."""

    origin: Array
    axes: Array
    scale: float

    @classmethod
    def of(cls, moments: LabelledMoments, most: int) -> "Frame":
        """The leading axes of the covariance of all rows."""
        values, axes = np.linalg.eigh(moments.covariance())
        values, axes = values[::-1][:most], axes[:, ::-1][:, :most]
        return cls(moments.total.mean, axes, float(np.sqrt(max(values.mean(), np.finfo(np.float32).tiny))))

    def inside(self, x: Array) -> Array:
        """Coordinates ``(n, q) float32`` of rows ``x : (n, d)``."""
        return ((x - self.origin) @ self.axes / self.scale).astype(np.float32)

    def with_outside(self, z: Array, other: Array) -> Array:
        """Rows ``(n, d)`` with coordinates `z`, and outside the axes those of the rows ``other : (n, d)``."""
        return other + (self.scale * z - (other - self.origin) @ self.axes) @ self.axes.T


@dataclass
class Feed:
    """The labelled rows of a view in batches by the step's number; one chunk is in memory.

    Rows stand in random order in a store; within a chunk they are put in another order in every pass.
    """

    view: View
    frame: Frame
    recipe: FeatureDiffusionRecipe
    _held: tuple[int, Array, Array] | None = field(default=None, init=False)

    def __post_init__(self):
        self._pieces = self.view.pieces(self.recipe.chunk_rows)
        batches = (-(-piece.rows // self.recipe.batch_size) for piece in self._pieces)
        self._ends = list(accumulate(batches))

    def batch(self, step: int) -> tuple[Array, Array]:
        """``z (b, q) float32`` and ``y (b,) int64`` of step number `step`, from 1 on; rows without label left out."""
        turn, place = divmod(step - 1, self._ends[-1])
        number = bisect_right(self._ends, place)
        z, y = self._chunk(number)
        order = stream(self.recipe.seed, "order", turn, number).permutation(len(y))
        first = (place - (self._ends[number - 1] if number else 0)) * self.recipe.batch_size
        rows = order[np.arange(first, first + self.recipe.batch_size) % len(y)]
        return z[rows], y[rows]

    def _chunk(self, number: int) -> tuple[Array, Array]:
        if self._held is None or self._held[0] != number:
            chunk = self.view.store.read(self._pieces[number])
            known = chunk.y >= 0
            self._held = number, self.frame.inside(chunk.x[known]), chunk.y[known].astype(np.int64)
        return self._held[1:]


class Denoiser(nn.Module):
    """The velocity of rows ``(n, q, 1, 1)`` at times ``(n,)`` for classes ``(n,)``; residual blocks of two layers."""

    def __init__(self, dim: int, classes: int, recipe: FeatureDiffusionRecipe):
        super().__init__()
        width = recipe.width
        self.enter, self.leave = nn.Linear(dim, width), nn.Linear(width, dim)
        self.time = nn.Sequential(nn.Linear(2 * len(FREQUENCIES), width), nn.SiLU(), nn.Linear(width, width))
        self.label = nn.Embedding(classes + 1, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
            for _ in range(recipe.layers)
        )
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: torch.Tensor, times: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Of the shape of `x`."""
        conditions = self.time(_waves(times)) + self.label(labels)
        hidden = self.enter(x.flatten(1))
        for block in self.blocks:
            hidden = hidden + block(hidden + conditions)
        return self.leave(hidden).reshape(x.shape)


FREQUENCIES = torch.exp(torch.linspace(0, np.log(1000), 16))


def _waves(times: torch.Tensor) -> torch.Tensor:
    angles = times[:, None] / TIMES * FREQUENCIES.to(times.device)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _fit(task: Task, moments: LabelledMoments, recipe: FeatureDiffusionRecipe) -> Fitted:
    """The training; a killed one goes on from the checkpoint and ends in the same network."""
    frame = Frame.of(moments, recipe.axes)
    feed = Feed(task.view, frame, recipe)
    network, losses = trained(feed, task.classes, recipe, task.checkpoint, task.progress)
    maker = Maker(network, frame, Gaussians.of(moments, None), recipe)
    return Fitted(maker.draw, {"losses": losses})


def trained(
    feed: Feed, classes: int, recipe: FeatureDiffusionRecipe, checkpoint: Checkpoint, progress: Progress
) -> tuple[nn.Module, dict[str, list[float]]]:
    """The moving average of the network, and its losses on the way."""
    dim = feed.frame.axes.shape[1]
    model = seeded(lambda: Denoiser(dim, classes, recipe), recipe.seed, NAME).train()
    average = deepcopy(model)
    followed = Followed.of(average, model)
    optimiser = torch.optim.Adam(model.parameters(), recipe.lr)
    scheduler = noising()

    def step(number: int, generator: torch.Generator) -> tuple[torch.Tensor]:
        z, y = feed.batch(number)
        clean = torch.from_numpy(z)[:, :, None, None]
        hidden = torch.rand(len(y), generator=generator) < recipe.label_dropout
        shown = torch.where(hidden, classes, torch.from_numpy(y))
        x, _, velocity, times = noisy(clean, scheduler, generator)
        loss = weighted_loss(model(x, times, shown), velocity, times, scheduler)
        optimiser.param_groups[0]["lr"] = recipe.lr * min(1, number / WARMUP)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        followed.step(recipe.ema, number)
        return (loss,)

    parts = {"model": model, "average": average, "optimiser": optimiser}
    schedule = Schedule(parts, ("loss",), _training(recipe), torch.device("cpu"))
    losses = run_steps(schedule, step, checkpoint, progress)
    return average.eval(), losses


def _training(recipe: FeatureDiffusionRecipe) -> dict[str, Any]:
    return {name: value for name, value in asdict(recipe).items() if name not in ("guidance", "ddim_steps", "block")}


@dataclass(frozen=True)
class Maker:
    """Makes rows: coordinates by DDIM, the rest from the Gaussians."""

    network: nn.Module
    frame: Frame
    gaussians: Gaussians
    recipe: FeatureDiffusionRecipe

    def draw(self, label: int, indices: range, seed: int) -> Array:
        """Rows ``(m, d) float32``."""
        return in_blocks(indices, self.recipe.block, lambda block: self._block(label, block, seed))

    @torch.inference_mode()
    def _block(self, label: int, block: range, seed: int) -> Array:
        start = torch.from_numpy(noise(seed, label, block, (self.frame.axes.shape[1], 1, 1)))
        labels = torch.full((len(block),), label)
        predict = guided(self.network, labels, self.network.label.num_embeddings - 1, self.recipe.guidance)
        # What is predicted of a row has no bounds, as that of an image has.
        way_back = DDIMScheduler(**COSINE, timestep_spacing="trailing", clip_sample=False)
        z = ddim(predict, start, way_back, self.recipe.ddim_steps).flatten(1).numpy()
        other = self.gaussians.draw(label, block, seed + OUTSIDE)
        return self.frame.with_outside(z, other).astype(np.float32)


def _memory(rows: int, dim: int, classes: int) -> int:
    """The moments, a chunk with its coordinates, and a network of some MB with what its optimiser keeps."""
    recipe = FeatureDiffusionRecipe()
    return memory(rows, dim, classes) + 4 * recipe.chunk_rows * (dim + recipe.axes) + 2**27


DIFFUSION = FeatureMethod(NAME, FeatureDiffusionRecipe, look, _fit, _memory)

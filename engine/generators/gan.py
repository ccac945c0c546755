"""A small class-conditional generative adversarial network, made for sets of some hundred images.

What keeps it from learning few images by heart, and from collapsing: the discriminator sees images only through
differentiable changes, its layers have spectral norm 1 at most, and its slope at real images is held down (R1); images
are made by a moving average of the generator.

References
----------
Miyato et al. (2018), "Spectral normalization for generative adversarial networks"; Miyato and Koyama (2018), "cGANs
with projection discriminator"; Mescheder, Geiger and Nowozin (2018), "Which training methods for GANs do actually
converge?" (R1); Karras et al. (2020), "Analyzing and improving the image quality of StyleGAN" (R1 every 16 steps);
Chen et al. (2019), "On self modulation for generative adversarial networks" (how the class enters the
generator).
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from gapscope.core.checkpoint import Checkpoint
from gapscope.core.errors import InputError
from gapscope.core.progress import Progress
from gapscope.generators.canvas import Canvas, canvas_of
from gapscope.generators.diff_augment import diff_augment
from gapscope.generators.drawing import in_blocks, noise
from gapscope.generators.generator import Draw, Fitted, Form, Material, Method, check_range
from gapscope.generators.training_loop import Schedule, chosen_rows, run_steps, seeded
from gapscope.networks.frame import Frame
from gapscope.networks.state import Followed, arrays_of, fill

NETWORK = "network"
GROUPS, LATENT, MOST_WIDER = 8, 64, 4
# Halvings after which the shorter edge has 4 to 7 pixels.
SHORTEST = 8
LAZY = 16


@dataclass(frozen=True)
class GanRecipe:
    """How a generative adversarial network is trained and sampled.

    Attributes
    ----------
    steps, batch_size, lr
        Of Adam, the same for both networks, which take turns.
    width
        Channels at full resolution, a multiple of 8; they double with each halving, up to four times as many.
    r1
        Weight of the squared slope at real images.
    ema
        Decay per step of the moving average of the generator that makes the images.
    augment
        Whether the discriminator sees images through differentiable changes.
    flip
        Show each image mirrored half of the time; not where left and right matter.
    block
        Images that are made together; see `gapscope.generators.drawing.in_blocks`.
    """

    steps: int = 4000
    batch_size: int = 32
    lr: float = 2e-4
    width: int = 32
    r1: float = 0.1
    ema: float = 0.995
    augment: bool = True
    flip: bool = False
    block: int = 16
    seed: int = 0

    def check(self) -> None:
        """Refuse values that make no sense."""
        check_range(self, 1, float("inf"), "steps", "batch_size", "block")
        check_range(self, 0, 1, "ema")
        check_range(self, 0, float("inf"), "r1")
        if not self.lr > 0:
            raise InputError(f"lr is {self.lr}; give a number above 0, such as 0.0002")
        if self.width < GROUPS or self.width % GROUPS:
            raise InputError(f"width is {self.width}; give a multiple of {GROUPS}, such as 32")


class _Told(nn.Module):
    """Normalises groups of channels; scale and shift come from the code of noise and class."""

    def __init__(self, channels: int, code: int):
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels, affine=False)
        self.scale_and_shift = nn.Linear(code, 2 * channels)

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        scale, shift = self.scale_and_shift(code)[:, :, None, None].chunk(2, 1)
        return self.norm(x) * (1 + scale) + shift


class _Larger(nn.Module):
    """Twice the edges: nearest pixels, then two convolutions beside a shortcut."""

    def __init__(self, before: int, after: int, code: int):
        super().__init__()
        self.first, self.second = _Told(before, code), _Told(after, code)
        self.widen, self.mix = nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)
        self.shortcut = nn.Conv2d(before, after, 1)

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        inside = nn.functional.interpolate(nn.functional.relu(self.first(x, code)), scale_factor=2)
        inside = self.mix(nn.functional.relu(self.second(self.widen(inside), code)))
        return inside + nn.functional.interpolate(self.shortcut(x), scale_factor=2)


class Maker(nn.Module):
    """Images ``(n, c, h, w)``, numbers from -1 to 1, from noise ``(n, LATENT)`` and classes ``(n,)``."""

    def __init__(self, canvas: Canvas, classes: int, width: int):
        super().__init__()
        wide = _widths(canvas, width)[::-1]
        self.base = wide[0], canvas.height >> len(wide) - 1, canvas.width >> len(wide) - 1
        self.classes = nn.Embedding(classes, LATENT)
        self.start = nn.Linear(2 * LATENT, int(np.prod(self.base)))
        self.blocks = nn.ModuleList(_Larger(before, after, 2 * LATENT) for before, after in pairwise(wide))
        self.norm, self.end = _Told(wide[-1], 2 * LATENT), nn.Conv2d(wide[-1], canvas.frame.channels, 3, padding=1)

    def forward(self, z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        code = torch.cat([z, self.classes(labels)], 1)
        x = self.start(code).reshape(-1, *self.base)
        for block in self.blocks:
            x = block(x, code)
        return torch.tanh(self.end(nn.functional.relu(self.norm(x, code))))


class _Smaller(nn.Module):
    """Half the edges: two convolutions, then means of four, beside a shortcut; all of spectral norm 1."""

    def __init__(self, before: int, after: int):
        super().__init__()
        self.mix = spectral_norm(nn.Conv2d(before, before, 3, padding=1))
        self.widen = spectral_norm(nn.Conv2d(before, after, 3, padding=1))
        self.shortcut = spectral_norm(nn.Conv2d(before, after, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inside = self.widen(nn.functional.leaky_relu(self.mix(nn.functional.leaky_relu(x, 0.2)), 0.2))
        return nn.functional.avg_pool2d(inside, 2) + self.shortcut(nn.functional.avg_pool2d(x, 2))


class Discriminator(nn.Module):
    """How real images ``(n, c, h, w)`` of classes ``(n,)`` look, ``(n,)``: a plain answer and one of the class."""

    def __init__(self, canvas: Canvas, classes: int, width: int):
        super().__init__()
        wide = _widths(canvas, width)
        self.start = spectral_norm(nn.Conv2d(canvas.frame.channels, wide[0], 3, padding=1))
        self.blocks = nn.Sequential(*(_Smaller(before, after) for before, after in pairwise(wide)))
        self.plain = spectral_norm(nn.Linear(wide[-1], 1))
        self.classes = spectral_norm(nn.Embedding(classes, wide[-1]))

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        features = nn.functional.leaky_relu(self.blocks(self.start(x)), 0.2).sum((2, 3))
        return self.plain(features)[:, 0] + (self.classes(labels) * features).sum(1)


def _halvings(frame: Frame) -> int:
    return max(1, int(np.log2(min(frame.size) / SHORTEST)) + 1)


def _widths(canvas: Canvas, width: int) -> list[int]:
    """Channels from full resolution to the smallest."""
    return [width * min(2**level, MOST_WIDER) for level in range(_halvings(canvas.frame) + 1)]


def maker_of(recipe: GanRecipe, canvas: Canvas, classes: int) -> nn.Module:
    """The generator's network with its first weights."""
    return seeded(lambda: Maker(canvas, classes, recipe.width), recipe.seed, "maker")


def fit(material: Material, recipe: GanRecipe, checkpoint: Checkpoint, progress: Progress) -> Fitted:
    """Weights of the generator's moving average; see `Method.fit`."""
    device = torch.device(material.device)
    canvas = canvas_of(material.frame, _halvings(material.frame))
    maker = maker_of(recipe, canvas, material.classes).to(device).train()
    discriminator = (
        seeded(lambda: Discriminator(canvas, material.classes, recipe.width), recipe.seed, "judge").to(device).train()
    )
    average = deepcopy(maker)
    followed = Followed.of(average, maker)
    makes, judges = (
        torch.optim.Adam(part.parameters(), recipe.lr, betas=(0.0, 0.99)) for part in (maker, discriminator)
    )
    known = torch.from_numpy(material.labels).to(device)

    def step(number: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        rows = chosen_rows(recipe.seed, number, recipe.batch_size, len(material.images))
        real, labels = canvas.enlarge(material.images[rows], device), known[torch.from_numpy(rows).to(device)]
        if recipe.flip:
            mirrored = torch.rand(len(rows), generator=generator, device=device) < 0.5
            real = torch.where(mirrored[:, None, None, None], real.flip(3), real)
        z = torch.randn((2, len(rows), LATENT), generator=generator, device=device)

        def seen(x: torch.Tensor) -> torch.Tensor:
            return diff_augment(x, generator) if recipe.augment else x

        slope_due = recipe.r1 > 0 and number % LAZY == 0
        shown = seen(real).requires_grad_(slope_due)
        with torch.no_grad():
            made = maker(z[0], labels)
        right = discriminator(shown, labels)
        loss = nn.functional.relu(1 - right).mean() + nn.functional.relu(1 + discriminator(seen(made), labels)).mean()
        slope = _squared_slope(right, shown) * (recipe.r1 / 2 * LAZY) if slope_due else 0
        judges.zero_grad(set_to_none=True)
        (loss + slope).backward()
        judges.step()

        fooled = -discriminator(seen(maker(z[1], labels)), labels).mean()
        makes.zero_grad(set_to_none=True)
        fooled.backward()
        makes.step()
        followed.step(recipe.ema, number)
        return loss, fooled

    parts = {"maker": maker, "judge": discriminator, "average": average, "makes": makes, "judges": judges}
    schedule = Schedule(parts, ("discriminator", "generator"), GAN.training(recipe), device)
    losses = run_steps(schedule, step, checkpoint, progress)
    return Fitted(arrays_of(average.state_dict(), NETWORK), {"losses": losses})


def _squared_slope(answers: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Mean over images of the squared length of the answer's gradient in the image's pixels."""
    (slope,) = torch.autograd.grad(answers.sum(), images, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean()


def sampler(recipe: GanRecipe, form: Form, arrays: Mapping[str, np.ndarray]) -> Draw:
    """Images in one evaluation of the generator; see `Method.sampler`."""
    canvas = canvas_of(form.frame, _halvings(form.frame))
    maker = maker_of(recipe, canvas, form.classes)
    fill(maker, arrays, NETWORK)
    maker.to(form.device).eval()

    @torch.inference_mode()
    def made(label: int, block: range, seed: int) -> np.ndarray:
        z = torch.from_numpy(noise(seed, label, block, (LATENT,))).to(form.device)
        return canvas.cut(maker(z, torch.full((len(block),), label, device=z.device)))

    def draw(label: int, indices: range, seed: int) -> np.ndarray:
        return in_blocks(indices, recipe.block, lambda block: made(label, block, seed))

    return draw


GAN = Method("gan", GanRecipe, fit, sampler, free=("block",))

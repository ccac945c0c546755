"""Class-conditional diffusion in pixels: a small U-Net that takes noise off images, trained from nothing."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import UNet2DModel
from torch import nn

from gapscope.core.checkpoint import Checkpoint
from gapscope.core.errors import InputError
from gapscope.core.progress import Progress
from gapscope.generators.canvas import Canvas, canvas_of
from gapscope.generators.denoising import TIMES, backward, ddim, guided, noising, noisy, weighted_loss
from gapscope.generators.drawing import in_blocks, noise
from gapscope.generators.generator import Draw, Fitted, Form, Material, Method, check_range
from gapscope.generators.training_loop import Schedule, chosen_rows, run_steps, seeded
from gapscope.networks.frame import Frame
from gapscope.networks.state import Followed, arrays_of, fill

NETWORK = "network"
GROUPS, WARMUP = 8, 100
# Multiples of the width at each resolution; the last has edges of about 8 pixels, and attention.
WIDTHS = ((48, (1, 2, 2)), (96, (1, 2, 2, 3)), (256, (1, 1, 2, 2, 3)))


@dataclass(frozen=True)
class DiffusionRecipe:
    """How a diffusion model is trained and sampled.

    Attributes
    ----------
    steps, batch_size, lr
        Of Adam; the rate rises over the first 100 steps and then stays, so that a training may be continued.
    width
        Channels at full resolution; a multiple of 8. Time goes with its square.
    label_dropout
        Share of images that are shown without their class, for guidance.
    ema
        Decay per step of the moving average of the weights that makes the images.
    flip
        Show each image mirrored half of the time; not where left and right matter.
    guidance
        1 for the class as fitted; above, more typical and less various images at twice the cost.
    ddim_steps
        Evaluations of the network for an image; must divide 1000.
    block
        Images that are made together; see `gapscope.generators.drawing.in_blocks`.
    """

    steps: int = 4000
    batch_size: int = 64
    lr: float = 5e-4
    width: int = 32
    label_dropout: float = 0.1
    ema: float = 0.999
    flip: bool = False
    guidance: float = 1.5
    ddim_steps: int = 20
    block: int = 16
    seed: int = 0

    def check(self) -> None:
        """Refuse values that make no sense."""
        check_range(self, 1, float("inf"), "steps", "batch_size", "block")
        check_range(self, 0, 1, "label_dropout", "ema")
        check_range(self, 0, float("inf"), "guidance")
        if not self.lr > 0:
            raise InputError(f"lr is {self.lr}; give a number above 0, such as 0.0005")
        if self.width < GROUPS or self.width % GROUPS:
            raise InputError(f"width is {self.width}; give a multiple of {GROUPS}, such as 32")
        if not 0 < self.ddim_steps <= TIMES or TIMES % self.ddim_steps:
            raise InputError(f"ddim steps is {self.ddim_steps}; give a divisor of {TIMES}, such as 20, 25, 50 or 100")


def fit(material: Material, recipe: DiffusionRecipe, checkpoint: Checkpoint, progress: Progress) -> Fitted:
    """Weights of the moving average; see `Method.fit`."""
    device, nothing = torch.device(material.device), material.classes
    canvas = canvas_of(material.frame, len(_widths(material.frame)) - 1)
    model = network_of(recipe, material.frame, material.classes).to(device).train()
    average = deepcopy(model)
    followed = Followed.of(average, model)
    optimiser = torch.optim.Adam(model.parameters(), recipe.lr)
    scheduler = noising()
    labels = torch.from_numpy(material.labels).to(device)

    def step(number: int, generator: torch.Generator) -> tuple[torch.Tensor]:
        rows = chosen_rows(recipe.seed, number, recipe.batch_size, len(material.images))
        clean = canvas.enlarge(material.images[rows], device)
        chances = torch.rand((2, len(rows)), generator=generator, device=device)
        if recipe.flip:
            clean = torch.where(chances[0, :, None, None, None] < 0.5, clean.flip(3), clean)
        shown = torch.where(chances[1] < recipe.label_dropout, nothing, labels[torch.from_numpy(rows).to(device)])

        x, _, velocity, times = noisy(clean, scheduler, generator)
        loss = weighted_loss(model(x, times, shown).sample, velocity, times, scheduler)
        optimiser.param_groups[0]["lr"] = recipe.lr * min(1, number / WARMUP)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        followed.step(recipe.ema, number)
        return (loss,)

    parts = {"model": model, "average": average, "optimiser": optimiser}
    losses = run_steps(Schedule(parts, ("loss",), DIFFUSION.training(recipe), device), step, checkpoint, progress)
    return Fitted(arrays_of(average.state_dict(), NETWORK), {"losses": losses})


def sampler(recipe: DiffusionRecipe, form: Form, arrays: Mapping[str, np.ndarray]) -> Draw:
    """Images by DDIM; see `Method.sampler`."""
    canvas = canvas_of(form.frame, len(_widths(form.frame)) - 1)
    device = torch.device(form.device)
    network = network_of(recipe, form.frame, form.classes)
    fill(network, arrays, NETWORK)
    network.to(device).eval()

    def draw(label: int, indices: range, seed: int) -> np.ndarray:
        return in_blocks(indices, recipe.block, lambda block: _made(network, recipe, canvas, form, label, block, seed))

    return draw


@torch.inference_mode()
def _made(
    network: nn.Module, recipe: DiffusionRecipe, canvas: Canvas, form: Form, label: int, block: range, seed: int
) -> np.ndarray:
    """A block of images, (block, h, w, c) uint8."""
    start = torch.from_numpy(noise(seed, label, block, canvas.shape)).to(form.device)
    labels = torch.full((len(block),), label, device=start.device)
    predict = guided(lambda *inputs: network(*inputs).sample, labels, form.classes, recipe.guidance)
    return canvas.cut(ddim(predict, start, backward(), recipe.ddim_steps))


def _widths(frame: Frame) -> tuple[int, ...]:
    """Multiples of the width at each resolution, for images of this size."""
    return next((widths for edge, widths in WIDTHS if max(frame.size) <= edge), WIDTHS[-1][1])


def network_of(recipe: DiffusionRecipe, frame: Frame, classes: int) -> nn.Module:
    """The U-Net with its first weights; one class more stands for none."""
    channels = tuple(recipe.width * times for times in _widths(frame))
    plain = len(channels) - 1
    return seeded(
        lambda: UNet2DModel(
            in_channels=frame.channels,
            out_channels=frame.channels,
            block_out_channels=channels,
            down_block_types=("DownBlock2D",) * plain + ("AttnDownBlock2D",),
            up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * plain,
            layers_per_block=2,
            norm_num_groups=GROUPS,
            num_class_embeds=classes + 1,
        ),
        recipe.seed,
        NETWORK,
    )


DIFFUSION = Method("diffusion", DiffusionRecipe, fit, sampler, free=("guidance", "ddim_steps", "block"))

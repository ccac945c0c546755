"""A published latent diffusion model made to know the classes of a small set, by low-rank additions to its attention.

The model comes from a folder in the layout of diffusers (`unet`, `vae`, `scheduler`, safetensors) and stays as it is.
What is fitted: to each weight of the attention layers a product of two thin matrices (LoRA), and for each class, and
for none, some tokens that stand where the model expects those of a text. So no text encoder is needed.

References
----------
Hu et al. (2021), "LoRA: low-rank adaptation of large language models". Rombach et al. (2022), "High-resolution image
synthesis with latent diffusion models". Gal et al. (2022), "An image is worth one word" (fitted tokens).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, UNet2DConditionModel
from torch import nn
from torch.nn.utils.parametrize import register_parametrization

from gapscope.core.checkpoint import Checkpoint
from gapscope.core.errors import InputError
from gapscope.core.hashing import digest_file
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.generators.denoising import ddim, guided, noisy
from gapscope.generators.drawing import in_blocks, noise
from gapscope.generators.generator import Draw, Fitted, Form, Material, Method, check_range
from gapscope.generators.training_loop import Schedule, chosen_rows, run_steps, seeded
from gapscope.networks.frame import Frame
from gapscope.networks.pixels import to_device
from gapscope.networks.state import arrays_of, fill

ADDED, BASE = "added", "base"
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
WEIGHTS = "unet/diffusion_pytorch_model.safetensors"
ENCODED = 8


@dataclass(frozen=True)
class FinetuneRecipe:
    """How a published model is fine-tuned and sampled.

    Attributes
    ----------
    model
        Folder of the model, on this machine.
    image_size
        Edge in pixels at which the model works; 0 for its own. Images are scaled to it, and back.
    steps, batch_size, lr
        Of AdamW.
    rank
        Of the additions.
    tokens
        For each class.
    label_dropout, guidance, ddim_steps, block
        As of diffusion from nothing.
    """

    model: str = ""
    image_size: int = 0
    steps: int = 1000
    batch_size: int = 4
    lr: float = 1e-4
    rank: int = 8
    tokens: int = 8
    label_dropout: float = 0.1
    guidance: float = 2.0
    ddim_steps: int = 50
    block: int = 4
    seed: int = 0

    def check(self) -> None:
        """Refuse values that make no sense."""
        check_range(self, 1, float("inf"), "steps", "batch_size", "rank", "tokens", "ddim_steps", "block")
        check_range(self, 0, 1, "label_dropout")
        check_range(self, 0, float("inf"), "guidance", "image_size")
        if not self.lr > 0:
            raise InputError(f"lr is {self.lr}; give a number above 0, such as 0.0001")
        if not self.model:
            raise InputError("finetune-diffusion needs a model; give the folder of one, in the layout of diffusers")


class LowRank(nn.Module):
    """A weight ``(a, b)`` plus the product of ``(a, rank)``, zero at first, and ``(rank, b)``."""

    def __init__(self, weight: torch.Tensor, rank: int):
        super().__init__()
        self.up = nn.Parameter(torch.zeros(weight.shape[0], rank))
        self.down = nn.Parameter(torch.randn(rank, weight.shape[1]) / weight.shape[1] ** 0.5)

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + self.up @ self.down


class Base(NamedTuple):
    """A published model, frozen but for what was added to it.

    Attributes
    ----------
    added
        All that is fitted: the low-rank additions and the classes' tokens.
    size
        Edge of its images, in pixels.
    """

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    scheduler: Mapping[str, Any]
    added: nn.ModuleDict
    size: int

    def velocity(self, x: torch.Tensor, times: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """What the network predicts of latent images ``x`` of classes `labels`; what that is, the scheduler knows."""
        tokens = self.added["classes"](labels).reshape(len(x), -1, self.unet.config.cross_attention_dim)
        return self.unet(x, times, tokens).sample

    @torch.no_grad()
    def encode(self, images: np.ndarray) -> torch.Tensor:
        """Bytes ``(n, h, w, c)`` as latent images, a few at a time."""
        parts = [images[start : start + ENCODED] for start in range(0, len(images), ENCODED)]
        latents = [self.vae.encode(self._scaled(part)).latent_dist.mean for part in parts]
        return torch.cat(latents) * self.vae.config.scaling_factor

    def _scaled(self, images: np.ndarray) -> torch.Tensor:
        x = to_device(images, self.unet.device).float() / 127.5 - 1
        x = nn.functional.interpolate(x, (self.size, self.size), mode="bicubic", antialias=True)
        return x.clamp(-1, 1).expand(-1, 3, -1, -1)

    @torch.inference_mode()
    def decode(self, latent: torch.Tensor, frame: Frame) -> np.ndarray:
        """Latent images as bytes ``(n, h, w, c)`` of the given form."""
        x = self.vae.decode(latent / self.vae.config.scaling_factor).sample
        x = nn.functional.interpolate(x, frame.size, mode="bicubic", antialias=True)
        x = x.mean(1, keepdim=True) if frame.channels == 1 else x
        bytes_ = ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        return np.ascontiguousarray(bytes_.permute(0, 2, 3, 1).cpu().numpy())


def fit(material: Material, recipe: FinetuneRecipe, checkpoint: Checkpoint, progress: Progress) -> Fitted:
    """The additions, and which model they belong to; see `Method.fit`."""
    device, nothing = torch.device(material.device), material.classes
    base = base_model(recipe, material.classes, device)
    latents, labels = base.encode(material.images), torch.from_numpy(material.labels).to(device)
    optimiser = torch.optim.AdamW(base.added.parameters(), recipe.lr)
    scheduler = DDPMScheduler.from_config(base.scheduler)
    by_velocity = scheduler.config.prediction_type == "v_prediction"

    def step(number: int, generator: torch.Generator) -> tuple[torch.Tensor]:
        rows = torch.from_numpy(chosen_rows(recipe.seed, number, recipe.batch_size, len(latents))).to(device)
        x, added, velocity, times = noisy(latents[rows], scheduler, generator)
        hidden = torch.rand(len(rows), generator=generator, device=device) < recipe.label_dropout
        predicted = base.velocity(x, times, torch.where(hidden, nothing, labels[rows]))
        loss = nn.functional.mse_loss(predicted, velocity if by_velocity else added)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return (loss,)

    schedule = Schedule({ADDED: base.added, "optimiser": optimiser}, ("loss",), FINETUNE.training(recipe), device)
    losses = run_steps(schedule, step, checkpoint, progress)
    return Fitted(arrays_of(base.added.state_dict(), ADDED) | {BASE: _digest(recipe)}, {"losses": losses})


def sampler(recipe: FinetuneRecipe, form: Form, arrays: Mapping[str, np.ndarray]) -> Draw:
    """Images by DDIM in the model's latent space; see `Method.sampler`.

    Raises
    ------
    InputError
        The model in the folder is not the one that was fine-tuned.
    """
    if not np.array_equal(arrays[BASE], _digest(recipe)):
        raise InputError(f"the model in {recipe.model} is not the one that was fine-tuned; put that one back")
    base = base_model(recipe, form.classes, torch.device(form.device))
    fill(base.added, arrays, ADDED)
    edge = base.size // 2 ** (len(base.vae.config.block_out_channels) - 1)
    shape = (base.unet.config.in_channels, edge, edge)

    @torch.inference_mode()
    def made(label: int, block: range, seed: int) -> np.ndarray:
        start = torch.from_numpy(noise(seed, label, block, shape)).to(form.device)
        labels = torch.full((len(block),), label, device=start.device)
        scheduler = DDIMScheduler.from_config(base.scheduler, timestep_spacing="trailing", clip_sample=False)
        latent = ddim(guided(base.velocity, labels, form.classes, recipe.guidance), start, scheduler, recipe.ddim_steps)
        return base.decode(latent, form.frame)

    def draw(label: int, indices: range, seed: int) -> np.ndarray:
        return in_blocks(indices, recipe.block, lambda block: made(label, block, seed))

    return draw


def base_model(recipe: FinetuneRecipe, classes: int, device: torch.device) -> Base:
    """The published model from its folder, with additions that change nothing yet."""
    where = {"local_files_only": True, "use_safetensors": True, "low_cpu_mem_usage": False}
    try:
        unet = UNet2DConditionModel.from_pretrained(recipe.model, subfolder="unet", **where)
        vae = AutoencoderKL.from_pretrained(recipe.model, subfolder="vae", **where)
        scheduler = DDPMScheduler.load_config(recipe.model, subfolder="scheduler", local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{recipe.model} holds no latent diffusion model that diffusers can read: {reason}") from error
    unet.requires_grad_(requires_grad=False)
    vae.requires_grad_(requires_grad=False)
    tokens = recipe.tokens * unet.config.cross_attention_dim
    added = seeded(lambda: _additions(unet, recipe.rank, classes + 1, tokens), recipe.seed, ADDED)
    size = _size(recipe, unet, vae)
    return Base(unet.to(device).eval(), vae.to(device).eval(), scheduler, added.to(device), size)


def _size(recipe: FinetuneRecipe, unet: nn.Module, vae: nn.Module) -> int:
    """Edge of the model's images, in pixels."""
    latent = 2 ** (len(vae.config.block_out_channels) - 1)
    unit = latent * 2 ** (len(unet.config.block_out_channels) - 1)
    if recipe.image_size % unit:
        raise InputError(f"image size is {recipe.image_size}; give a multiple of {unit}, which this model halves down")
    return recipe.image_size or unet.config.sample_size * latent


def _additions(unet: nn.Module, rank: int, classes: int, tokens: int) -> nn.ModuleDict:
    """Put an addition to each attention weight of `unet`; all of them, with the classes' tokens."""
    layers = [(name, layer) for name, layer in unet.named_modules() if name.endswith(ATTENTION)]
    added = nn.ModuleDict({"classes": nn.Embedding(classes, tokens)})
    for name, layer in layers:
        addition = added[name.replace(".", "-")] = LowRank(layer.weight, rank)
        register_parametrization(layer, "weight", addition)
    return added


def _digest(recipe: FinetuneRecipe) -> np.ndarray:
    """SHA-256 of the network's weights, (32,) uint8."""
    with (Location.of(recipe.model) / WEIGHTS).open_input() as file:
        return np.frombuffer(bytes.fromhex(digest_file(file)), np.uint8)


FINETUNE = Method("finetune-diffusion", FinetuneRecipe, fit, sampler, free=("guidance", "ddim_steps", "block"))

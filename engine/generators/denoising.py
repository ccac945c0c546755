"""How images drown in noise, what a network is trained on, and the way back from noise to images.

At time t, an image x_0 has become x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) e, with e standard normal and a_t falling from 1
to 0 along a cosine. The network predicts the velocity v = sqrt(a_t) e - sqrt(1 - a_t) x_0, which is of one size at all
times, where the noise e says nothing about the image when there is little else, and the image nothing about the noise.

References
----------
Ho, Jain and Abbeel (2020), "Denoising diffusion probabilistic models". Nichol and Dhariwal (2021), "Improved denoising
diffusion probabilistic models" (cosine). Salimans and Ho (2022), "Progressive distillation for fast sampling of
diffusion models" (velocity). Song, Meng and Ermon (2021), "Denoising diffusion implicit models".
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from diffusers import DDIMScheduler, DDPMScheduler

TIMES = 1000
# Hang et al. (2023), "Efficient diffusion training via min-SNR weighting strategy", section 4.
MOST_SNR = 5.0
COSINE = {"num_train_timesteps": TIMES, "beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}

Predict = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def noising() -> DDPMScheduler:
    """Diffusers' scheduler of the forward process above."""
    return DDPMScheduler(**COSINE)


def backward() -> DDIMScheduler:
    """Diffusers' scheduler of the way back; what is predicted of an image is held within -1 and 1."""
    return DDIMScheduler(**COSINE, timestep_spacing="trailing")


def weighted_loss(
    predicted: torch.Tensor, velocity: torch.Tensor, times: torch.Tensor, scheduler: DDPMScheduler
) -> torch.Tensor:
    """Mean squared error of the velocity, each image weighted by min(SNR, 5) / (SNR + 1).

    SNR = a_t / (1 - a_t); the error of v is SNR + 1 times that of the image x_0, so that the latter counts with
    min(SNR, 5): times with next to no noise, where hardly anything is left to predict, do not drown the others.
    """
    a = scheduler.alphas_cumprod.to(times.device)[times]
    snr = a / (1 - a)
    weight = snr.clamp(max=MOST_SNR) / (snr + 1)
    return (weight * (predicted - velocity).square().flatten(1).mean(1)).mean()


class Noisy(NamedTuple):
    """Images at some times: ``x, added, velocity : (n, c, h, w)``, ``times : (n,)``."""

    x: torch.Tensor
    added: torch.Tensor
    velocity: torch.Tensor
    times: torch.Tensor


def noisy(clean: torch.Tensor, scheduler: DDPMScheduler, generator: torch.Generator) -> Noisy:
    """``clean : (n, c, h, w)`` at random times, with random noise."""
    times = torch.randint(scheduler.config.num_train_timesteps, (len(clean),), generator=generator, device=clean.device)
    added = torch.randn(clean.shape, generator=generator, device=clean.device)
    return Noisy(scheduler.add_noise(clean, added, times), added, scheduler.get_velocity(clean, added, times), times)


def ddim(predict: Predict, start: torch.Tensor, scheduler: DDIMScheduler, steps: int) -> torch.Tensor:
    """Images from noise ``start : (n, c, h, w)`` in `steps` evaluations of ``predict(x, times)``.

    Nothing is drawn on the way, so an image is a function of its noise. Where the scheduler holds what is predicted of
    the image within bounds, the noise is taken anew from that.
    """
    scheduler.set_timesteps(steps, device=start.device)
    x = start
    for time in scheduler.timesteps:
        x = scheduler.step(predict(x, time.expand(len(x))), time, x, use_clipped_model_output=True).prev_sample
    return x


def guided(network: Callable[..., torch.Tensor], labels: torch.Tensor, nothing: int, guidance: float) -> Predict:
    """The velocity for classes `labels`, driven away from that for the class `nothing`: none + guidance (class - none).

    Guidance 1 is the network itself, and costs half; above 1, images are more typical of their class and less various.

    References
    ----------
    Ho and Salimans (2022), "Classifier-free diffusion guidance".
    """
    if guidance == 1:
        return lambda x, times: network(x, times, labels)
    both = torch.cat([labels, torch.full_like(labels, nothing)])

    def predict(x: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        with_class, without = network(x.repeat(2, 1, 1, 1), times.repeat(2), both).chunk(2)
        return without + guidance * (with_class - without)

    return predict

"""How a network is trained, in one frozen value."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gapscope.cnn.sampling import SAMPLERS
from gapscope.cnn.schedule import SCHEDULES
from gapscope.core.errors import InputError, unknown_name
from gapscope.networks.design import body_parameters

MOMENTUM = 0.9


def _adam(groups: Sequence[dict[str, Any]], lr: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(groups, lr=lr)


def _adamw(groups: Sequence[dict[str, Any]], lr: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=lr)


def _sgd(groups: Sequence[dict[str, Any]], lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=lr, momentum=MOMENTUM, nesterov=True)


OPTIMIZERS: Mapping[str, Callable[..., torch.optim.Optimizer]] = {"adam": _adam, "adamw": _adamw, "sgd": _sgd}
CLASS_WEIGHTS, KEPT, TRAINED = ("none", "balanced"), ("best", "last"), ("all", "first")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    lr
        Largest learning rate.
    body_lr
        Share of it for all but the head.
    weight_decay
        For weights; biases and norms have none.
    warmup
        Epochs over which the rate rises before the schedule begins.
    class_weight
        ``balanced`` weights each image with n / (k × images of its class) in the loss.
    sampler
        ``shuffled`` shows each image once in an epoch; ``balanced`` draws as many, of every class as often.
    augment
        As `parse_augmentation` takes it.
    ema
        Decay per step of the moving average of the weights that is evaluated and kept; 0 for the weights themselves.
    train_layers
        ``all``, or the ``first`` quarter of them alone.
    freeze_epochs
        Epochs in which the head alone learns.
    freeze_norms
        Batch norms keep the statistics that they came with.
    patience
        Epochs without a smaller validation loss after which the training ends; 0 for never.
    keep
        ``best`` for the epoch with the smallest validation loss, ``last`` for the last one.
    seed
        Decides initial weights, order, augmentation and dropout.
    """

    epochs: int = 10
    batch_size: int = 128
    optimizer: str = "adam"
    lr: float = 1e-3
    body_lr: float = 1.0
    weight_decay: float = 0.0
    schedule: str = "cosine"
    warmup: float = 0.0
    label_smoothing: float = 0.0
    class_weight: str = "none"
    sampler: str = "shuffled"
    augment: tuple[str, ...] = ()
    ema: float = 0.0
    train_layers: str = "all"
    freeze_epochs: int = 0
    freeze_norms: bool = False
    patience: int = 0
    keep: str = "best"
    seed: int = 0

    def check(self) -> None:
        """Refuse values that mean nothing.

        Raises
        ------
        InputError
            The message names the option.
        """
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name.replace('_', '-')} is {getattr(self, name)}; give 1 or more")
        for name in ("weight_decay", "warmup", "freeze_epochs", "patience", "body_lr"):
            if getattr(self, name) < 0:
                raise InputError(f"--{name.replace('_', '-')} is {getattr(self, name)}; give 0 or more")
        for name in ("label_smoothing", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"--{name.replace('_', '-')} is {getattr(self, name)}; give 0 or more, below 1")
        if not self.lr > 0:
            raise InputError(f"--lr is {self.lr}; give a number above 0, such as 0.001")
        for name, known in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("class_weight", CLASS_WEIGHTS),
            ("sampler", SAMPLERS),
            ("keep", KEPT),
            ("train_layers", TRAINED),
        ):
            if getattr(self, name) not in known:
                raise unknown_name(name.replace("_", " "), getattr(self, name), known)
        if self.freeze_epochs and self.train_layers != "all":
            raise InputError(
                f"--freeze-epochs {self.freeze_epochs} trains the head alone, --train-layers {self.train_layers} "
                "leaves it as it is; choose one"
            )

    def optimiser(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimiser of all parameters; each group's ``scale`` is its share of the learning rate."""
        body = {id(parameter) for parameter in body_parameters(model)}
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for parameter in model.parameters():
            scale = self.body_lr if id(parameter) in body else 1.0
            groups.setdefault((scale, self.weight_decay if parameter.ndim > 1 else 0.0), []).append(parameter)
        values = [
            {"params": result, "scale": scale, "weight_decay": decay} for (scale, decay), result in groups.items()
        ]
        return OPTIMIZERS[self.optimizer](values, self.lr)

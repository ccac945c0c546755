"""The training loop, from top to bottom: batches, loss, step, validation, checkpoint.

Random numbers are named by the seed and the epoch, so a checkpoint after an epoch needs no state of any generator: a
training that was killed and called again goes on with the numbers that it would have had. On one machine and number of
threads the result on a processor is the same, bit for bit.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import asdict, dataclass
from datetime import timedelta
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from gapscope.cnn.augment import parse_augmentation
from gapscope.cnn.images import Changing, Images, batches, even_parts
from gapscope.cnn.kept import save
from gapscope.cnn.recipe import Recipe
from gapscope.cnn.sampling import SAMPLERS
from gapscope.cnn.schedule import rate
from gapscope.cnn.team import ALONE, Team
from gapscope.cnn.transfer import sent
from gapscope.core.checkpoint import NO_CHECKPOINT, Checkpoint
from gapscope.core.errors import DivergedError, InputError
from gapscope.core.memory import keep_freed_memory
from gapscope.core.progress import SILENT, Progress
from gapscope.core.random import stream
from gapscope.networks.design import freeze, train_mode
from gapscope.networks.pixels import normalised
from gapscope.networks.state import Followed, arrays_of, fill, fill_optimiser, optimiser_arrays

STAGE = "training"
EVALUATED = 512
# Steps between looks at the loss: to look, a GPU has to finish all that it has been given, a processor nothing.
LOOKS, SELDOM = {"cpu": 1}, 50


class Epoch(NamedTuple):
    """A row of the history. Loss and accuracy of training are means over the epoch's own batches, augmented and with
    dropout, while the weights moved; those of validation are of the weights that are kept, None without validation.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    lr: float
    seconds: float
    images_per_second: float


@dataclass(frozen=True)
class TrainingData:
    """What a network is to learn from, and where it is computed.

    Attributes
    ----------
    train, validation : (n,) int64
        Rows of `images`; validation may be empty.
    classes
        How many there are.
    mean, std : (channels,)
        Subtracted from pixels, which are fractions of 1, and divided by.
    precision
        ``float32``, or ``bfloat16`` by autocast on a GPU.
    """

    images: Images
    train: np.ndarray
    validation: np.ndarray
    classes: int
    mean: Sequence[float]
    std: Sequence[float]
    device: torch.device
    precision: str = "float32"

    def seen(self, epoch: int) -> Images:
        """The images as training sees them in `epoch`."""
        return self.images.at(epoch) if isinstance(self.images, Changing) else self.images

    @property
    def labels(self) -> np.ndarray:
        """Class indices of the rows to learn from, ``(n,)``."""
        return self.images.source.listing.labels[self.train]

    @property
    def plain(self) -> Images:
        """The images as they are."""
        return self.images.images if isinstance(self.images, Changing) else self.images

    def pixels(self, x: np.ndarray) -> torch.Tensor:
        """Bytes ``(n, h, w, c)`` on the device as ``(n, c, h, w)``."""
        return sent(torch.from_numpy(x), self.device).permute(0, 3, 1, 2)

    def normalised(self, x: torch.Tensor) -> torch.Tensor:
        """Bytes as the numbers that the network takes."""
        return normalised(x, self.mean, self.std)

    def autocast(self) -> torch.autocast:
        """The number format of the network's arithmetic."""
        lower = self.precision != "float32"
        return torch.autocast(self.device.type, dtype=torch.bfloat16 if lower else None, enabled=lower)

    def class_weight(self, kind: str) -> torch.Tensor | None:
        """Weights of the classes in the loss, ``(k,)``; n / (k × images of the class) where `kind` is ``balanced``."""
        if kind == "none":
            return None
        counts = np.bincount(self.labels, minlength=self.classes)
        return torch.tensor(len(self.train) / (self.classes * counts), dtype=torch.float32, device=self.device)


class Fitted(NamedTuple):
    """A trained network.

    Attributes
    ----------
    history
        One row per epoch.
    epoch
        The epoch whose weights these are.
    stopped
        Whether the training ended early.
    """

    model: nn.Module
    history: tuple[Epoch, ...]
    epoch: int
    stopped: bool


def fit(
    model: nn.Module,
    data: TrainingData,
    recipe: Recipe,
    checkpoint: Checkpoint = NO_CHECKPOINT,
    progress: Progress = SILENT,
    team: Team = ALONE,
) -> Fitted:
    """The `model`, trained in place, or its moving average where the recipe wants one.

    After every epoch all that is needed to go on is kept in `checkpoint`; a training that finds something there
    continues behind it.

    Raises
    ------
    DivergedError
        The loss is not finite; the message names epoch and step.
    DiskFullError
        There is no room for a checkpoint; the one before it is still there.
    """
    _check(recipe, data)
    keep_freed_memory()
    device = data.device
    model = model.to(device)
    average = deepcopy(model) if recipe.ema else None
    kept = model if average is None else average
    followed = None if average is None else Followed.of(average, model)
    optimiser = recipe.optimiser(model)
    augmentation = parse_augmentation(recipe.augment, data.classes)
    weight = data.class_weight(recipe.class_weight)
    steps = len(even_parts(data.train, recipe.batch_size))
    total, warmup = steps * recipe.epochs, round(steps * recipe.warmup)
    history, best = _continued(checkpoint, model, average, optimiser)

    with _own_numbers(device), torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=True):
        for epoch in range(len(history) + 1, recipe.epochs + 1):
            if _is_stale(history, recipe.patience):
                break
            begun = time.perf_counter()
            torch.manual_seed(int(stream(recipe.seed, "epoch", epoch, *team.names).integers(2**62)))
            order = SAMPLERS[recipe.sampler](data.train, data.labels, stream(recipe.seed, "order", epoch))
            layers = "head" if epoch <= recipe.freeze_epochs else recipe.train_layers
            freeze(model, layers)
            train_mode(model, layers, norms_frozen=recipe.freeze_norms)
            learner = team.learner(model)
            seen = _Seen(epoch, steps, recipe.lr, LOOKS.get(device.type, SELDOM))

            with progress.task(f"epoch {epoch} of {recipe.epochs}", len(data.train), "images") as task:
                images = team.share(data.seen(epoch))
                for index, batch in enumerate(batches(images, even_parts(order, recipe.batch_size))):
                    step = (epoch - 1) * steps + index
                    share = rate(recipe.schedule, warmup, step, total)
                    for group in optimiser.param_groups:
                        group["lr"] = recipe.lr * group["scale"] * share

                    x = data.normalised(augmentation.change(data.pixels(batch.x)))
                    x, y = augmentation.mix(x, sent(torch.from_numpy(batch.y), device))
                    with data.autocast():
                        logits = learner(x)
                    loss = nn.functional.cross_entropy(
                        logits.float(), y, weight, label_smoothing=recipe.label_smoothing
                    )
                    optimiser.zero_grad(set_to_none=True)
                    team.weighted(loss, y, weight).backward()
                    optimiser.step()

                    if followed is not None:
                        followed.step(recipe.ema, step)
                    seen.add(loss.detach(), logits.detach(), y)
                    task.advance(len(batch.rows))

            train_loss, train_accuracy = seen.means(team)
            validation_loss, validation_accuracy = validated(kept, data, team.first(data.validation))
            _check_validation(validation_loss, epoch, recipe)
            seconds = time.perf_counter() - begun
            row = team.broadcast(
                Epoch(
                    *(epoch, train_loss, train_accuracy, validation_loss, validation_accuracy),
                    *(recipe.lr * share, round(seconds, 3), round(len(data.train) / seconds, 1)),
                )
            )
            if recipe.keep == "last" or _is_best(row, history):
                best = arrays_of(kept.state_dict(), "best")
            history.append(row)
            save(
                checkpoint,
                STAGE,
                arrays_of(model.state_dict(), "model")
                | (arrays_of(average.state_dict(), "average") if average is not None else {})
                | optimiser_arrays(optimiser, "optimiser")
                | best,
                {"epoch": epoch, "history": [row._asdict() for row in history], "recipe": asdict(recipe)},
            )
            progress.say(_sentence(row, recipe))

    fill(kept, best, "best")
    chosen = len(history) if recipe.keep == "last" else _best_epoch(history)
    freeze(kept, "all")
    return Fitted(kept.eval(), tuple(history), chosen, len(history) < recipe.epochs)


def _own_numbers(device: torch.device) -> AbstractContextManager[None]:
    """Torch's random numbers are the training's own inside the block; the caller's go on behind it."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


def _check(recipe: Recipe, data: TrainingData) -> None:
    recipe.check()
    if recipe.patience and not len(data.validation):
        raise InputError(f"--patience {recipe.patience} watches the validation loss; give --validation above 0 with it")


def _continued(
    checkpoint: Checkpoint, model: nn.Module, average: nn.Module | None, optimiser: torch.optim.Optimizer
) -> tuple[list[Epoch], dict[str, np.ndarray]]:
    """The history and the best weights of an interrupted training, whose state is put back; both empty without one."""
    result = checkpoint.load(STAGE)
    if result is None:
        return [], {}
    fill(model, result.arrays, "model")
    if average is not None:
        fill(average, result.arrays, "average")
    fill_optimiser(optimiser, result.arrays, "optimiser")
    best = {name: array for name, array in result.arrays.items() if name.startswith("best/")}
    return [Epoch(**row) for row in result.about["history"]], best


def _check_validation(loss: float | None, epoch: int, recipe: Recipe) -> None:
    """The last step of an epoch may have ruined the weights without any loss of training to show it."""
    if loss is not None and not isfinite(loss):
        raise DivergedError(
            f"the validation loss is no longer a number after epoch {epoch}; lower --lr, which is {recipe.lr:g}, or "
            "add --warmup 1"
        )


class _Seen:
    """Loss and right answers of an epoch so far, summed where they are computed."""

    def __init__(self, epoch: int, steps: int, lr: float, look: int):
        self.epoch, self.steps, self.lr, self.look = epoch, steps, lr, look
        self.losses: list[torch.Tensor] = []
        self.sums: list[torch.Tensor] = []
        self.images = 0

    def add(self, loss: torch.Tensor, logits: torch.Tensor, y: torch.Tensor) -> None:
        """Count a batch; a mixed image counts as right where its larger part is found."""
        label = y.argmax(1) if y.ndim == 2 else y
        self.losses.append(loss)
        self.sums.append(torch.stack([loss * len(y), (logits.argmax(1) == label).sum().to(loss.dtype)]))
        self.images += len(y)
        if len(self.losses) % self.look == 0:
            self._check(self.losses[-self.look :])

    def means(self, team: Team) -> tuple[float, float]:
        """Mean loss and accuracy of the epoch, over all processes."""
        self._check(self.losses)
        sums = torch.stack(self.sums).double().sum(0)
        loss, right, images = team.summed(torch.cat([sums, sums.new_tensor([self.images])])).tolist()
        return loss / images, right / images

    def _check(self, losses: Sequence[torch.Tensor]) -> None:
        finite = torch.isfinite(torch.stack(list(losses)))
        if not finite.all():
            step = len(self.losses) - len(losses) + int((~finite).int().argmax()) + 1
            raise DivergedError(
                f"the loss is no longer a number at epoch {self.epoch}, step {step} of {self.steps}; "
                f"lower --lr, which is {self.lr:g}, or add --warmup 1"
            )


@torch.inference_mode()
def validated(model: nn.Module, data: TrainingData, rows: np.ndarray) -> tuple[float | None, float | None]:
    """Mean loss in nats, without smoothing or weights, and accuracy over `rows`; None for no rows."""
    model.eval()
    lost, right, count = [], [], 0
    for batch in batches(data.plain, even_parts(rows, EVALUATED)):
        with data.autocast():
            logits = model(data.normalised(data.pixels(batch.x))).float()
        y = sent(torch.from_numpy(batch.y), data.device)
        lost.append(nn.functional.cross_entropy(logits, y, reduction="sum"))
        right.append((logits.argmax(1) == y).sum())
        count += len(batch.rows)
    if not count:
        return None, None
    return sum(torch.stack(lost).tolist()) / count, sum(torch.stack(right).tolist()) / count


def _is_best(row: Epoch, history: Sequence[Epoch]) -> bool:
    return row.validation_loss is None or all(row.validation_loss < before.validation_loss for before in history)


def _best_epoch(history: Sequence[Epoch]) -> int:
    """The first of those with the smallest validation loss; the last one without validation."""
    if history[-1].validation_loss is None:
        return len(history)
    return min(history, key=lambda row: row.validation_loss).epoch


def _is_stale(history: Sequence[Epoch], patience: int) -> bool:
    """Whether the validation loss has not become smaller for `patience` epochs."""
    return bool(patience and history and len(history) - _best_epoch(history) >= patience)


def _sentence(row: Epoch, recipe: Recipe) -> str:
    """An epoch for people."""
    left = timedelta(seconds=round(row.seconds * (recipe.epochs - row.epoch)))
    validation = (
        f"; validation loss {row.validation_loss:.4f}, accuracy {row.validation_accuracy:.2%}"
        if row.validation_loss is not None
        else ""
    )
    return (
        f"epoch {row.epoch} of {recipe.epochs}: training loss {row.train_loss:.4f}, accuracy {row.train_accuracy:.2%}"
        f"{validation}; {row.images_per_second:,.0f} images/s, {left} left"
    )


def history_columns(history: Sequence[Epoch]) -> Mapping[str, list[Any]]:
    """The history by column."""
    return {name: [getattr(row, name) for row in history] for name in Epoch._fields}

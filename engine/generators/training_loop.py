"""A training as a row of numbered steps, which goes on where it was killed.

What a step draws is named by the seed and the step's number, so that a checkpoint needs no state of any generator.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from gapscope.core.checkpoint import Checkpoint
from gapscope.core.errors import ConfigMismatchError, DivergedError, InputError
from gapscope.core.memory import keep_freed_memory
from gapscope.core.progress import Progress
from gapscope.core.random import stream
from gapscope.networks.state import arrays_of, fill, fill_optimiser, optimiser_arrays

STAGE, LOSSES = "generator", "losses"
# Steps between looks at the losses: to look, a GPU has to finish all that it has been given, a processor nothing.
LOOKS, SELDOM = {"cpu": 1}, 50
SHOWN = 20

Part = nn.Module | torch.optim.Optimizer
# Takes the step's number and its random numbers, gives its losses.
Step = Callable[[int, torch.Generator], Sequence[torch.Tensor]]


class Schedule(NamedTuple):
    """What is trained and for how long.

    Attributes
    ----------
    parts
        All that changes from step to step.
    losses
        Names of the losses that a step gives.
    training
        The recipe; a checkpoint of one that differs in anything but ``steps`` is refused.
    """

    parts: Mapping[str, Part]
    losses: tuple[str, ...]
    training: Mapping[str, Any]
    device: torch.device


def run_steps(schedule: Schedule, step: Step, checkpoint: Checkpoint, progress: Progress) -> dict[str, list[float]]:
    """Do the steps that are left; gives the mean of each loss in each twentieth of the training.

    Raises
    ------
    ConfigMismatchError
        The checkpoint belongs to another recipe.
    DivergedError
        A loss is not finite; the message names the step.
    """
    keep_freed_memory()
    steps, seed = schedule.training["steps"], schedule.training["seed"]
    losses = _continued(schedule, checkpoint)
    look = LOOKS.get(schedule.device.type, SELDOM)
    waiting: list[torch.Tensor] = []
    with (
        torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=True),
        progress.task("train the generator", steps - len(losses), "steps") as task,
    ):
        for number in range(len(losses) + 1, steps + 1):
            generator = torch.Generator(schedule.device).manual_seed(int(stream(seed, "step", number).integers(2**62)))
            waiting.append(torch.stack([loss.detach().float() for loss in step(number, generator)]))
            if len(waiting) >= look or number == steps:
                losses.extend(_finite(torch.stack(waiting).cpu().numpy(), len(losses), schedule))
                waiting.clear()
                if number == steps or checkpoint.due():
                    _keep(schedule, losses, checkpoint)
            task.advance()
    return loss_curves(np.stack(losses), schedule.losses)


def loss_curves(losses: np.ndarray, names: Sequence[str]) -> dict[str, list[float]]:
    """The mean of each loss ``losses : (steps, k)`` in each twentieth of the training."""
    means = np.stack([part.mean(0) for part in np.array_split(losses, min(SHOWN, len(losses)))]).astype(float)
    return {name: means[:, column].tolist() for column, name in enumerate(names)}


def chosen_rows(seed: int, step: int, size: int, count: int) -> np.ndarray:
    """Which of `count` images are in the batch of a step, (size,): orders of all of them, one after the other.

    >>> sorted(chosen_rows(0, 1, 3, 6).tolist() + chosen_rows(0, 2, 3, 6).tolist())
    [0, 1, 2, 3, 4, 5]
    """
    places = np.arange((step - 1) * size, step * size)
    rounds = range(places[0] // count, places[-1] // count + 1)
    orders = np.concatenate([stream(seed, "order", number).permutation(count) for number in rounds])
    return orders[places - rounds[0] * count]


def seeded(build: Callable[[], nn.Module], seed: int, name: str) -> nn.Module:
    """A module whose first weights are decided by the seed and its `name`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(stream(seed, "weights", name).integers(2**62)))
        return build()


def _keep(schedule: Schedule, losses: Sequence[np.ndarray], checkpoint: Checkpoint) -> None:
    arrays = {LOSSES: np.stack(losses)}
    for name, part in schedule.parts.items():
        by_parameter = isinstance(part, torch.optim.Optimizer)
        arrays |= optimiser_arrays(part, name) if by_parameter else arrays_of(part.state_dict(), name)
    checkpoint.save(STAGE, arrays, {"recipe": dict(schedule.training)})


def _continued(schedule: Schedule, checkpoint: Checkpoint) -> list[np.ndarray]:
    """Losses of the steps that are done, whose state is put back; none at the first run."""
    state = checkpoint.load(STAGE)
    if state is None:
        return []
    _check_same(schedule.training, state.about["recipe"], len(state.arrays[LOSSES]))
    for name, part in schedule.parts.items():
        (fill_optimiser if isinstance(part, torch.optim.Optimizer) else fill)(part, state.arrays, name)
    return list(state.arrays[LOSSES])


def _check_same(wanted: Mapping[str, Any], stored: Mapping[str, Any], done: int) -> None:
    differing = [name for name in wanted if name != "steps" and wanted[name] != stored.get(name)]
    if differing:
        name = differing[0]
        raise ConfigMismatchError(
            f"the checkpoint was trained with {name} {stored.get(name)}, not {wanted[name]}; use the same, or another "
            "folder"
        )
    if done > wanted["steps"]:
        raise InputError(f"the checkpoint has {done} steps behind it but {wanted['steps']} were requested; give more")


def _finite(losses: np.ndarray, done: int, schedule: Schedule) -> np.ndarray:
    wrong = ~np.isfinite(losses).all(1)
    if wrong.any():
        raise DivergedError(
            f"a loss ({', '.join(schedule.losses)}) is no longer a number at step {done + int(wrong.argmax()) + 1} of "
            f"{schedule.training['steps']}; lower lr, which is {schedule.training['lr']:g}"
        )
    return losses

"""What a process does differently when several of them train one network."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from gapscope.cnn.images import Batch, Images, OverImages
from gapscope.core.errors import InputError


@dataclass(frozen=True)
class Team:
    """The place of a process among those that train one network; where it is the only one, nothing is changed.

    Attributes
    ----------
    rank
        From 0 to below `size`; the first process validates and keeps checkpoints.
    """

    rank: int = 0
    size: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        """What is added to the names of random numbers, so that each process draws its own."""
        return () if self.size == 1 else (f"process {self.rank}",)

    def share(self, images: Images) -> Images:
        """`images` of which each batch is this process's part, by position."""
        return images if self.size == 1 else _Share(images, self)

    def first(self, rows: np.ndarray) -> np.ndarray:
        """All `rows` in the first process, none in the others."""
        return rows if self.rank == 0 else rows[:0]

    def learner(self, model: nn.Module) -> nn.Module:
        """The `model` so that gradients become those of all processes, which begin with the first one's weights.

        Made anew for each epoch: which parameters are frozen may change, and a continued training then sums gradients
        in the same order as an undisturbed one. Batch norms see the images of their own process alone; the running
        statistics of all are the first one's.
        """
        return model if self.size == 1 else DistributedDataParallel(model)

    def weighted(self, loss: torch.Tensor, y: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
        """The mean `loss` of this process's images, scaled so that the mean over processes is that of all images."""
        if self.size == 1:
            return loss
        counted = torch.tensor(float(len(y)), device=y.device) if weight is None or y.ndim == 2 else weight[y].sum()
        return loss * (self.size * counted / self.summed(counted))

    def summed(self, value: torch.Tensor) -> torch.Tensor:
        """The sum of all processes' values."""
        if self.size == 1:
            return value
        total = value.clone()
        distributed.all_reduce(total)
        return total

    def broadcast(self, value: Any) -> Any:
        """What the first process says, in all of them."""
        if self.size == 1:
            return value
        said = [value]
        distributed.broadcast_object_list(said)
        return said[0]


ALONE = Team()


@dataclass(frozen=True)
class _Share(OverImages):
    """Images of which each batch is one process's part."""

    team: Team

    def batch(self, rows: np.ndarray) -> Batch:
        """See `Images.batch`; a process without any image would leave the others waiting, so that is an error."""
        mine = np.array_split(rows, self.team.size)[self.team.rank]
        result = self.images.batch(mine)
        if not len(result.rows):
            names = self.source.listing.names
            raise InputError(
                f"none of the {len(mine)} images of {self.name} that process {self.team.rank} takes of a batch can be "
                f"decoded, such as {names[mine[0]]!r}; mend or remove them, or train without --processes"
            )
        return result

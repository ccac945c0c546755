"""A trained network as a model that predictions are made with, and as two files."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from gapscope.core.errors import DamageError, SchemaError
from gapscope.core.files import BLANK, DIGEST, read_json, read_sealed, sealed, write_json
from gapscope.core.hashing import digest_tensors
from gapscope.core.location import Location
from gapscope.core.memory import keep_freed_memory
from gapscope.networks.design import Design
from gapscope.networks.frame import Frame
from gapscope.networks.pixels import normalised, to_device
from gapscope.networks.runs import DESCRIPTION, KIND, MODEL

BATCH_PIXELS = 2**22


@dataclass(frozen=True)
class Trained:
    """A network, what its input looks like, and how it came about.

    Attributes
    ----------
    title
        What results call it.
    mean, std : (channels,)
        Subtracted from pixels, which are fractions of 1, and divided by.
    details
        The recipe and how the training went, for people.
    """

    title: str
    design: Design
    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_names: tuple[str, ...]
    model: nn.Module = field(repr=False)
    device: torch.device
    details: dict[str, Any]
    probabilistic: ClassVar[bool] = True
    temperature: ClassVar[float] = 1.0

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Logits ``(n, k) float32`` of images ``x : (n, h, w, c) uint8``, in batches that suit the memory."""
        size = max(1, BATCH_PIXELS // self.design.frame.pixels)
        parts = [self._logits(x[start : start + size]) for start in range(0, len(x), size)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.class_names)), np.float32)

    @torch.inference_mode()
    def _logits(self, x: np.ndarray) -> np.ndarray:
        x = normalised(to_device(x, self.device), self.mean, self.std)
        return self.model(x).float().cpu().numpy()

    @property
    def digest(self) -> str:
        """Digest of what decides the answers: the network's tensors, and what its input is."""
        about = [self.design.name, dict(self.design.arguments), list(self.design.frame), list(self.class_names)]
        tensors = {name: tensor.detach().cpu().numpy() for name, tensor in self.model.state_dict().items()}
        return digest_tensors(tensors, [*about, list(self.mean), list(self.std)])

    def save(self, folder: Location) -> None:
        """Write `model.safetensors`, then `model.json`, into `folder`."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.model.state_dict().items()}
        about = {
            "name": self.title,
            "kind": KIND,
            "network": self.design.name,
            "arguments": dict(self.design.arguments),
            "frame": list(self.design.frame),
            "mean": list(self.mean),
            "std": list(self.std),
            "class_names": list(self.class_names),
            "details": self.details,
            "hash": self.digest,
        }
        (folder / MODEL).write_bytes(sealed(save(tensors, metadata={DIGEST: BLANK})))
        write_json(folder / DESCRIPTION, about)


def load_trained(folder: Location, device: torch.device | None = None) -> Trained:
    """The network that `Trained.save` wrote into `folder`, in evaluation mode.

    Raises
    ------
    SchemaError
        The files are not there or not what they should be.
    """
    keep_freed_memory()
    device = device or torch.device("cpu")
    try:
        about = read_json(folder / DESCRIPTION)
        if about["kind"] != KIND:
            raise ValueError(f"it is a {about['kind']} model")
        names = tuple(about["class_names"])
        design = Design(about["network"], Frame(*about["frame"]), len(names), about["arguments"])
        model = design.build(0)
        model.load_state_dict(load(read_sealed(folder / MODEL)))
    except DamageError:
        raise
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise SchemaError(f"{folder} holds no network ({MODEL} and {DESCRIPTION}) that can be read: {error}") from error
    mean, std = tuple(about["mean"]), tuple(about["std"])
    return Trained(about["name"], design, mean, std, names, model.to(device).eval(), device, about["details"])

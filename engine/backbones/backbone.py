"""A network as a feature extractor: pixels in, embeddings out, with everything that decides their values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from gapscope.backbones.framed import Framed
from gapscope.backbones.network import Head, Network
from gapscope.backbones.preprocessing import Preprocessing
from gapscope.backbones.reader import Reader
from gapscope.backbones.tensor import MARK, Wanted
from gapscope.backbones.weights import weights_hash
from gapscope.core.errors import InputError
from gapscope.core.memory import keep_freed_memory
from gapscope.schemas.embeddings import Tensor

# Pixels of a batch. On a processor, eight images of 224 × 224: with `keep_freed_memory` batches of 4 to 32 take the
# same time an image, and larger ones more memory.
BATCH_PIXELS = {"cpu": 8 * 224**2, "cuda": 128 * 224**2, "mps": 32 * 224**2}
BATCH_LIMITS = (2, 256)

# Rounding apart, a linear head on the features is the model's own output, or it is not its head.
SAME_LOGITS = 1e-3


@dataclass(frozen=True)
class Backbone:
    """A loaded network; its methods may be called from several threads.

    Attributes
    ----------
    name
        As `load_backbone` takes it.
    dim
        Numbers in an embedding, d.
    layer, tensor
        Which tensor of the network the embeddings are.
    weights, weights_hash
        Where the weights came from, and the SHA-256 of their tensors.
    arguments
        Constructor and preprocessing arguments it was loaded with.
    precision
        Number format of the inference: ``float32``, or ``float16`` or ``bfloat16`` by autocast on a GPU.
    """

    name: str
    dim: int
    network: Network = field(repr=False)
    head: Head | None = field(repr=False)
    weights_hash: str
    arguments: Mapping[str, Any]
    device: torch.device
    precision: str
    layer: str
    tensor: Tensor
    reader: Reader = field(repr=False)
    parts: tuple["Backbone", ...] = field(default=(), repr=False)

    @property
    def preprocessing(self) -> Preprocessing | Framed:
        """Resize, crop and normalisation."""
        return self.network.preprocessing

    @property
    def weights(self) -> str:
        """Where the weights came from."""
        return self.network.weights

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for whoever uses it, without full stops."""
        notes = self.network.notes
        return tuple(note for note in notes if MARK not in self.name or "--pool" not in note)

    @property
    def batch_size(self) -> int:
        """Images per batch that suit the device."""
        height, width = self.preprocessing.size
        low, high = BATCH_LIMITS
        return max(low, min(high, BATCH_PIXELS[self.device.type] // (height * width)))

    def features(self, batch: np.ndarray) -> np.ndarray:
        """Embeddings ``(n, d) float32`` of prepared images ``batch : (n, h, w, 3) uint8``; of several tensors, those of
        `parts` side by side.
        """
        return self._run(self._vectors, batch)

    def _vectors(self, x: torch.Tensor) -> torch.Tensor:
        return self.network.features(x) if self.reader.is_plain else torch.cat(self.reader(x), dim=1)

    def logits(self, batch: np.ndarray) -> np.ndarray:
        """The whole model's output ``(n, k) float32``, computed as its library does it, through its own classifier."""
        return self._run(self.network.model, batch)

    def _run(self, function: Callable[[torch.Tensor], torch.Tensor], batch: np.ndarray) -> np.ndarray:
        with torch.inference_mode(), self._autocast():
            return function(self._pixels(batch)).float().cpu().numpy()

    def _pixels(self, batch: np.ndarray) -> torch.Tensor:
        """Normalised pixels ``(n, c, h, w) float32``, channels last in memory as those of `batch` are.

        A network of grey images takes the first of three equal channels.
        """
        scale, shift = self._normalisation
        pixels = torch.from_numpy(batch if batch.flags.writeable else batch.copy())
        if self.device.type == "cuda":
            pixels = pixels.pin_memory().to(self.device, non_blocking=True)
        pixels = pixels.to(self.device).permute(0, 3, 1, 2)[:, : scale.shape[1]]
        return pixels.float().mul_(scale).add_(shift)

    @property
    def _normalisation(self) -> tuple[torch.Tensor, torch.Tensor]:
        mean, std = (np.array(v).reshape(1, -1, 1, 1) for v in (self.preprocessing.mean, self.preprocessing.std))
        values = (1 / (255 * std), -mean / std)
        return tuple(torch.from_numpy(value.astype(np.float32)).to(self.device) for value in values)

    def _autocast(self) -> torch.autocast:
        lower = self.precision != "float32"
        dtype = getattr(torch, self.precision) if lower else None
        return torch.autocast(self.device.type, dtype=dtype, enabled=lower)


def choose_device(name: str) -> torch.device:
    """The device called `name`; ``auto`` is a GPU where there is one."""
    if name == "auto":
        return torch.device(
            "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        )
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"no device named {name!r}; choose auto, cpu, cuda, cuda:N or mps") from error
    if device.type not in BATCH_PIXELS:
        raise InputError(f"device {name!r} is not supported; choose auto, cpu, cuda, cuda:N or mps")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device {name!r} is not there ({torch.cuda.device_count()} CUDA devices found); use --device cpu"
        )
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """The number format called `name`; ``auto`` is float16 on a CUDA device, which halves the time, else float32."""
    if name == "auto":
        return "float16" if device.type == "cuda" else "float32"
    if name not in ("float32", "float16", "bfloat16"):
        raise InputError(f"no precision named {name!r}; choose auto, float32, float16 or bfloat16")
    if name != "float32" and device.type != "cuda":
        raise InputError(f"precision {name} needs a CUDA device; on {device.type} use float32")
    return name


def assemble(
    name: str,
    network: Network,
    arguments: Mapping[str, Any],
    device: torch.device,
    precision: str,
    wanted: Sequence[Wanted] = (Wanted(),),
) -> Backbone:
    """The backbone of a `network`, after one trial image has shown its dimension and whether its head is linear.

    Of several tensors `wanted`, each is one of its `parts`, and it has none of their heads.

    Raises
    ------
    InputError
        The network does not accept images of its preprocessing's size, or its features are not one vector per image.
    """
    keep_freed_memory()
    reader, digest = Reader(network, wanted), network.digest or weights_hash(network.model)
    about = (dict(arguments), device, precision)
    trial = Backbone(name, 0, network, None, digest, *about, network.layer, Tensor(), reader)
    vectors, image = _tried(trial)
    made = [
        _part(trial, one, vector, image, several=len(wanted) > 1) for one, vector in zip(wanted, vectors, strict=True)
    ]
    if len(made) == 1:
        return made[0]
    return replace(trial, dim=sum(one.dim for one in made), parts=tuple(made))


def _tried(trial: Backbone) -> tuple[list[np.ndarray], np.ndarray]:
    """The vectors of one random image, ``(1, d)`` each, and the image."""
    height, width = trial.preprocessing.size
    image = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)
    vectors: list[np.ndarray] = []

    def run(x: torch.Tensor) -> torch.Tensor:
        vectors.extend(one.float().cpu().numpy() for one in trial.reader(x))
        return torch.zeros(1)

    try:
        trial._run(run, image)
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"backbone {trial.name!r} does not take images of {height} × {width}: {reason}") from error
    return vectors, image


def _part(trial: Backbone, one: Wanted, vector: np.ndarray, image: np.ndarray, *, several: bool) -> Backbone:
    """The backbone of one tensor, by its `vector` of the trial image."""
    name = f"{trial.name}{MARK}{one}" if any(one) and MARK not in trial.name else trial.name
    if vector.ndim != 2:
        raise InputError(f"backbone {name!r} gives features of shape {vector.shape[1:]} per image, not one vector")
    network = trial.network
    head = _linear(network.classifier, network.class_names)
    if head is not None and not _is_head(head, vector, trial.logits(image)):
        head = None
    kind = "" if head is None else "projection" if network.contrastive else "classifier"
    tensor = trial.reader.tensor(one).model_copy(update={"head": kind})
    reader = Reader(network, [one]) if several else trial.reader
    about = {"name": name, "dim": vector.shape[1], "layer": trial.reader.layer(one)}
    return replace(trial, **about, head=head, tensor=tensor, reader=reader)


def _linear(classifier: torch.nn.Module | None, class_names: tuple[str, ...]) -> Head | None:
    weight, bias = getattr(classifier, "weight", None), getattr(classifier, "bias", None)
    if not isinstance(weight, torch.Tensor) or weight[0, :].numel() != weight.shape[1]:
        return None
    values = weight.detach().float().cpu().numpy().reshape(weight.shape[0], -1)
    offset = np.zeros(len(values), np.float32) if bias is None else bias.detach().float().cpu().numpy()
    return Head(values, offset, class_names)


def _is_head(head: Head, features: np.ndarray, logits: np.ndarray) -> bool:
    if head.weight.shape[1] != features.shape[1] or logits.shape != (1, len(head.bias)):
        return False
    scale = np.abs(features) @ np.abs(head.weight.T) + np.abs(head.bias)
    return bool((np.abs(features @ head.weight.T + head.bias - logits) <= SAME_LOGITS * scale + 1e-6).all())

"""Whether a backbone gives what the code of its authors gives, by the embeddings of ten small images.

A reference is a file of ``references/``: embeddings of `gapscope.backbones.pictures.pictures` by somebody else's code,
with the digest of the weights and the name of that code. It is written only where both agree.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

from gapscope.backbones.backbone import Backbone
from gapscope.backbones.pictures import SIZES, pictures
from gapscope.core.errors import InputError

Array = np.ndarray
# Other libraries, number formats and versions of Pillow stay above it, a wrong crop, mean, layer or activation below.
ALIKE = 0.999
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Reference:
    """Embeddings by the code of a model's authors.

    Attributes
    ----------
    name, layer, weights_hash, arguments
        The backbone that they are of, as its provenance has them; whoever calls it otherwise finds it by its hash.
    source
        The code that made them, with its version.
    vectors : (10, d) float32
    """

    name: str
    layer: str
    weights_hash: str
    arguments: Mapping[str, Any]
    source: str
    vectors: Array

    def save(self, path: Path) -> None:
        """Write the file, as float16."""
        about = {"name": self.name, "layer": self.layer, "weights_hash": self.weights_hash, "source": self.source}
        about |= {"arguments": json.dumps(dict(self.arguments))}
        save_file({"vectors": self.vectors.astype(np.float16)}, path, about)

    @classmethod
    def load(cls, path: Path) -> "Reference":
        """Read a file that `save` wrote."""
        with safe_open(path, "numpy") as file:
            about, vectors = file.metadata(), file.get_tensor("vectors").astype(np.float32)
        return cls(**(about | {"arguments": json.loads(about["arguments"])}), vectors=vectors)


def references() -> list[Reference]:
    """Those that come with gapscope."""
    folder = files("gapscope.backbones") / "references"
    paths = sorted(Path(str(one)) for one in folder.iterdir() if one.name.endswith(SUFFIX))
    return [Reference.load(path) for path in paths]


def reference_of(backbone: Backbone) -> Reference | None:
    """The reference for the weights and the tensor of a backbone; None where there is none."""
    wanted = (backbone.weights_hash, backbone.tensor.pooling)
    known = [one for one in references() if one.weights_hash == wanted[0] and one.vectors.shape[1] == backbone.dim]
    return next((one for one in known if one.layer == backbone.layer), None)


def fingerprint(backbone: Backbone) -> Array:
    """Embeddings of the ten images, ``(10, d) float32``."""
    prepared = [backbone.preprocessing.prepare(Image.fromarray(picture)) for picture in pictures()]
    return np.concatenate([backbone.features(one[None]) for one in prepared])


def cosines(one: Array, other: Array) -> Array:
    """The cosine of each image's two embeddings, ``(10,)``.

    Raises
    ------
    InputError
        They are of other images or of another dimension.
    """
    if one.shape != other.shape:
        raise InputError(
            f"the embeddings to compare with have shape {other.shape}; wanted {one.shape}, a row for each image"
        )
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.einsum("ij,ij->i", one, other) / np.maximum(lengths, np.finfo(np.float32).tiny)


def read_vectors(path: str) -> Array:
    """Embeddings ``(10, d)`` of somebody else's code: an ``.npy`` array or a CSV file of numbers without a header."""
    try:
        content = (
            np.load(path, allow_pickle=False) if path.endswith(".npy") else np.loadtxt(path, delimiter=",", ndmin=2)
        )
        vectors = np.asarray(content, np.float32)
    except (OSError, ValueError, TypeError, EOFError) as error:
        reason = str(error).splitlines()[0][:120]
        raise InputError(f"{path} holds no embeddings ({reason}); give an .npy array or a CSV of ten rows") from error
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise InputError(
            f"{path} holds no embeddings: shape {vectors.shape}, or numbers that are not finite; wanted ten rows"
        )
    return vectors


def write_pictures(folder: Path) -> list[Path]:
    """The ten images as PNG files, for other people's code."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:02d}.png" for number in range(len(SIZES))]
    for path, picture in zip(paths, pictures(), strict=True):
        Image.fromarray(picture).save(path)
    return paths

"""Vectors of phrases in the space that images and texts share: made once by a text encoder, kept as a file."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from gapscope.core.errors import DamageError, InputError
from gapscope.core.files import read_sealed, write_tensors
from gapscope.core.location import Location
from gapscope.words.bank import Phrase, bank, nonsense

Array = np.ndarray
BATCH = 64
Encode = Callable[[list[str]], Array]


@dataclass(frozen=True, eq=False)
class Texts:
    """Phrases and nonsense with their vectors of length 1.

    Attributes
    ----------
    encoder
        What made the vectors.
    phrases
        The bank, and a phrase a class.
    vectors : (p, e) float32
    null : (m, e) float32
        Of nonsense, which says what an arbitrary text does.
    """

    encoder: str
    phrases: tuple[Phrase, ...]
    vectors: Array
    null: Array

    @property
    def dim(self) -> int:
        """Numbers of a vector."""
        return self.vectors.shape[1]

    def save(self, path: Path) -> None:
        """Write the file, as float16: half a megabyte for 500 phrases of 512 numbers."""
        about = {"encoder": self.encoder, "phrases": json.dumps([list(one) for one in self.phrases])}
        tensors = {"vectors": self.vectors.astype(np.float16), "null": self.null.astype(np.float16)}
        write_tensors(Location.of(path), tensors, about)

    @classmethod
    def load(cls, path: Path) -> "Texts":
        """Read a file that `save` wrote.

        Raises
        ------
        InputError
            It is not there, or holds something else.
        """
        if not path.is_file():
            raise InputError(f"there is no file of text vectors {path}; make it with --encoder (see docs/words.md)")
        try:
            read_sealed(Location.of(path))
            with safe_open(path, "numpy") as file:
                about = file.metadata() or {}
                vectors, null = (file.get_tensor(name).astype(np.float32) for name in ("vectors", "null"))
            phrases = tuple(Phrase(*one) for one in json.loads(about["phrases"]))
        except (DamageError, SafetensorError, KeyError, TypeError, ValueError) as error:
            reason = "its bytes are not those that were written"
            if not isinstance(error, DamageError):
                reason = str(error).splitlines()[0][:120]
            raise InputError(f"{path} holds no text vectors ({reason}); make them with --encoder") from error
        if len(phrases) != len(vectors) or null.ndim != 2 or vectors.shape[1:] != null.shape[1:]:
            raise InputError(f"{path} has {len(phrases)} phrases and vectors of shape {vectors.shape}; make it again")
        return cls(about.get("encoder", ""), phrases, normalised(vectors), normalised(null))


def normalised(vectors: Array) -> Array:
    """Rows of length 1, ``(n, e) float32``; rows of zeros stay so."""
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)


def make_texts(encoder: str, encode: Encode, class_names: Sequence[str] = ()) -> Texts:
    """The bank, the classes and the nonsense through a text encoder; some seconds on a processor."""
    phrases = tuple(bank(tuple(class_names)))
    vectors = [_encoded(encoder, encode, texts) for texts in ([one.text for one in phrases], nonsense())]
    return Texts(encoder, phrases, *vectors)


def _encoded(encoder: str, encode: Encode, texts: list[str]) -> Array:
    batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
    found = [np.asarray(encode(batch), np.float32) for batch in batches]
    wanted = [len(batch) for batch in batches]
    if [len(one) for one in found] != wanted or any(one.ndim != 2 or not np.isfinite(one).all() for one in found):
        raise InputError(
            f"{encoder} gave {[one.shape for one in found][:2]} for {wanted[:2]} texts; wanted a row a text"
        )
    return normalised(np.concatenate(found))

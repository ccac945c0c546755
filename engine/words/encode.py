"""Text encoders: the text tower of a model of open_clip, or a function of the user's own."""

from pathlib import Path

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.extras import require
from gapscope.core.functions import function_named
from gapscope.words.texts import Encode

OPEN_CLIP = "open_clip:"
WANTED = "write it as open_clip:MODEL/WEIGHTS or module:function, a function that makes vectors (n, e) of n texts"


def encoder_of(name: str) -> Encode:
    """The function that makes vectors ``(n, e)`` of n texts.

    Parameters
    ----------
    name
        ``open_clip:MODEL/WEIGHTS`` such as ``open_clip:ViT-B-32/laion2b_s34b_b79k``, where the weights may be a file,
        ``open_clip:hf-hub:REPOSITORY``, or ``module:function``, whose code is executed.
    """
    if name.startswith(OPEN_CLIP):
        return _open_clip(name.removeprefix(OPEN_CLIP))
    function = function_named(name, WANTED)
    return lambda texts: np.asarray(function(texts))


def _open_clip(name: str) -> Encode:
    require("a text tower", "open_clip", "torch")
    import open_clip as library
    import torch

    model, tokenizer = _loaded(library, name)
    model = model.eval()

    def encode(texts: list[str]) -> np.ndarray:
        with torch.inference_mode():
            return model.encode_text(tokenizer(texts)).float().numpy()

    return encode


def _loaded(library, name: str):
    """The model and its tokenizer; weights are read without running code."""
    from gapscope.backbones.hub import quietly
    from gapscope.backbones.weights import read_weights

    hub = name.startswith("hf-hub:")
    architecture, _, weights = (name, "", "") if hub else name.partition("/")
    if not hub and architecture not in library.list_models():
        raise InputError(f"open_clip has no model {architecture!r}; write open_clip:MODEL/WEIGHTS")
    try:
        with quietly():
            if Path(weights).is_file():
                model = library.create_model(architecture, pretrained=None)
                model.load_state_dict(read_weights(weights))
            else:
                model = library.create_model(architecture, pretrained=weights or None, weights_only=True)
            return model, library.get_tokenizer(architecture)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0].removesuffix(".")
        raise InputError(
            f"the text tower {name!r} of open_clip cannot be loaded: {reason}; name a file of its weights, as in "
            f"--encoder open_clip:{architecture}/FILE"
        ) from error

"""The weights that a training begins with: random ones, those of a file or a run, or those that a library
publishes.
"""

from timm.models import get_pretrained_cfg
from torchvision.models import get_model_weights

from gapscope.backbones.hub import hub_file, url_file
from gapscope.backbones.request import RANDOM
from gapscope.backbones.weights import read_weights
from gapscope.cnn.request import Request
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.networks.design import Design, State
from gapscope.networks.runs import PREFIX, find_network


def first_weights(request: Request, design: Design) -> tuple[State, str] | None:
    """The tensors to begin with and where they are from; None for random ones."""
    if request.weights == RANDOM:
        return None
    if request.weights.startswith(PREFIX):
        return read_weights(str(find_network(Location.of(request.workspace), request.weights).file)), request.weights
    if request.weights:
        return read_weights(request.weights), request.weights
    if not request.pretrained:
        return None
    if not design.library:
        raise InputError(f"nobody publishes weights of {design.name!r}; leave out --pretrained or give --weights")
    path = _published(design)
    return read_weights(path), path


def check_start(request: Request, *, whole: bool) -> None:
    """Refuse options that stay near a trained network where one is not given, head and all (`whole`)."""
    staying = {"--interpolate": request.interpolate != 1, "--train-layers": request.train_layers != "all"}
    for option, used in staying.items():
        if used and not whole:
            raise InputError(
                f"{option} needs a trained network to begin with, head and all; name one of the same classes with "
                "--weights run:NAME"
            )


def _published(design: Design) -> str:
    """The file of the weights that a network's library publishes, from the cache or downloaded."""
    if design.library == "torchvision":
        return url_file(design.name, get_model_weights(design.model).DEFAULT.url)
    result = get_pretrained_cfg(design.model)
    if result is None or not result.has_weights:
        raise InputError(f"timm publishes no weights of {design.name!r}; use --weights FILE or leave out --pretrained")
    if result.hf_hub_id:
        return hub_file(design.name, result.hf_hub_id, (result.hf_hub_filename or "model.safetensors",))
    return url_file(design.name, result.url)

"""A network that was trained here as a backbone: what its last layer sees, from the pixels that it was trained on."""

from gapscope.backbones.body import without
from gapscope.backbones.folding import folded
from gapscope.backbones.framed import Framed
from gapscope.backbones.network import Network
from gapscope.backbones.request import Request
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.networks.design import head_name
from gapscope.networks.runs import MODEL, PREFIX
from gapscope.networks.trained import load_trained


def load(request: Request) -> Network:
    """The network whose file of weights a `request` names, in evaluation mode on its device."""
    name = f"{PREFIX}{request.name}"
    if not request.weights.endswith(MODEL):
        raise InputError(f"the backbone {name!r} is loaded from the {MODEL} of its run; name that file as its weights")
    if request.constructor or request.options:
        raise InputError(f"the backbone {name!r} takes the input that it was trained on; leave out arguments of it")
    trained = load_trained(Location.of(request.weights).parent, request.device)
    head = head_name(trained.model)
    return Network(
        model=trained.model,
        features=folded(without(trained.model, head), request.device),
        classifier=trained.model.get_submodule(head),
        preprocessing=Framed(trained.design.frame, trained.mean, trained.std),
        weights=request.weights,
        layer=f"input of {head}",
        class_names=trained.class_names,
    )

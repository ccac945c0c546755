"""The network of a `train-cnn` run as the model of a gap: its last layer, on the features that this layer sees."""

from engine.backbones import load_backbone
from engine.core.errors import InputError
from engine.core.location import Location
from engine.networks.runs import network_at
from engine.probes.model import Classifier
from engine.probes.rules.linear import Linear


def last_layer(folder: Location, precision: str) -> Classifier:
    """The network in `folder` as a linear model on its own features, which are stored in some `precision`.

    Raises
    ------
    InputError
        The network does not end in a linear layer.
    """
    from engine.networks.trained import load_trained  # here, because it loads torch

    network = network_at(folder)
    backbone = load_backbone(network.name, str(network.file), device="cpu")
    if backbone.head is None:
        raise InputError(f"{network.name} does not end in a linear layer; use --predictions-reference and -target")
    about = load_trained(folder)
    features = {
        "backbone": backbone.name,
        "weights_hash": backbone.weights_hash,
        "layer": backbone.layer,
        "preprocessing": backbone.preprocessing.as_dict(),
        "dim": backbone.dim,
        "precision": precision,
    }
    details = {"rows": about.details["train_rows"]}
    rule = Linear(backbone.head.weight, backbone.head.bias)
    return Classifier(about.title, rule, details=details, class_names=about.class_names, features=features)

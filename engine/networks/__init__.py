"""Networks: their architectures, what their input looks like, and trained ones as files."""

from engine.core.registry import Registry

NETWORKS = Registry(
    "network",
    {
        "simple-cnn": "engine.networks.simple:simple_cnn",
        "resnet-small": "engine.networks.resnet:resnet_small",
    },
)

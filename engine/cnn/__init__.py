"""Networks that are trained on images: their names, their training, and what they say of images."""

from engine.core.registry import Registry

NETWORKS = Registry(
    "network",
    {
        "simple-cnn": "engine.cnn.simple:simple_cnn",
        "resnet-small": "engine.cnn.resnet:resnet_small",
    },
)

"""Networks: their architectures, what their input looks like, and trained ones as files."""

from gapscope.core.registry import Registry

NETWORKS = Registry(
    "network",
    {
        "simple-cnn": "gapscope.networks.simple:simple_cnn",
        "resnet-small": "gapscope.networks.resnet:resnet_small",
    },
)

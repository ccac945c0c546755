"""The datasets known by name, one file each."""

from gapscope.core.registry import Registry

DATASETS = Registry(
    "dataset",
    {
        "imagenet": "gapscope.data.datasets.imagenet:IMAGENET",
        "imagenetv2": "gapscope.data.datasets.imagenetv2:IMAGENETV2",
        "cifar10": "gapscope.data.datasets.cifar10:CIFAR10",
        "fashion-mnist": "gapscope.data.datasets.fashion_mnist:FASHION_MNIST",
        "cats-vs-dogs": "gapscope.data.datasets.cats_vs_dogs:CATS_VS_DOGS",
        "digits": "gapscope.data.datasets.digits:DIGITS",
        "digits-night": "gapscope.data.datasets.digits_night:DIGITS_NIGHT",
    },
)

"""The datasets known by name, one file each."""

from engine.core.registry import Registry

DATASETS = Registry(
    "dataset",
    {
        "imagenet": "engine.data.datasets.imagenet:IMAGENET",
        "imagenetv2": "engine.data.datasets.imagenetv2:IMAGENETV2",
        "cifar10": "engine.data.datasets.cifar10:CIFAR10",
        "fashion-mnist": "engine.data.datasets.fashion_mnist:FASHION_MNIST",
        "cats-vs-dogs": "engine.data.datasets.cats_vs_dogs:CATS_VS_DOGS",
        "digits": "engine.data.datasets.digits:DIGITS",
        "digits-night": "engine.data.datasets.digits_night:DIGITS_NIGHT",
    },
)

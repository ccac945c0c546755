"""Trainings by name: what each runs, what it costs, and what to expect of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A training that somebody has settled on.

    Attributes
    ----------
    about
        One sentence.
    command
        How it is called.
    cost
        Time on a named machine.
    expected
        Accuracy on the test split; says so where nobody has measured it.
    options
        Of `train-cnn`; what is given beside the preset wins.
    """

    about: str
    command: str
    cost: str
    expected: str
    options: Mapping[str, Any]


PRESETS: Mapping[str, Preset] = {
    "fashion-mnist-cnn": Preset(
        about="Two convolutions and two dense layers, plain images, Adam.",
        command="python cli.py train-cnn --preset fashion-mnist-cnn",
        cost="4 minutes on one thread of a processor",
        expected="92.1 % (seed 0)",
        options={
            "dataset": "fashion-mnist",
            "network": "simple-cnn",
            "epochs": 10,
            "batch_size": 128,
            "optimizer": "adam",
            "lr": 1.5e-3,
            "schedule": "cosine",
            "validation": 0.05,
        },
    ),
    "fashion-mnist-better": Preset(
        about="The small residual network with flips, shifts, cut-outs and averaged weights.",
        command="python cli.py train-cnn --preset fashion-mnist-better",
        cost="26 minutes on two cores of a busy processor",
        expected="93.7 % (seed 0)",
        options={
            "dataset": "fashion-mnist",
            "network": "resnet-small",
            "epochs": 15,
            "batch_size": 128,
            "optimizer": "adamw",
            "lr": 3e-3,
            "weight_decay": 0.05,
            "schedule": "one-cycle",
            "label_smoothing": 0.05,
            "augment": ("flip", "crop:2", "cutout:8"),
            "ema": 0.998,
            "validation": 0.05,
            "keep": "last",
        },
    ),
    "cifar10-small": Preset(
        about="The small residual network on CIFAR-10 with flips, shifts and cut-outs.",
        command="python cli.py train-cnn --preset cifar10-small",
        cost="39 minutes on two cores of a busy processor",
        expected="85.8 % of the re-encoded test images (seed 0)",
        options={
            "dataset": "cifar10",
            "network": "resnet-small",
            "epochs": 15,
            "batch_size": 128,
            "optimizer": "adamw",
            "lr": 3e-3,
            "weight_decay": 0.05,
            "schedule": "one-cycle",
            "label_smoothing": 0.1,
            "augment": ("flip", "crop:4", "cutout:8"),
            "ema": 0.998,
            "validation": 0.05,
            "keep": "last",
        },
    ),
    "cats-dogs-resnet18": Preset(
        about="A pretrained ResNet-18 with its head replaced; Adam, cross-entropy, 5 epochs in batches of 32.",
        command="python cli.py train-cnn --preset cats-dogs-resnet18",
        cost="3 minutes on one thread for 2,157 photographs of 96 pixels, from random weights",
        expected="from random weights 68.9 % of 299 images (seed 0); not measured from pretrained ones",
        options={
            "dataset": "cats-vs-dogs",
            "network": "torchvision:resnet18",
            "pretrained": True,
            "epochs": 5,
            "batch_size": 32,
            "optimizer": "adam",
            "lr": 1e-4,
            "schedule": "constant",
            "augment": ("flip",),
        },
    ),
    "cats-dogs-mobilenetv2": Preset(
        about="A pretrained MobileNetV2: its head first, then all of it at a tenth of the rate, norms as they came.",
        command="python cli.py train-cnn --preset cats-dogs-mobilenetv2 --weights FILE",
        cost="10 minutes on one thread of a busy processor, for 2,157 photographs",
        expected="97.3 % of 299 images (seed 0), with weights from an 8-bit release",
        options={
            "dataset": "cats-vs-dogs",
            "network": "mobilenetv2_100",
            "network_args": ("pad_type=same", "mean=0.5", "std=0.5"),
            "pretrained": True,
            "epochs": 4,
            "batch_size": 32,
            "optimizer": "adam",
            "lr": 1e-3,
            "body_lr": 0.1,
            "freeze_epochs": 2,
            "freeze_norms": True,
            "schedule": "cosine",
            "augment": ("flip",),
        },
    ),
}


def in_short() -> str:
    """All presets as a list in Markdown, for `--help`."""
    lines = (f"* {name}: {one.about} Test accuracy: {one.expected}; cost: {one.cost}." for name, one in PRESETS.items())
    return "Presets:\n\n" + "\n".join(lines)

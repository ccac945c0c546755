"""The parts of the training loop agree with what they stand for, worked out plainly."""

import numpy as np
import torch
from torch import nn

from gapscope.cnn.images import Held
from gapscope.cnn.train import TrainingData, validated
from gapscope.cnn.transfer import sent
from gapscope.data.source import Listing
from gapscope.data.sources.arrays import ArraySource
from gapscope.networks.frame import Frame

CPU = torch.device("cpu")


def test_validation_is_the_mean_over_all_images_however_they_are_batched(rng):
    pixels = rng.integers(0, 256, (1100, 4, 4, 1), np.uint8)
    labels = rng.integers(0, 3, 1100, np.int32)
    source = ArraySource(pixels[..., 0], Listing([str(row) for row in range(1100)], labels, ["a", "b", "c"]))
    rows, network = np.arange(3, 1100), nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    lesson = TrainingData(
        Held("noise/train", source, Frame(4, 4, 1), pixels, {}, np.zeros(len(pixels), np.uint64)),
        rows,
        rows,
        3,
        [0.5],
        [0.25],
        CPU,
    )
    x = torch.from_numpy((pixels[rows, ..., 0] / 255.0 - 0.5) / 0.25).float()
    logits, y = network(x[:, None]), torch.from_numpy(labels[rows]).long()
    loss, accuracy = validated(network, lesson, rows)
    np.testing.assert_allclose(loss, nn.functional.cross_entropy(logits, y).item(), rtol=1e-6)
    assert accuracy == (logits.argmax(1) == y).double().mean().item()
    assert validated(network, lesson, rows[:0]) == (None, None)


def test_what_is_sent_to_a_processor_stays_where_it_is():
    x = torch.zeros(3)
    assert sent(x, CPU) is x

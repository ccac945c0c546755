"""What the last layer of a trained network sees of images, without augmentation."""

from dataclasses import replace

import numpy as np

from gapscope.backbones.body import without
from gapscope.cnn.images import Images, batches, even_parts
from gapscope.cnn.view import CHUNK_BYTES
from gapscope.core.chunk import Chunk
from gapscope.core.progress import Progress
from gapscope.core.random import stream
from gapscope.networks.design import head_name
from gapscope.networks.trained import Trained
from gapscope.stream import CHUNK_ROWS


def features(network: Trained, images: Images, rows: np.ndarray, progress: Progress) -> Chunk:
    """The input of the last layer for the images at `rows` of a split, in that order, ``x : (n, d) float32``.

    The pixels, and their normalisation, are those of the network's own validation.
    """
    head = head_name(network.model)
    body = replace(network, model=without(network.model, head))
    size = max(1, min(CHUNK_ROWS, CHUNK_BYTES // images.frame.pixels))
    width = network.model.get_submodule(head).in_features
    result = [Chunk(np.zeros(0, np.int64), np.zeros((0, width), np.float32), np.zeros(0, np.int32))]
    with progress.task(f"features of {images.name}", len(rows), "images") as task:
        for batch in batches(images, even_parts(rows, size)):
            result.append(Chunk(batch.rows, body.scores(batch.x), batch.y.astype(np.int32)))
            task.advance(len(batch.rows))
    return Chunk.joined(result)


def shuffled(chunk: Chunk, seed: int, name: str) -> Chunk:
    """The rows in random order, as descents by chunks need them."""
    order = stream(seed, "refit-head", name).permutation(len(chunk.y))
    return chunk.take(order)

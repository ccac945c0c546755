"""The last layers of a run: one for each network, trained again, or left finished by a run that was interrupted."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from gapscope.backbones.backbone import choose_device
from gapscope.backbones.body import without
from gapscope.cnn.images import Images, batches, even_parts
from gapscope.cnn.refit.data import HeadData, check_seen
from gapscope.cnn.refit.refit_run import RefitRun
from gapscope.cnn.refit.source import seed_of
from gapscope.cnn.view import CHUNK_BYTES
from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.core.chunk import Chunk
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.core.random import stream
from gapscope.networks.design import head_name
from gapscope.networks.runs import DESCRIPTION, NetworkFolder
from gapscope.networks.trained import Trained, load_trained
from gapscope.probes.model import Classifier
from gapscope.probes.options import ProbeOptions
from gapscope.probes.train import train
from gapscope.runs.run import CHECKPOINT
from gapscope.store import ArrayStore
from gapscope.stream import CHUNK_ROWS, Workers, connect

# The member of the family of probes that is a softmax layer at its optimum whatever the rows, so that methods differ in
# their rows alone; and where a network's description tells of it.
MEMBER, HEAD = "logistic", "head"
GENERATOR = "generator"


def refitted(run: RefitRun, data: HeadData) -> Iterator[Trained]:
    """Each network with its new last layer: what an interrupted run has left finished, else trained and saved."""
    device = choose_device(run.device)
    for network in run.source_run.networks:
        title = run.title(network)
        place = run.place(title)
        if (place / DESCRIPTION).exists():
            (place / CHECKPOINT).delete_folder()  # of a run that was killed between writing the model and this
            run.progress.say(f"{title} is there already; continuing with its predictions")
            yield load_trained(place, device)
            continue
        with run.folder.timed(f"fit {title}"):
            yield refit(run, data, network, device)


def refit(run: RefitRun, data: HeadData, network: NetworkFolder, device: torch.device) -> Trained:
    """Learn the last layer of a network again, and save the whole."""
    title, seed = run.title(network), seed_of(network)
    place, first = run.place(title), load_trained(network.folder, device)
    states = place / CHECKPOINT
    check_seen(first, data.images)
    trained_on, held = (features(first, data.images, rows, run.progress) for rows in data.rows[:2])
    real = shuffled(trained_on, seed, "real")
    with connect() as workers:
        made = synthetic(run, data, real, seed, states, workers)
        rows = shuffled(Chunk.joined([real, made]), seed, "all")
        options = ProbeOptions(l2=run.l2, class_weight=run.method.class_weight, seed=seed)
        store = _stored(rows, data)
        # Held-out rows that stand in no store are chosen by and never were trained on.
        head = train(MEMBER, store.view(), held, options, workers, run.progress, FolderCheckpoint(states / HEAD))
    result = with_head(first, head, title, _about(run, real, made, head))
    result.save(place)
    states.delete_folder()
    return result


def synthetic(run: RefitRun, data: HeadData, real: Chunk, seed: int, states: Location, workers: Workers) -> Chunk:
    """The rows that the method makes of the `real` ones; a killed training of its generator goes on."""
    classes = np.flatnonzero(data.wanted).tolist()
    if not classes:
        return real.rows(0, 0)
    recipe = run.method.seeded(seed)
    checkpoint = FolderCheckpoint(states / GENERATOR)
    view = _stored(real, data).view()
    generator = run.method.generator.train(view, classes, workers, recipe, checkpoint, run.progress)
    counts = data.wanted[classes]
    x = [generator.sample(label, range(count), seed) for label, count in zip(classes, counts.tolist(), strict=True)]
    # No image of a listing has a number below 0.
    return Chunk(-1 - np.arange(counts.sum()), np.concatenate(x), np.repeat(classes, counts).astype(np.int32))


def with_head(network: Trained, head: Classifier, title: str, about: dict[str, Any]) -> Trained:
    """The `network`, whose last layer becomes `head`; its temperature stays out, as that of other networks does."""
    layer = network.model.get_submodule(head_name(network.model))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(head.rule.weight))
        layer.bias.copy_(torch.from_numpy(head.rule.bias))
    return replace(network, title=title, details=network.details | {HEAD: about})


def _stored(rows: Chunk, data: HeadData) -> ArrayStore:
    return ArrayStore(rows.x, rows.y, data.class_names, data.images.name, rows.sample_id)


def _about(run: RefitRun, real: Chunk, made: Chunk, head: Classifier) -> dict[str, Any]:
    """How a last layer came about, as plain values."""
    method = run.method
    return head.details | {
        "method": method.name,
        "balance": method.balance,
        "of": str(run.source_run.place),
        "real_rows": len(real.y),
        "synthetic_rows": len(made.y),
    }


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

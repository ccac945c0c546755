"""Several processes that train one network give what a single one gives, and end together."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import current_process, get_context
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from conftest import child_environment
from safetensors.numpy import load_file
from torch import nn

from gapscope.cnn.data import pixel_statistics
from gapscope.cnn.division import divide
from gapscope.cnn.images import Held, Images, Streamed, even_parts, open_images
from gapscope.cnn.parallel import (
    TeamError,
    _Child,
    _packed,
    _received,
    _Reported,
    _Task,
    _unpacked,
    _with_share_of_threads,
    fit_together,
)
from gapscope.cnn.recipe import Recipe
from gapscope.cnn.team import ALONE, Team
from gapscope.cnn.train import TrainingData, fit
from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.core.errors import DivergedError, InputError
from gapscope.core.location import Location
from gapscope.core.random import stream
from gapscope.data.source import Listing, Undecodable
from gapscope.data.sources.arrays import ArraySource
from gapscope.networks.design import Design
from gapscope.networks.frame import own_frame, peek

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
PLAIN = Recipe(
    epochs=40,
    batch_size=14,
    optimizer="sgd",
    lr=2e-3,
    ema=0.5,
    class_weight="balanced",
    label_smoothing=0.1,
    keep="last",
)
EPOCHS = range(1, PLAIN.epochs + 1)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def stripes(count=90):
    """Noisy images of 8 × 8 in three unequal classes: a bright stripe at the left, in the middle, at the right."""
    rng = np.random.default_rng(7)
    labels = rng.choice(3, count, p=[0.5, 0.3, 0.2]).astype(np.int32)
    pixels = rng.integers(0, 90, (count, 8, 8)).astype(np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[:, 3 * label : 3 * label + 2] += 120
    return ArraySource(pixels, Listing([f"image-{i}" for i in range(count)], labels, ["left", "middle", "right"]))


def lesson_of(source, budget=2**30):
    images = open_images(source, "stripes/train", own_frame(peek(source), None)[0], budget, threads=2)
    rows = divide(source.listing, np.arange(len(source.listing)), 0.2, 0, "stripes/train")
    mean, std = pixel_statistics(images, rows.train)
    return TrainingData(images, rows.train, rows.validation, 3, mean, std, CPU)


def network():
    """Without batch norm and dropout: what its gradients are does not depend on how images are grouped."""
    with torch.random.fork_rng([]):
        torch.manual_seed(3)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 8), nn.Tanh(), nn.Linear(8, 3)
        )


def tensors(fitted):
    return {name: tensor.numpy() for name, tensor in fitted.model.state_dict().items()}


@dataclass
class Heard:
    """Progress that remembers what it was told."""

    lines: list = field(default_factory=list)
    sentences: list = field(default_factory=list)

    @contextmanager
    def task(self, description, total, unit):
        self.lines.append([description, total, 0])
        yield self

    def advance(self, count=1):
        self.lines[-1][2] += count

    def say(self, message):
        self.sentences.append(message)


KILLED = """
import sys
from test_cnn_parallel import PLAIN, lesson_of, network, stripes
from gapscope.cnn.parallel import fit_together
from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.core.location import Location
if __name__ == "__main__":
    fit_together(network(), lesson_of(stripes()), PLAIN, FolderCheckpoint(Location.of(sys.argv[1])), processes=2)
"""


def test_no_process_outlives_a_killed_parent_and_two_that_continue_give_the_network_of_a_single_one(tmp_path):
    script = [sys.executable, "-c", KILLED, str(tmp_path)]
    parent = subprocess.Popen(script, cwd=ROOT, env=child_environment(OMP_NUM_THREADS="1"))
    state, latest = tmp_path / "training.safetensors", time.monotonic() + 300
    while parent.poll() is None and not state.exists() and time.monotonic() < latest:
        time.sleep(0.002)
    children = psutil.Process(parent.pid).children(recursive=True)
    assert len(children) >= 2
    parent.send_signal(signal.SIGKILL)
    assert parent.wait() == -signal.SIGKILL
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    done = json.loads(load_file(state)["about"].tobytes())["epoch"]
    assert 1 <= done < PLAIN.epochs
    heard, checkpoint = Heard(), FolderCheckpoint(Location.of(tmp_path))
    continued = fit_together(network(), lesson_of(stripes()), PLAIN, checkpoint, heard, processes=2)
    assert_alike(fit(network(), lesson_of(stripes()), PLAIN), continued)
    rows, names = len(lesson_of(stripes()).train), [f"epoch {n} of {PLAIN.epochs}" for n in EPOCHS[done:]]
    assert [line[:2] for line in heard.lines] == [[name, rows] for name in names]
    assert all(rows - PLAIN.batch_size < line[2] <= rows for line in heard.lines)
    assert [sentence.partition(":")[0] for sentence in heard.sentences] == names


def assert_alike(one, two):
    """Equal but for the order in which sums were rounded."""
    mine, theirs = tensors(one), tensors(two)
    assert mine.keys() == theirs.keys()
    for name, tensor in mine.items():
        np.testing.assert_allclose(theirs[name], tensor, rtol=1e-4, atol=1e-5, err_msg=name)
    assert two.epoch == one.epoch
    for row, other in zip(one.history, two.history, strict=True):
        assert other.train_accuracy == pytest.approx(row.train_accuracy)
        assert other.validation_loss == pytest.approx(row.validation_loss, rel=1e-4)


@dataclass
class Failing(FolderCheckpoint):
    """Ends the training by a mistake of its own after the third epoch."""

    def save(self, stage, arrays, about):
        super().save(stage, arrays, about)
        if about["epoch"] == 3:
            raise ZeroDivisionError("after the third epoch")


@pytest.mark.slow
def test_two_processes_that_continue_give_the_bits_of_two_that_were_not_disturbed(tmp_path):
    recipe, place = replace(PLAIN, epochs=5, augment=("crop:1",), optimizer="adam"), Location.of(tmp_path)
    build = Design("resnet-small", lesson_of(stripes()).images.frame, 3).build
    with pytest.raises(
        RuntimeError, match=r"(?s)process 0 of a training failed:.*ZeroDivisionError: after the third epoch"
    ):
        fit_together(build(0), lesson_of(stripes()), recipe, Failing(place), processes=2)
    continued = fit_together(build(0), lesson_of(stripes()), recipe, FolderCheckpoint(place), processes=2)
    whole = fit_together(build(0), lesson_of(stripes()), recipe, processes=2)
    assert [row.train_loss for row in continued.history] == [row.train_loss for row in whole.history]
    mine, theirs = tensors(whole), tensors(continued)
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


@dataclass(frozen=True)
class Broken(ArraySource):
    """Images of which none of the `bad` can be decoded."""

    bad: tuple[int, ...] = ()

    def decode(self, index, data):
        if index in self.bad:
            raise Undecodable("broken")
        return super().decode(index, data)


@pytest.mark.slow
def test_an_error_in_one_process_ends_all_with_its_message():
    lesson = lesson_of(stripes())
    first = even_parts(stream(0, "order", 1).permutation(lesson.train), PLAIN.batch_size)[0]
    listed = lesson.images.source
    source = Broken(listed.pixels, listed.listing, tuple(np.array_split(first, 2)[1].tolist()))
    lesson = replace(lesson, images=Streamed("stripes/train", source, lesson.images.frame, 1, lesson.images.digests))
    before = {one.pid for one in psutil.Process().children()}
    with pytest.raises(InputError, match=r"none of the \d images of stripes/train that process 1 takes .* 'image-\d+'"):
        fit_together(network(), lesson, PLAIN, processes=2)
    new = [one for one in psutil.Process().children() if one.pid not in before]
    assert not [one for one in new if "spawn_main" in " ".join(one.cmdline())]


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (DivergedError("the loss is no longer a number"), DivergedError, r"^the loss is no longer a number$"),
        (
            KeyError("lost"),
            RuntimeError,
            r"(?s)^process 1 of a training failed:.*test_cnn_parallel\.py.*KeyError: 'lost'",
        ),
    ],
)
def test_an_error_of_a_process_is_raised_by_its_parent(error, kind, message):
    mine, theirs = get_context("spawn").Pipe()
    with _Reported(Team(1, 2), theirs):
        raise error
    with pytest.raises(kind, match=message):
        _received(_Child(current_process(), mine))
    mine.close()
    theirs.close()


def test_a_process_that_is_ended_from_outside_is_named():
    mine, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=os._exit, args=(3,))
    process.start()
    theirs.close()
    with pytest.raises(TeamError, match=r"was ended with code 3, .* the same command continues"):
        _received(_Child(process, mine))
    mine.close()


@pytest.mark.parametrize(
    ("processes", "change", "message"),
    [
        (0, {}, "--processes is 0; give 1 or more"),
        (13, {}, r"--processes 13 is more than the 12 images of the smallest batch"),
        (2, {"device": torch.device("mps")}, "--processes 2 needs --device cpu or cuda, not mps"),
        (99, {"device": torch.device("cuda")}, r"--processes 99 needs 99 CUDA devices; there are \d+"),
    ],
)
def test_what_cannot_be_shared_is_refused_before_anything_starts(processes, change, message):
    with pytest.raises(InputError, match=message):
        fit_together(network(), replace(lesson_of(stripes()), **change), PLAIN, processes=processes)


def test_one_process_is_the_ordinary_training():
    one, other = (
        function(network(), lesson_of(stripes()), replace(PLAIN, epochs=1)) for function in (fit, fit_together)
    )
    assert all(np.array_equal(tensor, tensors(other)[name]) for name, tensor in tensors(one).items())


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_shares_of_a_batch_are_the_batch_in_its_order(size, rng):
    images = lesson_of(stripes()).images
    rows = rng.permutation(90)[:13]
    shares = [Team(rank, size).share(images).batch(rows) for rank in range(size)]
    whole = images.batch(rows)
    for part, all_rows in zip(zip(*shares, strict=True), whole, strict=True):
        assert np.array_equal(np.concatenate(part), all_rows)
    assert [len(Team(rank, size).first(rows)) for rank in range(size)] == [13] + [0] * (size - 1)


def test_a_team_of_one_hands_back_what_it_is_given():
    model, loss = network(), torch.tensor(2.0)
    assert ALONE.learner(model) is model
    assert ALONE.weighted(loss, torch.zeros(3), None) is loss
    assert ALONE.summed(loss) is loss
    assert ALONE.broadcast("a") == "a"
    assert ALONE.names == ()


def test_large_arrays_travel_by_one_mapped_file_and_stay_when_its_name_is_gone(tmp_path):
    lesson = lesson_of(stripes())
    pixels = np.arange(2**20, dtype=np.uint32).astype(np.uint8).reshape(-1, 8, 8, 1)
    images = Held("large", lesson.images.source, lesson.images.frame, pixels, {}, np.zeros(len(pixels), np.uint64))
    packed = _packed(_Task(network(), replace(lesson, images=images), PLAIN, None, 1), tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 1
    found = _unpacked(packed, tmp_path)
    for path in tmp_path.iterdir():
        path.unlink()
    held = found.data.images.pixels
    assert isinstance(held, np.memmap)
    assert not held.flags.writeable
    assert np.array_equal(held, pixels)
    assert found.data.images.batch(np.array([2, 0])).x.flags.writeable


def test_each_process_decodes_with_its_share_of_the_threads():
    lesson = lesson_of(stripes(), budget=0)
    assert isinstance(lesson.images, Streamed)
    assert _with_share_of_threads(lesson.images, 2).threads == 1
    assert _with_share_of_threads(Dimmed(lesson.images), 2).images.threads == 1


@dataclass(frozen=True)
class Dimmed:
    """Images that training sees darker from epoch to epoch."""

    images: Images

    @property
    def name(self):
        return self.images.name

    @property
    def source(self):
        return self.images.source

    @property
    def frame(self):
        return self.images.frame

    @property
    def rejected(self):
        return self.images.rejected

    @property
    def digests(self):
        return self.images.digests

    def batch(self, rows):
        return self.images.batch(rows)

    def at(self, epoch):
        return replace(self.images, pixels=self.images.pixels // (1 + epoch))


def test_training_sees_changed_images_and_validation_the_plain_ones():
    lesson = lesson_of(stripes())
    dimmed = replace(lesson, images=Dimmed(lesson.images))
    assert np.array_equal(dimmed.seen(3).pixels, lesson.images.pixels // 4)
    assert dimmed.plain is lesson.plain is lesson.seen(1) is lesson.images
    still = Recipe(epochs=1, batch_size=14, optimizer="sgd", lr=1e-12)
    plain, changed = (fit(network(), one, still).history[0] for one in (lesson, dimmed))
    assert changed.validation_loss == pytest.approx(plain.validation_loss, rel=1e-6)
    assert changed.train_loss != pytest.approx(plain.train_loss, rel=1e-3)

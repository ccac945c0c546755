"""A network learns from images, the same on every run and after every kill, and its predictions are everybody's."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms import v2

from gapscope.cnn.augment import CHANGES, MIXTURES, crop, cutout, flip, parse_augmentation
from gapscope.cnn.data import pixel_statistics
from gapscope.cnn.division import divide
from gapscope.cnn.images import batches, even_parts, open_images
from gapscope.cnn.kept import DiskFullError
from gapscope.cnn.recipe import OPTIMIZERS, Recipe
from gapscope.cnn.schedule import rate
from gapscope.cnn.train import TrainingData, fit
from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.core.errors import DivergedError, InputError, SchemaError
from gapscope.core.location import Location
from gapscope.data.source import Listing, Undecodable
from gapscope.data.sources.arrays import ArraySource
from gapscope.draw import png
from gapscope.draw.history import history
from gapscope.draw.matrix import confusion
from gapscope.networks import NETWORKS
from gapscope.networks.design import Design, body_parameters, freeze, head_name, load_weights
from gapscope.networks.frame import Frame, own_frame, peek
from gapscope.networks.trained import Trained, load_trained
from gapscope.predictions.confusions import confused_pairs

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
CLOCK = ("seconds", "images_per_second")


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def stripes(rng):
    """96 noisy images of 8 × 8 in three classes: a bright stripe at the left, in the middle, at the right."""
    labels = np.arange(96, dtype=np.int32) % 3
    pixels = rng.integers(0, 90, (96, 8, 8)).astype(np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[:, 3 * label : 3 * label + 2] += 120
    return ArraySource(pixels, Listing([f"image-{i}" for i in range(96)], labels, ["left", "middle", "right"]))


def lesson_of(source, share=0.25, budget=2**30):
    images = open_images(source, "stripes/train", own_frame(peek(source), None)[0], budget, threads=2)
    rows = divide(source.listing, np.arange(len(source.listing)), share, 0, "stripes/train")
    mean, std = pixel_statistics(images, rows.train)
    return TrainingData(images, rows.train, rows.validation, len(source.listing.class_names), mean, std, CPU)


def design_of(lesson, name="simple-cnn"):
    return Design(name, lesson.images.frame, lesson.classes)


SHORT = Recipe(epochs=4, batch_size=16, lr=3e-3)
RICH = Recipe(
    epochs=4,
    batch_size=16,
    optimizer="adamw",
    lr=3e-3,
    weight_decay=0.01,
    schedule="one-cycle",
    label_smoothing=0.1,
    class_weight="balanced",
    augment=("flip:0.1", "crop:1", "cutout:2", "randaugment:1,3", "mixup:0.2", "cutmix:1"),
    ema=0.9,
    freeze_epochs=1,
    body_lr=0.5,
)


def trained(source, recipe, checkpoint=None, name="simple-cnn", **options):
    lesson = lesson_of(source, **options)
    model = design_of(lesson, name).build(recipe.seed)
    return fit(model, lesson, recipe, *([checkpoint] if checkpoint else []))


def tensors(fitted):
    return {name: tensor.numpy().copy() for name, tensor in fitted.model.state_dict().items()}


def without_clock(rows):
    return [{name: value for name, value in row._asdict().items() if name not in CLOCK} for row in rows]


def assert_same(one, other):
    assert without_clock(one.history) == without_clock(other.history)
    assert (one.epoch, one.stopped) == (other.epoch, other.stopped)
    mine, theirs = tensors(one), tensors(other)
    assert mine.keys() == theirs.keys()
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


def test_a_network_learns(stripes):
    found = trained(stripes, SHORT)
    assert found.history[-1].train_loss < found.history[0].train_loss
    assert found.history[-1].validation_accuracy > 0.9


@pytest.mark.parametrize("recipe", [SHORT, RICH], ids=["plain", "rich"])
def test_two_runs_with_one_seed_are_identical_and_another_seed_is_not(stripes, recipe):
    one, other = trained(stripes, recipe), trained(stripes, recipe)
    assert_same(one, other)
    third = trained(stripes, Recipe(**{**vars(recipe), "seed": 1}))
    assert without_clock(third.history) != without_clock(one.history)


def test_training_leaves_the_callers_random_numbers_alone(stripes):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trained(stripes, Recipe(epochs=1))
    assert torch.equal(torch.rand(3), expected)


class Kill(Exception):
    """Stands for a process that ends between two epochs."""


class Killing(FolderCheckpoint):
    """Keeps as many states as it is told, then ends the training."""

    def save(self, stage, arrays, about):
        super().save(stage, arrays, about)
        if about["epoch"] == self.last:
            raise Kill


@pytest.mark.parametrize("recipe", [SHORT, RICH, Recipe(epochs=4, optimizer="sgd", lr=0.01, keep="last")])
@pytest.mark.parametrize("last", [1, 3])
def test_a_training_that_goes_on_from_a_checkpoint_equals_an_undisturbed_one(stripes, tmp_path, recipe, last):
    checkpoint = Killing(Location.of(tmp_path))
    checkpoint.last = last
    with pytest.raises(Kill):
        trained(stripes, recipe, checkpoint)
    assert_same(trained(stripes, recipe, FolderCheckpoint(Location.of(tmp_path))), trained(stripes, recipe))


def test_a_checkpoint_of_a_network_with_batch_norms_continues_too(stripes, tmp_path):
    recipe, checkpoint = Recipe(epochs=2, batch_size=32, ema=0.5), Killing(Location.of(tmp_path))
    checkpoint.last = 1
    with pytest.raises(Kill):
        trained(stripes, recipe, checkpoint, "resnet-small")
    continued = trained(stripes, recipe, FolderCheckpoint(Location.of(tmp_path)), "resnet-small")
    assert_same(continued, trained(stripes, recipe, name="resnet-small"))


def test_held_and_streamed_images_teach_the_same(stripes):
    assert_same(trained(stripes, SHORT), trained(stripes, SHORT, budget=0))


def test_a_saved_network_gives_the_scores_it_gave(tmp_path, stripes):
    lesson = lesson_of(stripes)
    design = design_of(lesson, "resnet-small")
    found = fit(design.build(0), lesson, Recipe(epochs=1))
    names = tuple(stripes.listing.class_names)
    model = Trained("net", design, lesson.mean, lesson.std, names, found.model, CPU, {})
    model.save(Location.of(tmp_path))
    again = load_trained(Location.of(tmp_path))
    assert again.design == design
    x = stripes.pixels[..., None]
    assert np.array_equal(model.scores(x), again.scores(x))
    assert model.scores(x).shape == (96, 3)
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(SchemaError, match="holds no network"):
        load_trained(Location.of(tmp_path))


def test_the_head_of_resnet18_is_replaced_and_the_rest_filled():
    given = Design("torchvision:resnet18", Frame(32, 32, 3), 1000).build(3).state_dict()
    model = Design("torchvision:resnet18", Frame(32, 32, 3), 7).build(0)
    assert head_name(model) == "fc"
    assert not load_weights(model, given, "file")
    assert model.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    filled = model.state_dict()
    assert all(torch.equal(filled[name], given[name]) for name in given if not name.startswith("fc."))
    again = Design("torchvision:resnet18", Frame(32, 32, 3), 7).build(1)
    assert load_weights(again, filled, "file")
    assert torch.equal(again.fc.weight, model.fc.weight)


def test_weights_of_another_network_are_refused(stripes):
    model = Design("torchvision:resnet18", Frame(32, 32, 3), 7).build(0)
    with pytest.raises(InputError, match=r"other\.pth does not fit the network: it lacks 'conv1.weight'"):
        load_weights(model, {}, "other.pth")


def test_a_frozen_body_stays_as_it_is_while_the_head_learns_and_then_moves(rng):
    pixels = rng.integers(0, 256, (8, 32, 32, 3), np.uint8)
    source = ArraySource(pixels, Listing([str(i) for i in range(8)], np.arange(8, dtype=np.int32) % 2, ["a", "b"]))
    lesson = lesson_of(source, share=0.25)
    design = Design("torchvision:resnet18", lesson.images.frame, 2)
    start = design.build(0)
    before = {name: tensor.clone() for name, tensor in start.state_dict().items()}
    model = fit(start, lesson, Recipe(epochs=1, freeze_epochs=1, lr=0.01)).model
    after = model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before if not name.startswith("fc."))
    assert not torch.equal(after["fc.weight"], before["fc.weight"])
    moved = fit(design.build(0), lesson, Recipe(epochs=2, freeze_epochs=1, keep="last", freeze_norms=True)).model
    assert not torch.equal(moved.state_dict()["layer4.0.conv1.weight"], before["layer4.0.conv1.weight"])
    assert torch.equal(moved.state_dict()["bn1.running_mean"], before["bn1.running_mean"])
    assert all(parameter.requires_grad for parameter in body_parameters(moved))


@pytest.mark.parametrize(
    ("name", "last_first", "first_later"),
    [
        ("torchvision:resnet18", "layer2.0.bn1.bias", "layer2.0.conv2.weight"),
        ("resnet-small", "2.1.bias", "4.change.0.0.weight"),
        ("simple-cnn", "0.bias", "3.weight"),
        ("mobilenetv2_100", "blocks.2.1.bn2.bias", "blocks.2.1.conv_pwl.weight"),
        ("vit_tiny_patch16_224", "blocks.3.norm1.bias", "blocks.3.attn.qkv.weight"),
    ],
)
def test_the_first_layers_are_a_quarter_of_those_with_weights(name, last_first, first_later):
    side = 224 if name.startswith("vit") else 32
    model = Design(name, Frame(side, side, 3), 2).build(0)
    freeze(model, "first")
    names = [one for one, value in model.named_parameters() if value.requires_grad]
    every = [one for one, _ in model.named_parameters()]
    assert names == every[: len(names)]
    assert (names[-1], every[len(names)]) == (last_first, first_later)


def test_later_layers_stay_as_they_are_while_the_first_learn(rng):
    pixels = rng.integers(0, 256, (8, 32, 32, 3), np.uint8)
    source = ArraySource(pixels, Listing([str(i) for i in range(8)], np.arange(8, dtype=np.int32) % 2, ["a", "b"]))
    lesson = lesson_of(source, share=0.25)
    start = Design("torchvision:resnet18", lesson.images.frame, 2).build(0)
    before = {name: tensor.clone() for name, tensor in start.state_dict().items()}
    after = fit(start, lesson, Recipe(epochs=1, train_layers="first", lr=0.01, weight_decay=0.1)).model.state_dict()
    changed = {name for name in before if not torch.equal(after[name], before[name])}
    assert {"conv1.weight", "bn1.running_mean", "layer1.1.conv2.weight"} <= changed
    assert not [name for name in changed if name.startswith(("layer2.0.conv2", "layer2.1", "layer3", "layer4", "fc"))]
    with pytest.raises(InputError, match="--freeze-epochs 1 trains the head alone"):
        Recipe(freeze_epochs=1, train_layers="first").check()


def test_the_same_name_in_timm_works_with_its_own_normalisation():
    design = Design("resnet18", Frame(32, 32, 3), 4)
    assert design.library == "timm"
    assert design.build(0)(torch.zeros(2, 3, 32, 32)).shape == (2, 4)
    assert design.normalisation() == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("frame", [Frame(8, 8, 1), Frame(28, 28, 1), Frame(32, 40, 3)])
def test_own_networks_take_any_small_image(name, frame):
    model = Design(name, frame, 5).build(0)
    assert model(torch.zeros(3, frame.channels, *frame.size)).shape == (3, 5)


def test_a_training_stops_at_the_first_loss_that_is_no_number(stripes):
    with pytest.raises(
        DivergedError, match=r"no longer a number at epoch 1, step \d+ of 5; lower --lr, which is 1e\+30"
    ):
        trained(stripes, Recipe(epochs=2, batch_size=16, optimizer="sgd", lr=1e30))


def test_weights_that_the_last_step_of_an_epoch_ruins_are_not_kept(stripes, tmp_path):
    with pytest.raises(DivergedError, match="validation loss is no longer a number after epoch 1"):
        trained(
            stripes,
            Recipe(epochs=2, batch_size=96, optimizer="sgd", lr=1e30),
            FolderCheckpoint(Location.of(tmp_path)),
        )
    assert not list(tmp_path.iterdir())


def test_early_stopping_keeps_the_best_epoch(stripes):
    found = trained(stripes, Recipe(epochs=30, lr=0.02, batch_size=8, patience=2, schedule="constant"))
    losses = [row.validation_loss for row in found.history]
    assert found.stopped
    assert found.epoch == 1 + int(np.argmin(losses)) == len(losses) - 2


def test_a_full_disk_loses_nothing(stripes, tmp_path, monkeypatch):
    place = Location.of(tmp_path)
    checkpoint = Killing(place)
    checkpoint.last = 2
    with pytest.raises(Kill):
        trained(stripes, SHORT, checkpoint)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(
            DiskFullError, match=r"the checkpoint of epoch 3 needs .* epoch 2 is still there and the same command"
        ):
            trained(stripes, SHORT, FolderCheckpoint(place))
    assert [path.name for path in tmp_path.iterdir()] == ["training.safetensors"]
    assert_same(trained(stripes, SHORT, FolderCheckpoint(place)), trained(stripes, SHORT))


def test_a_checkpoint_holds_no_pickle(stripes, tmp_path):
    from safetensors.numpy import load_file

    trained(stripes, RICH, FolderCheckpoint(Location.of(tmp_path)))
    kinds = {name.partition("/")[0] for name in load_file(tmp_path / "training.safetensors")}
    assert kinds == {"model", "average", "optimiser", "best", "about"}


def test_one_cycle_is_torchs():
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1.0, total_steps=40, cycle_momentum=False)
    for step in range(40):
        assert rate("one-cycle", 0, step, 40) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        optimiser.step()
        if step < 39:
            theirs.step()


def test_cosine_is_torchs_after_a_linear_rise():
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=20)
    assert [rate("cosine", 3, step, 23) for step in range(3)] == [0.25, 0.5, 0.75]
    for step in range(20):
        assert rate("cosine", 3, step + 3, 23) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        optimiser.step()
        theirs.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weights_decay_and_biases_do_not(name, stripes):
    lesson = lesson_of(stripes)
    optimiser = Recipe(optimizer=name, weight_decay=0.1).optimiser(design_of(lesson).build(0))
    for group in optimiser.param_groups:
        assert all((parameter.ndim > 1) == (group["weight_decay"] > 0) for parameter in group["params"])


def test_crops_are_those_of_torchvision_at_some_offset(rng):
    x = torch.from_numpy(rng.integers(0, 256, (6, 3, 8, 8), np.uint8))
    padded = v2.functional.pad(x, [2, 2, 2, 2])
    for image, changed in zip(padded, crop(2)(x), strict=True):
        places = [(top, left) for top in range(5) for left in range(5)]
        assert any(torch.equal(changed, v2.functional.crop(image, *place, 8, 8)) for place in places)


def test_flips_mirror_whole_images_and_cutouts_blacken_one_square(rng):
    x = torch.from_numpy(rng.integers(1, 256, (40, 1, 9, 9), np.uint8))
    assert torch.equal(flip(1.0)(x), v2.functional.horizontal_flip(x))
    mirrored = (flip(0.5)(x) != x).flatten(1).any(1)
    assert 5 < int(mirrored.sum()) < 35
    holes = (cutout(4)(x) == 0).flatten(1).sum(1)
    assert int(holes.min()) >= 4
    assert int(holes.max()) == 16


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_keeps_shape_and_type_leaves_its_input_and_follows_the_seed(name, rng):
    x = torch.from_numpy(rng.integers(0, 256, (4, 3, 16, 16), np.uint8))
    before, change = x.clone(), parse_augmentation([name], 2).change
    found = []
    for _ in range(2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            found.append(change(x))
    assert torch.equal(x, before)
    assert found[0].shape == x.shape
    assert found[0].dtype == torch.uint8
    assert torch.equal(*found)


@pytest.mark.parametrize("name", MIXTURES)
def test_a_mixture_has_shares_of_classes_that_add_up_to_one(name):
    x, y = torch.rand(6, 3, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2])
    mixed, shares = parse_augmentation([name], 3).mix(x, y)
    assert mixed.shape == x.shape
    assert shares.sum(1) == pytest.approx(np.ones(6))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("flop", "did you mean 'flip'"), ("crop:big", "must be written crop:4"), ("mixup:0", "takes 1 number above 0")],
)
def test_an_augmentation_that_means_nothing_is_refused(text, sentence):
    with pytest.raises(InputError, match=sentence):
        parse_augmentation([text], 3)


class Broken(ArraySource):
    """Some images of this source cannot be decoded."""

    def decode(self, index, data):
        if index % 10 == 3:
            raise Undecodable("is damaged")
        return super().decode(index, data)


@pytest.mark.parametrize("budget", [2**30, 0])
def test_images_that_cannot_be_decoded_are_left_out_and_written_down(stripes, budget):
    images = open_images(Broken(stripes.pixels, stripes.listing), "x/train", Frame(8, 8, 1), budget)
    found = list(batches(images, even_parts(np.arange(96), 7)))
    rows = np.concatenate([batch.rows for batch in found])
    assert rows.tolist() == [row for row in range(96) if row % 10 != 3]
    assert np.array_equal(np.concatenate([batch.x for batch in found])[..., 0], stripes.pixels[rows])
    assert set(images.rejected.values()) == {"is damaged"}


def test_a_dataset_without_labels_is_refused(stripes):
    listing = Listing(stripes.listing.names, np.full(96, -1, np.int32), ["a", "b"])
    with pytest.raises(InputError, match="x/train has no labels; put images into one folder per class"):
        divide(listing, np.arange(96), 0.1, 0, "x/train")


def test_validation_rows_are_a_share_of_each_class_and_stay_when_images_are_reordered(stripes):
    rows = divide(stripes.listing, np.arange(96), 0.25, 0, "x")
    assert np.bincount(stripes.listing.labels[rows.validation]).tolist() == [8, 8, 8]
    assert sorted([*rows.train, *rows.validation]) == list(range(96))
    turned = np.arange(96)[::-1].copy()
    listing = Listing([f"image-{i}" for i in turned], stripes.listing.labels[turned], stripes.listing.class_names)
    other = divide(listing, np.arange(96), 0.25, 0, "x")
    assert sorted(turned[other.validation]) == rows.validation.tolist()


def test_balanced_classes_count_alike(stripes):
    lesson = lesson_of(stripes)
    counts = np.bincount(stripes.listing.labels[lesson.train])
    weight = lesson.class_weight("balanced").numpy()
    assert weight * counts == pytest.approx(np.full(3, len(lesson.train) / 3))


def test_confused_pairs_are_named_worst_first():
    counts = np.array([[6, 3, 1], [0, 10, 0], [4, 0, 6]])
    pairs = confused_pairs(["shirt", "coat", "dress"], counts, 3)
    assert [(one.true, one.predicted, one.count) for one in pairs] == [
        ("dress", "shirt", 4),
        ("shirt", "coat", 3),
        ("shirt", "dress", 1),
    ]
    figure = confusion(["shirt", "coat", "dress"], counts, title="on test")
    title = " ".join(figure.get_suptitle().split())
    worst = "dress predicted as shirt 40.0%; shirt predicted as coat 30.0%; shirt predicted as dress 10.0%"
    assert title == f"on test: {worst}"
    assert png(figure) == png(confusion(["shirt", "coat", "dress"], counts, title="on test"))


def test_a_history_is_drawn_with_a_line_for_each_part_and_the_epoch_that_is_kept():
    figure = history({"train": [1.0, 0.5], "validation": [None, None]}, title="loss", up="nats", chosen=2)
    assert [line.get_label() for line in figure.axes[0].get_lines()] == ["train", "kept: epoch 2"]

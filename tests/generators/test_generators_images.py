"""Every generator makes an image from its seed, class and number alone; networks learn, and go on after a kill."""

import dataclasses
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from functools import cache

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.svm import SVC

from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.core.errors import ConfigMismatchError, DivergedError, InputError, SchemaError
from gapscope.core.location import Location
from gapscope.data.sources.idx import read_idx
from gapscope.generators import GENERATORS
from gapscope.generators.augment_only import AugmentRecipe
from gapscope.generators.canvas import canvas_of
from gapscope.generators.denoising import TIMES, backward, ddim, guided, noising, noisy, weighted_loss
from gapscope.generators.diff_augment import diff_augment
from gapscope.generators.diffusion import DiffusionRecipe
from gapscope.generators.drawing import in_blocks, own_image
from gapscope.generators.finetune import FINETUNE, FinetuneRecipe, base_model
from gapscope.generators.gan import GanRecipe
from gapscope.generators.generator import load_generator
from gapscope.generators.mixtures import MixtureRecipe
from gapscope.networks.frame import Frame

NETWORKS = ("diffusion", "finetune-diffusion", "gan")
COUNTS = (5, 1, 2, 0)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def latent_model(tmp_path_factory):
    """A random latent diffusion model of a few thousand weights, in the layout of published ones."""
    folder = tmp_path_factory.mktemp("latent")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(8, 16),
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=8,
            attention_head_dim=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        ).save_pretrained(folder / "unet")
        AutoencoderKL(
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            norm_num_groups=4,
        ).save_pretrained(folder / "vae")
    DDPMScheduler().save_pretrained(folder / "scheduler")
    return folder


@pytest.fixture(scope="session")
def tiny(latent_model):
    """The smallest useful recipe of each generator."""
    small = {"steps": 3, "batch_size": 4}
    return {
        "diffusion": DiffusionRecipe(**small, width=8, ddim_steps=4, block=4),
        "finetune-diffusion": FinetuneRecipe(**small, model=str(latent_model), rank=2, tokens=2, ddim_steps=4, lr=0.01),
        "gan": GanRecipe(**small, width=8, block=4),
        "mixup-pixels": MixtureRecipe(),
        "cutmix": MixtureRecipe(),
        "augment-only": AugmentRecipe(),
    }


@pytest.fixture(params=list(GENERATORS))
def name(request):
    return request.param


def material(shape, counts=COUNTS):
    """Random images of the given shape, `counts` of each class."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(7).integers(0, 256, (len(labels), *shape)).astype(np.uint8), labels


@pytest.fixture(scope="session")
def trained(tiny):
    """A function that trains the tiny recipe of a generator, once for each set of images."""

    @cache
    def train(name, shape=(16, 12, 3), counts=COUNTS):
        return GENERATORS[name].train(*material(shape, counts), len(counts), tiny[name])

    return train


@pytest.mark.parametrize("shape", [(28, 28, 1), (30, 45, 3), (9, 8, 1)])
def test_images_have_the_form_of_those_learned_from(name, trained, shape):
    made = trained(name, shape).sample(0, range(3), 0)
    assert made.shape == (3, *shape)
    assert made.dtype == np.uint8
    assert made.std() > 0


def test_an_image_is_a_function_of_seed_class_and_number(name, trained):
    generator = trained(name)
    whole = generator.sample(0, range(11), 5)
    for shard in (range(3), range(2, 7), range(6, 11), range(10, 11), range(9, 0, -2)):
        assert np.array_equal(generator.sample(0, shard, 5), whole[list(shard)])
    assert generator.sample(0, range(4, 4), 5).shape == (0, 16, 12, 3)
    assert not np.array_equal(generator.sample(0, range(11), 6), whole)
    assert not np.array_equal(generator.sample(2, range(11), 5), whole)
    assert len(np.unique(whole.reshape(11, -1), axis=0)) > 5


def test_a_saved_generator_makes_the_same_images(name, trained, tmp_path):
    generator = trained(name)
    generator.save(Location.of(tmp_path))
    again = load_generator(Location.of(tmp_path))
    assert np.array_equal(again.sample(0, range(5), 1), generator.sample(0, range(5), 1))
    assert (again.recipe, again.counts, again.form) == (generator.recipe, generator.counts, generator.form)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".safetensors"]


def test_a_generator_travels_to_another_process(name, trained):
    generator = trained(name)
    again = pickle.loads(pickle.dumps(generator))
    assert np.array_equal(again.sample(0, range(2), 1), generator.sample(0, range(2), 1))


def test_two_trainings_make_the_same_images(name, tiny, trained):
    first, second = trained(name), GENERATORS[name].train(*material((16, 12, 3)), len(COUNTS), tiny[name])
    assert np.array_equal(first.sample(0, range(4), 0), second.sample(0, range(4), 0))


def test_training_leaves_the_images_and_the_global_random_numbers_alone(name, tiny):
    images, labels = material((16, 12, 3))
    before, state = images.copy(), torch.get_rng_state()
    GENERATORS[name].train(images, labels, len(COUNTS), tiny[name]).sample(0, range(2), 0)
    assert np.array_equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_class_with_too_few_images_is_refused_in_a_sentence(name, trained):
    generator = trained(name)
    for label, count in enumerate(COUNTS):
        if count >= GENERATORS[name].fewest:
            assert generator.refusal(label) == ""
            assert len(generator.sample(label, range(2), 0)) == 2
        else:
            with pytest.raises(InputError, match=f"class {label} has {count} training images but {name} needs"):
                generator.sample(label, range(2), 0)
    with pytest.raises(InputError, match="there is no class 4; the generator knows 4"):
        generator.sample(4, range(2), 0)


def test_a_training_set_of_one_image_is_enough_for_all_but_mixtures(name, trained):
    generator = trained(name, counts=(1,))
    assert bool(generator.refusal(0)) == (name in ("mixup-pixels", "cutmix"))


def test_what_cannot_be_learned_from_is_refused_in_a_sentence(name, tiny):
    images, labels = material((16, 12, 3))
    train, recipe = GENERATORS[name].train, tiny[name]
    with pytest.raises(InputError, match=r"images \(n, h, w, 1 or 3\) of bytes, not from"):
        train(images[..., :2], labels, 4, recipe)
    with pytest.raises(InputError, match=r"not from .* float64"):
        train(images / 255, labels, 4, recipe)
    with pytest.raises(InputError, match="there are 8 images but labels of shape"):
        train(images, labels[:3], 4, recipe)
    with pytest.raises(InputError, match="labels go from -1 to 2, but there are 4 classes"):
        train(images, np.where(labels == 1, -1, labels), 4, recipe)


@pytest.mark.parametrize("name", NETWORKS)
def test_an_interrupted_training_ends_as_the_uninterrupted_one(name, tiny, tmp_path):
    images, labels = material((16, 12, 3))
    longer = dataclasses.replace(tiny[name], steps=10)
    kept = FolderCheckpoint(Location.of(tmp_path), seconds=0)
    whole = GENERATORS[name].train(images, labels, 4, longer)
    GENERATORS[name].train(images, labels, 4, dataclasses.replace(longer, steps=4), kept)
    resumed = GENERATORS[name].train(images, labels, 4, longer, kept)
    assert_same(resumed, whole)
    assert_same(GENERATORS[name].train(images, labels, 4, longer, kept), whole)


def assert_same(one, other):
    assert one.details == other.details
    assert one.arrays.keys() == other.arrays.keys()
    for key in one.arrays:
        assert np.array_equal(one.arrays[key], other.arrays[key]), key


CHILD = """
import sys, numpy as np, torch
torch.set_num_threads(1)
from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.core.location import Location
from gapscope.generators import GENERATORS
from gapscope.generators.gan import GanRecipe
images = np.load(sys.argv[1] + "/images.npy")
kept = FolderCheckpoint(Location.of(sys.argv[1] + "/kept"), seconds=0)
GENERATORS["gan"].train(images, np.arange(8) % 2, 2, GanRecipe(steps=100_000, batch_size=4, width=8), kept)
"""


def test_a_killed_training_goes_on_to_the_same_generator(tmp_path):
    images, labels = material((16, 12, 3))[0], np.arange(8) % 2
    np.save(tmp_path / "images.npy", images)
    file = tmp_path / "kept" / "generator.safetensors"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)])
    deadline = time.monotonic() + 200
    while not file.exists() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    kept = FolderCheckpoint(Location.of(tmp_path / "kept"), seconds=1000)
    done = len(kept.load("generator").arrays["losses"])
    recipe = GanRecipe(steps=done + 5, batch_size=4, width=8)
    assert_same(
        GENERATORS["gan"].train(images, labels, 2, recipe, kept), GENERATORS["gan"].train(images, labels, 2, recipe)
    )


def test_a_checkpoint_of_another_training_is_refused(tiny, tmp_path):
    images, labels = material((16, 12, 3))
    kept = FolderCheckpoint(Location.of(tmp_path), seconds=0)
    train = GENERATORS["gan"].train
    train(images, labels, 4, tiny["gan"], kept)
    with pytest.raises(ConfigMismatchError, match=r"trained with lr 0\.0002, not 0\.001; use the same, or another"):
        train(images, labels, 4, dataclasses.replace(tiny["gan"], lr=0.001), kept)
    with pytest.raises(InputError, match="has 3 steps behind it but 2 were requested"):
        train(images, labels, 4, dataclasses.replace(tiny["gan"], steps=2), kept)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_diverged_training_names_its_step(name, tiny):
    images, labels = material((16, 12, 3))
    with pytest.raises(DivergedError, match=r"no longer a number at step \d+ of 60; lower lr, which is 1e\+30"):
        GENERATORS[name].train(images, labels, 4, dataclasses.replace(tiny[name], lr=1e30, steps=60))


def test_settings_of_sampling_change_without_a_training(trained):
    generator = trained("diffusion")
    other = generator.changed(ddim_steps=10, guidance=1)
    assert other.recipe == dataclasses.replace(generator.recipe, ddim_steps=10, guidance=1)
    assert not np.array_equal(other.sample(0, range(4), 0), generator.sample(0, range(4), 0))
    with pytest.raises(InputError, match="no setting of sampling named 'width'"):
        generator.changed(width=16)
    with pytest.raises(InputError, match="ddim steps is 7; give a divisor of 1000"):
        generator.changed(ddim_steps=7)


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        (DiffusionRecipe(steps=0), "steps is 0; give at least 1"),
        (DiffusionRecipe(width=12), "width is 12; give a multiple of 8"),
        (DiffusionRecipe(label_dropout=1.5), "label dropout is 1.5; give at least 0 and at most 1"),
        (DiffusionRecipe(lr=0), "lr is 0; give a number above 0"),
        (GanRecipe(width=4), "width is 4; give a multiple of 8"),
        (GanRecipe(lr=-1), "lr is -1; give a number above 0"),
        (FinetuneRecipe(model="x", lr=0), "lr is 0; give a number above 0"),
        (FinetuneRecipe(), "needs a model; give the folder of one"),
        (MixtureRecipe(alpha=0), "alpha is 0; give a number above 0"),
        (AugmentRecipe(smallest=0), "smallest is 0; give at least 0.01"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused_in_a_sentence(recipe, sentence):
    with pytest.raises(InputError, match=sentence.replace(".", r"\.")):
        recipe.check()


def test_files_that_hold_no_generator_are_refused(tmp_path):
    with pytest.raises(SchemaError, match="holds no generator"):
        load_generator(Location.of(tmp_path))
    (tmp_path / "generator.json").write_text('{"kind": "cnn"}')
    with pytest.raises(SchemaError, match="it is a cnn"):
        load_generator(Location.of(tmp_path))


# Drawing and canvas


def test_blocks_are_always_made_whole():
    asked = []

    def make(block):
        asked.append(block)
        return np.asarray(block)

    assert in_blocks(range(3, 9), 4, make).tolist() == [3, 4, 5, 6, 7, 8]
    assert asked == [range(0, 4), range(4, 8), range(8, 12)]


def test_training_images_take_turns_as_starting_points():
    first, second = ([own_image(0, 1, index, 10) for index in span] for span in (range(10), range(10, 20)))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


@pytest.mark.parametrize(("size", "halvings"), [((28, 28), 2), ((30, 45), 2), ((9, 8), 3), ((100, 61), 4)])
def test_images_come_back_from_their_canvas_as_they_were(rng, size, halvings):
    images = rng.integers(0, 256, (3, *size, 3)).astype(np.uint8)
    canvas = canvas_of(Frame(*size, 3), halvings)
    x = canvas.enlarge(images, torch.device("cpu"))
    assert x.shape[1:] == canvas.shape
    for edge, own in zip(x.shape[2:], size, strict=True):
        assert edge % 2**halvings == 0
        assert 0 <= edge - own < 2**halvings
    assert float(x.min()) >= -1
    assert float(x.max()) <= 1
    assert np.array_equal(canvas.cut(x), images)


@pytest.mark.parametrize("size", [(4, 32), (32, 300)])
def test_sizes_that_no_network_here_can_make_are_refused(size):
    with pytest.raises(InputError, match=f"images of {size[0]} × {size[1]} cannot be made pixel by pixel; scale them"):
        canvas_of(Frame(*size, 1), 2)


# Diffusion against closed forms


def cosine(t):
    """The share of the image's variance at time t of 1000, from the formula of Nichol and Dhariwal (2021), eq. 17."""
    f = [np.cos((share + 0.008) / 1.008 * np.pi / 2) ** 2 for share in ((t + 1) / TIMES, 0)]
    return f[0] / f[1]


@pytest.mark.parametrize("t", [0, 100, 500, 900])
def test_noise_is_added_along_the_cosine(t):
    assert float(noising().alphas_cumprod[t]) == pytest.approx(cosine(t), rel=1e-3)
    added = torch.randn(1, 1, 300, 300, generator=torch.Generator().manual_seed(0))
    x = noising().add_noise(torch.full_like(added, 0.5), added, torch.tensor([t]))
    assert float(x.mean()) == pytest.approx(0.5 * cosine(t) ** 0.5, abs=0.02)
    assert float(x.var()) == pytest.approx(1 - cosine(t), rel=0.02)


def test_image_and_noise_are_found_from_the_velocity():
    clean = torch.rand(50, 3, 4, 4, generator=torch.Generator().manual_seed(1)) * 2 - 1
    x, added, velocity, times = noisy(clean, noising(), torch.Generator().manual_seed(2))
    a = noising().alphas_cumprod[times][:, None, None, None]
    assert torch.allclose(a.sqrt() * x - (1 - a).sqrt() * velocity, clean, atol=1e-4)
    assert torch.allclose((1 - a).sqrt() * x + a.sqrt() * velocity, added, atol=1e-4)
    assert len(times.unique()) > 40


def test_the_loss_is_that_of_the_image_weighted_by_at_most_five():
    clean, wrong = torch.zeros(4, 1, 2, 2), torch.full((4, 1, 2, 2), 0.3)
    times = torch.tensor([5, 300, 600, 990])
    a = noising().alphas_cumprod[times]
    # An error d of the image is one of -d / sqrt(1 - a) of the velocity.
    predicted = -wrong / (1 - a).sqrt()[:, None, None, None]
    wanted = (torch.minimum(a / (1 - a), torch.tensor(5.0)) * 0.09).mean()
    assert float(weighted_loss(predicted, clean, times, noising())) == pytest.approx(float(wanted), rel=1e-3)


def oracle(mean, spread):
    """The best prediction of the velocity where images are normal: the posterior mean of the image, in closed form."""

    def predict(x, times):
        a = noising().alphas_cumprod[times][:, None, None, None]
        image = mean + spread**2 * a.sqrt() / (spread**2 * a + 1 - a) * (x - a.sqrt() * mean)
        return (a.sqrt() * x - image) / (1 - a).sqrt()

    return predict


def left_of_the_spread(spread, steps):
    """What DDIM in so many steps makes of noise of spread 1, by eq. 12 of Song et al. (2021) in float64."""
    a = noising().alphas_cumprod.double().numpy()
    times = np.arange(TIMES - 1, -1, -TIMES // steps)
    width = 1.0
    for now, then in zip(a[times], [*a[times[1:]], 1.0], strict=True):
        image = spread**2 * np.sqrt(now) / (spread**2 * now + 1 - now) * width
        width = np.sqrt(then) * image + np.sqrt(1 - then) * (width - np.sqrt(now) * image) / np.sqrt(1 - now)
    return width


def test_ddim_with_the_best_denoiser_recovers_the_distribution_of_images():
    start = torch.randn(1, 1, 50, 50, generator=torch.Generator().manual_seed(3))
    errors = []
    for steps in (10, 50, 250):
        made = ddim(oracle(0.2, 0.1), start, backward(), steps)
        spread = float(made.std() / start.std())
        assert spread == pytest.approx(left_of_the_spread(0.1, steps), rel=2e-3)
        assert float(made.mean()) == pytest.approx(0.2 + spread * float(start.mean()), abs=1e-3)
        errors.append(abs(spread / 0.1 - 1))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.05


def test_guidance_moves_away_from_no_class_and_is_the_network_itself_at_one():
    def network(x, times, labels):
        return x * labels[:, None, None, None] + times[:, None, None, None]

    x, times, labels = torch.ones(2, 1, 1, 1), torch.tensor([3, 3]), torch.tensor([1, 2])
    assert torch.equal(guided(network, labels, 5, 1)(x, times), network(x, times, labels))
    assert guided(network, labels, 5, 0)(x, times).flatten().tolist() == [8, 8]
    assert guided(network, labels, 5, 3)(x, times).flatten().tolist() == [8 + 3 * (4 - 8), 8 + 3 * (5 - 8)]


def two_lights():
    """16 plain images of 8 × 8 in two classes, dark and bright."""
    labels = np.arange(16) % 2
    return np.tile(np.where(labels == 1, 210, 40)[:, None, None, None], (1, 8, 8, 1)).astype(np.uint8), labels


def contrast(generator):
    """How much brighter the second class is than the first."""
    dark, bright = (generator.sample(label, range(16), 0).mean() for label in (0, 1))
    return bright - dark


def test_a_diffusion_model_learns_its_classes_and_guidance_parts_them():
    recipe = DiffusionRecipe(steps=60, batch_size=8, width=8, lr=2e-2, guidance=1, ddim_steps=5)
    generator = GENERATORS["diffusion"].train(*two_lights(), 2, recipe)
    losses = generator.details["losses"]["loss"]
    assert len(losses) == 20
    assert losses[-1] < losses[0] / 2
    assert contrast(generator.changed(guidance=3)) > contrast(generator) + 20 > 40


# The other members


def test_a_weighted_mean_lies_between_its_two_images():
    images, labels = material((16, 12, 3), (2,))
    made = GENERATORS["mixup-pixels"].train(images, labels, 1).sample(0, range(20), 0)
    low, high = images.min(0), images.max(0)
    assert ((made >= low) & (made <= high)).all()
    assert len(np.unique(made.reshape(20, -1), axis=0)) == 20


def test_a_pasted_image_holds_a_rectangle_of_one_in_the_other():
    images = np.stack([np.zeros((16, 12, 1), np.uint8), np.ones((16, 12, 1), np.uint8)])
    made = GENERATORS["cutmix"].train(images, np.zeros(2, int), 1).sample(0, range(40), 0)[..., 0]
    for image in made:
        part = image if image[[0, 0, -1, -1], [0, -1, 0, -1]].sum() <= 2 else 1 - image
        rows, columns = part.any(1), part.any(0)
        assert part.sum() == rows.sum() * columns.sum()
    assert 0.2 < made.mean() < 0.8


def test_an_augmentation_without_changes_gives_the_training_images_in_turn():
    images, labels = material((16, 12, 3), (5,))
    nothing = AugmentRecipe(flip=0, smallest=1, stretch=1, light=0, contrast=0, colour=0)
    made = GENERATORS["augment-only"].train(images, labels, 1, nothing).sample(0, range(5), 0)
    assert {image.tobytes() for image in made} == {image.tobytes() for image in images}


def test_light_and_contrast_do_what_they_say():
    images = np.full((1, 8, 8, 3), 100, np.uint8)
    recipe = AugmentRecipe(flip=0, smallest=1, stretch=1, light=0.2, contrast=0, colour=0)
    made = GENERATORS["augment-only"].train(images, np.zeros(1, int), 1, recipe).sample(0, range(50), 0)
    assert made.min() >= 80
    assert made.max() <= 120
    assert np.ptp(made[:, 0, 0, 0].astype(int)) > 20


def test_differentiable_changes_let_gradients_through_and_keep_the_shape():
    x = torch.rand(6, 3, 12, 20, requires_grad=True)
    changed = diff_augment(x, torch.Generator().manual_seed(0))
    assert changed.shape == x.shape
    changed.sum().backward()
    assert float(x.grad.abs().sum()) > 0
    holes = (changed == 0).all(1).flatten(1).float().mean(1)
    assert (holes >= 0.0625).all()
    assert torch.equal(diff_augment(x, torch.Generator().manual_seed(0)), changed)


def test_a_gan_learns_its_classes():
    recipe = GanRecipe(steps=80, batch_size=8, width=8, lr=2e-3, augment=False)
    assert contrast(GENERATORS["gan"].train(*two_lights(), 2, recipe)) > 100


def test_additions_change_nothing_before_the_first_step_and_the_model_never(latent_model, tiny):
    plain = UNet2DConditionModel.from_pretrained(latent_model, subfolder="unet", low_cpu_mem_usage=False)
    base = base_model(tiny["finetune-diffusion"], 2, torch.device("cpu"))
    x, times, labels = torch.rand(2, 4, 8, 8), torch.tensor([1, 700]), torch.tensor([0, 2])
    tokens = base.added["classes"](labels).reshape(2, 2, 8)
    with torch.no_grad():
        assert torch.allclose(base.velocity(x, times, labels), plain(x, times, tokens).sample, atol=1e-6)
    learning = [name for name, value in base.unet.named_parameters() if value.requires_grad]
    assert learning
    assert all(name.endswith((".up", ".down")) for name in learning)


def test_a_fine_tuned_generator_refuses_another_model(latent_model, tiny, tmp_path):
    shutil.copytree(latent_model, tmp_path / "model")
    recipe = dataclasses.replace(tiny["finetune-diffusion"], model=str(tmp_path / "model"))
    FINETUNE.train(*material((16, 12, 3)), 4, recipe).save(Location.of(tmp_path / "saved"))
    weights = tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(SchemaError, match="is not the one that was fine-tuned"):
        load_generator(Location.of(tmp_path / "saved"))
    with pytest.raises(InputError, match="image size is 10; give a multiple of 4"):
        FINETUNE.train(*material((16, 12, 3)), 4, dataclasses.replace(recipe, image_size=10))
    with pytest.raises(InputError, match="holds no latent diffusion model that diffusers can read"):
        FINETUNE.train(*material((16, 12, 3)), 4, dataclasses.replace(recipe, model=str(tmp_path)))


# On real images


FASHION = {
    "diffusion": (DiffusionRecipe(width=24, batch_size=32, lr=1e-3), (100, 500, 1500)),
    "gan": (GanRecipe(width=32, lr=4e-4), (100, 1000, 6000)),
}


def idx_arrays(folder):
    """Images ``(n, 28, 28, 1)`` and labels of Fashion-MNIST's training set."""
    images, labels = (read_idx(folder / f"train-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
    return images[..., None], labels.astype(np.int64)


def kernel_distance(x, y):
    """Squared MMD with KID's cubic kernel, unbiased, between ``x : (n, d)`` and ``y : (m, d)``."""
    within = [polynomial_kernel(z, degree=3, gamma=1 / z.shape[1], coef0=1) for z in (x, y)]
    means = [(k.sum() - np.trace(k)) / len(k) / (len(k) - 1) for k in within]
    return sum(means) - 2 * polynomial_kernel(x, y, degree=3, gamma=1 / x.shape[1], coef0=1).mean()


@pytest.mark.slow
@pytest.mark.parametrize("name", list(FASHION))
def test_on_fashion_mnist_the_distance_falls_and_a_stranger_recognises_the_classes(name, test_data, tmp_path):
    """The generator learns from 6,000 images; distance and classifier from others, which it has not seen."""
    images, labels = idx_arrays(test_data / "FashionMNIST" / "raw")
    flat = images.reshape(len(images), -1) / 255
    stranger = SVC(C=10).fit(flat[10_000:16_000], labels[10_000:16_000])
    components = PCA(64, random_state=0).fit(flat[20_000:24_000])
    scale = components.explained_variance_.mean() ** 0.5

    def features(x):
        return components.transform(x) / scale

    recipe, stages = FASHION[name]
    wanted = np.repeat(np.arange(10), 30)
    real = np.concatenate([flat[30_000:][labels[30_000:] == label][:30] for label in range(10)])
    kept = FolderCheckpoint(Location.of(tmp_path))
    distances = []
    for steps in stages:
        recipe = dataclasses.replace(recipe, steps=steps)
        generator = GENERATORS[name].train(images[:6000], labels[:6000], 10, recipe, kept)
        made = np.concatenate([generator.sample(label, range(30), 0) for label in range(10)]).reshape(300, -1) / 255
        distances.append(kernel_distance(features(made), features(real)))
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < distances[0] / 2
    assert (stranger.predict(made) == wanted).mean() >= 0.8

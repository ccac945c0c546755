"""A trained generator: makes the images of a class by number, and becomes two files."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from gapscope.core.checkpoint import NO_CHECKPOINT, Checkpoint
from gapscope.core.errors import DamageError, InputError, SchemaError, unknown_name
from gapscope.core.files import read_json, read_tensors, write_json, write_tensors
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.core.text import counted
from gapscope.generators import GENERATORS
from gapscope.networks.frame import Frame

MODEL, DESCRIPTION, KIND = "generator.safetensors", "generator.json", "generator"

Arrays = Mapping[str, np.ndarray]
# Class, numbers of its images and seed to pixels (m, h, w, c) uint8.
Draw = Callable[[int, range, int], np.ndarray]


class Material(NamedTuple):
    """Training images, and nothing else.

    Attributes
    ----------
    images : (n, h, w, c) uint8
    labels : (n,) int64
    classes
        How many there are; some may have no image.
    device
        Where networks compute, as torch spells it.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: int
    device: str

    @property
    def frame(self) -> Frame:
        """The form of an image."""
        return Frame(*self.images.shape[1:])


class Form(NamedTuple):
    """What the images of a generator look like, how many classes they have, and where networks compute."""

    frame: Frame
    classes: int
    device: str


class Fitted(NamedTuple):
    """What a method keeps of a training: arrays, and plain values for people."""

    arrays: dict[str, np.ndarray]
    details: dict[str, Any]


@dataclass(frozen=True)
class Method:
    """A member of `GENERATORS`.

    Attributes
    ----------
    recipe
        A frozen dataclass of plain values with a method `check`; its defaults are a small training.
    fit
        From training images to arrays.
    sampler
        From those arrays to a function that draws images.
    fewest
        Training images that a class must have.
    free
        Fields of the recipe that training does not use: a trained generator may change them.
    """

    name: str
    recipe: type
    fit: Callable[[Material, Any, Checkpoint, Progress], Fitted]
    sampler: Callable[[Any, Form, Arrays], Draw]
    fewest: int = 1
    free: tuple[str, ...] = ()

    def train(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        classes: int,
        recipe: Any = None,
        checkpoint: Checkpoint = NO_CHECKPOINT,
        progress: Progress = SILENT,
        device: str = "cpu",
    ) -> "Generator":
        """A generator that has seen ``images : (n, h, w, c) uint8`` of classes ``labels : (n,)`` and nothing else.

        A training that finds something in `checkpoint` continues behind it, and ends as it would have ended without
        the interruption; on a processor, with the same number of threads, bit for bit.

        Raises
        ------
        InputError
            The arrays or the recipe cannot be used.
        """
        recipe = self.recipe() if recipe is None else recipe
        recipe.check()
        material = Material(images, _checked(images, labels, classes), classes, device)
        fitted = self.fit(material, recipe, checkpoint, progress)
        counts = tuple(np.bincount(material.labels, minlength=classes).tolist())
        return Generator(self, recipe, Form(material.frame, classes, device), counts, *fitted)

    def __reduce__(self) -> tuple[Any, ...]:
        return _named, (self.name,)

    def training(self, recipe: Any) -> dict[str, Any]:
        """The fields of a recipe on which the schedule of a training depends."""
        return {name: value for name, value in asdict(recipe).items() if name not in self.free}


@dataclass(frozen=True)
class Generator:
    """A trained member of `GENERATORS`; travels to the workers of a cluster, which build the network anew.

    Attributes
    ----------
    counts : (classes,)
        Training images of each class.
    arrays
        Weights, or the training images themselves where a method works on those.
    details
        How the training went, for people.
    """

    method: Method
    recipe: Any
    form: Form
    counts: tuple[int, ...]
    arrays: Arrays = field(repr=False)
    details: dict[str, Any] = field(default_factory=dict, repr=False)
    _draw: Draw = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_draw", self.method.sampler(self.recipe, self.form, self.arrays))

    def __reduce__(self) -> tuple[Any, ...]:
        return Generator, (self.method, self.recipe, self.form, self.counts, self.arrays, self.details)

    def sample(self, label: int, indices: range, seed: int) -> np.ndarray:
        """Images number `indices` of the class `label`, ``(m, h, w, c) uint8``.

        Each is a function of (seed, label, index) alone, whatever else is made, bit for bit on one kind of machine
        with one number of threads: shards may be cut anywhere and made anywhere.

        Raises
        ------
        InputError
            The class has too few training images.
        """
        if not 0 <= label < len(self.counts):
            raise InputError(f"there is no class {label}; the generator knows {len(self.counts)}, from 0 on")
        if len(indices) and min(indices) < 0:
            raise InputError(f"images are numbered from 0 on, but {indices} was requested")
        reason = self.refusal(label)
        if reason:
            raise InputError(reason)
        return self._draw(label, indices, seed) if len(indices) else np.zeros((0, *self.form.frame), np.uint8)

    def refusal(self, label: int) -> str:
        """Why no image of the class `label` can be made; empty where it can."""
        count, fewest = self.counts[label], self.method.fewest
        if count >= fewest:
            return ""
        other = "give it some" if fewest == 1 else "augment-only works from 1 on"
        return f"class {label} has {count} training images but {self.method.name} needs {fewest} or more; {other}"

    def changed(self, **values: Any) -> "Generator":
        """The same generator with other settings of sampling, such as ``ddim_steps=20``; nothing is trained again."""
        for name in values:
            if name not in self.method.free:
                raise unknown_name("setting of sampling", name, self.method.free)
        recipe = replace(self.recipe, **values)
        recipe.check()
        return Generator(self.method, recipe, self.form, self.counts, self.arrays, self.details)

    def save(self, folder: Location) -> None:
        """Write `generator.safetensors`, then `generator.json`, into `folder`."""
        about = {
            "kind": KIND,
            "method": self.method.name,
            "recipe": asdict(self.recipe),
            "frame": list(self.form.frame),
            "counts": list(self.counts),
            "details": self.details,
        }
        write_tensors(folder / MODEL, self.arrays)
        write_json(folder / DESCRIPTION, about)


def load_generator(folder: Location, device: str = "cpu") -> Generator:
    """The generator that `Generator.save` wrote into `folder`.

    Raises
    ------
    SchemaError
        The files are not there or not what they should be.
    """
    try:
        about = read_json(folder / DESCRIPTION)
        if about["kind"] != KIND:
            raise ValueError(f"it is a {about['kind']}")
        method = GENERATORS[about["method"]]
        form = Form(Frame(*about["frame"]), len(about["counts"]), device)
        recipe, counts = method.recipe(**about["recipe"]), tuple(about["counts"])
        return Generator(method, recipe, form, counts, read_tensors(folder / MODEL), about["details"])
    except DamageError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, InputError) as error:
        raise SchemaError(
            f"{folder} holds no generator ({MODEL} and {DESCRIPTION}) that can be read: {error}"
        ) from error


def _named(name: str) -> Method:
    return GENERATORS[name]


def check_range(recipe: Any, low: float, high: float, *names: str) -> None:
    """Refuse fields of a recipe that lie outside ``low <= value <= high``."""
    for name in names:
        if not low <= getattr(recipe, name) <= high:
            most = f" and at most {high:g}" if high < float("inf") else ""
            raise InputError(f"{name.replace('_', ' ')} is {getattr(recipe, name)}; give at least {low:g}{most}")


def _checked(images: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3) or not images.size:
        raise InputError(
            f"a generator is trained on images (n, h, w, 1 or 3) of bytes, not from {images.shape} {images.dtype}"
        )
    labels = np.asarray(labels).astype(np.int64)
    if labels.shape != (len(images),):
        raise InputError(f"there are {len(images)} images but labels of shape {labels.shape}; give one for each")
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(
            f"labels go from {labels.min()} to {labels.max()}, but there are {counted(classes, 'class', 'classes')}; "
            "leave unlabelled "
            "images out"
        )
    return labels

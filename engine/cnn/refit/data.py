"""Training data of last layers: the images that the networks were trained on, and rows for small classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gapscope.cnn.division import Division, divide
from gapscope.cnn.images import Images, usable
from gapscope.cnn.refit.method import Method
from gapscope.cnn.refit.refit_run import RefitRun
from gapscope.core.errors import InputError
from gapscope.core.text import counted
from gapscope.generators.balance import targets
from gapscope.networks.trained import Trained


@dataclass(frozen=True, eq=False)
class HeadData:
    """The images of the training split, divided as for the training, the same for every seed.

    Attributes
    ----------
    rows
        Those to learn from, and those to choose the penalty on.
    wanted : (classes,) int64
        Synthetic rows of each class.
    notes
        Sentences for the user.
    """

    images: Images
    rows: Division
    wanted: np.ndarray
    notes: tuple[str, ...]

    @property
    def class_names(self) -> list[str]:
        """By class index."""
        return self.images.source.listing.class_names


def head_data(run: RefitRun) -> HeadData:
    """The training split, opened and divided as `train-cnn` did it, and what is missing in each class.

    Raises
    ------
    InputError
        Other rows come out of it than the networks were trained on, or no class needs synthetic ones.
    """
    images = run.open(run.source_run.source, run.source_run.name)
    listing, options = images.source.listing, run.source_run.options
    rows = divide(listing, usable(images), options["validation"], options["seed"], images.name)
    _check_division(run, rows, images.name)
    counts = np.bincount(listing.labels[rows.train], minlength=len(listing.class_names))
    return HeadData(images, rows, *wanted_rows(run.method, counts, listing.class_names, images.name))


def _check_division(run: RefitRun, rows: Division, name: str) -> None:
    for network in run.source_run.networks:
        about = network.about()["details"]
        if (len(rows.train), len(rows.validation)) != (about["train_rows"], about["validation_rows"]):
            raise InputError(
                f"{name} is divided into {len(rows.train)} and {len(rows.validation)} images, but {network.name} was "
                f"trained on {about['train_rows']} and was validated on {about['validation_rows']}; some files hold "
                "another image than then: train it again"
            )


def wanted_rows(
    method: Method, counts: np.ndarray, names: Sequence[str], name: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """How many rows to make of each class, ``(k,) int64``, and a sentence on classes with too few to make more.

    Raises
    ------
    InputError
        None at all.
    """
    if method.generator is None:
        return np.zeros(len(counts), np.int64), ()
    fewest = method.generator.fewest
    wanted = targets(counts, method.balance)
    short = np.flatnonzero((wanted > 0) & (counts < fewest))
    wanted[short] = 0
    if not wanted.any():
        raise InputError(
            f"--balance {method.balance} asks for no row that {method.name} could make: no class of {name} is smaller "
            f"and has {counted(fewest, 'image')}; give a number or a ratio, such as 1x"
        )
    needs = f"{method.name} needs {counted(fewest, 'image')} of a class"
    note = f"{needs}; it made none of {', '.join(names[i] for i in short)}"
    return wanted, (note,) * bool(len(short))


def check_seen(network: Trained, images: Images) -> None:
    """Refuse images whose classes are not those of the `network`."""
    if list(network.class_names) != list(images.source.listing.class_names):
        raise InputError(f"{images.name} lists other classes than {network.title} knows; train it again")

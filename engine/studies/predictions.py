"""The classes that the networks of several trainings predict for the same images."""

from collections.abc import Sequence

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.predictions import Predictions, matched, read_all_models


def predicted_classes(
    places: Sequence[Location], dataset: str, split: str, first: Predictions | None = None
) -> tuple[Predictions, np.ndarray]:
    """The labelled images of a set, and the classes ``(t, n, s)`` that t runs with s seeds each predict for them.

    Parameters
    ----------
    places
        Folders of the finished runs.
    first
        The images to return classes for, in their order; those of the first run when not given.

    Raises
    ------
    InputError
        A run lacks the set, has other images in it, or another number of seeds than the first.
    """
    images, classes = first, list[np.ndarray]()
    for place in places:
        some = read_all_models(str(place), dataset=dataset, split=split)
        images = some[0].labelled() if images is None else images
        classes.append(np.stack([matched(images, one.labelled())[1].predicted for one in some], axis=1))
        if len(some) != classes[0].shape[1]:
            raise InputError(
                f"trainings have {classes[0].shape[1]} and {len(some)} seeds; run all with the same number of --seeds"
            )
    return images, np.stack(classes)

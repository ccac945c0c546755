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
    models = [read_all_models(str(place), dataset=dataset, split=split) for place in places]
    for some in models:
        if len(some) != len(models[0]):
            raise InputError(
                f"trainings have {len(models[0])} and {len(some)} seeds; run all with the same number of --seeds"
            )
    images = models[0][0].labelled() if first is None else first
    classes = [np.stack([matched(images, one.labelled())[1].predicted for one in some], axis=1) for some in models]
    return images, np.stack(classes)

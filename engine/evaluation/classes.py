"""Whether two sets mean the same by a class index, and how to translate when they do not."""

from collections.abc import Sequence

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.text import composed
from gapscope.store.comparable import OTHER_CLASSES, is_numbered


def align_classes(model: Sequence[str], result: Sequence[str], where: str) -> tuple[np.ndarray, str]:
    """For each class index of the set `where`, the model's index of that class; and a note for the user, empty when
    nothing was done.

    Equal lists need nothing. Names that the model knows are translated by name. Lists in which one side has numbers
    for names agree by index.

    Raises
    ------
    InputError
        The set has classes that the model does not know.
    """
    if list(model) == list(result):
        return np.arange(len(result)), ""
    index = {composed(name): i for i, name in enumerate(model)}
    unknown = [name for name in result if composed(name) not in index]
    if not unknown:
        return np.array([index[composed(name)] for name in result], dtype=np.int64), (
            f"{where} lists its {len(result)} classes in another order or leaves some out; matched by name"
        )
    if len(result) <= len(model) and (is_numbered(model) or is_numbered(result)):
        return np.arange(len(result)), f"{where} has no class names; its class indices are taken to be the model's"
    raise InputError(
        f"{where} has {len(unknown)} of {len(result)} classes that the model was not trained on, such as "
        f"{unknown[0]!r}; the model knows {len(model)}, such as {model[0]!r}; {OTHER_CLASSES}"
    )

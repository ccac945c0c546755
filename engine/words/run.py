"""From two stores and text vectors to findings."""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import bdtrc

from gapscope.core.errors import InputError
from gapscope.predictions import Predictions
from gapscope.store import EmbeddingStore
from gapscope.store.comparable import check_comparable
from gapscope.words.bank import CLASS_GROUP
from gapscope.words.findings import Findings, findings
from gapscope.words.similarity import Similarities, classified, similarities
from gapscope.words.space import LEAST_R2, Space, learnt_space, own_space, texts_that_fit
from gapscope.words.texts import Texts

# Text vectors of another model than that of the images name classes no better than chance.
LEVEL = 0.01


class Compared(NamedTuple):
    """The findings, and what they stand on."""

    findings: Findings
    space: Space
    zero_shot: tuple[int, int, int] | None


def compare(
    stores: tuple[EmbeddingStore, EmbeddingStore],
    texts: Texts,
    through: EmbeddingStore | None,
    predictions: Predictions | None = None,
    seed: int = 0,
) -> Compared:
    """Compare the reference and the target in words; `predictions` are a model's for the reference.

    Raises
    ------
    InputError
        The features have no way to the text vectors, or these are of another model.
    """
    reference, target = stores
    index = check_comparable(reference, target)
    space = _space(reference, texts, through)
    own = np.arange(len(reference.class_names))
    one = similarities(reference, space, texts, own, predictions)
    other = similarities(target, space, texts, index, None)
    carried = space.carried(len(texts.phrases) + len(texts.null))
    if not carried[: len(texts.phrases)].any():
        raise InputError(
            f"the map from {reference.provenance.backbone} to {space.through} carries no phrase (none has an R² of "
            f"{LEAST_R2}); extract both sets with a model of images and texts"
        )
    found = findings(one, other, texts, carried, space.r2, seed)
    return Compared(found, space, _zero_shot(one, texts))


def _space(reference: EmbeddingStore, texts: Texts, through: EmbeddingStore | None) -> Space:
    if through is not None:
        return learnt_space(reference, through, texts)
    space = own_space(reference)
    if space is None:
        raise InputError(
            f"{reference.provenance.backbone} is no model of images and texts; name one with --through whose features "
            f"of {reference.name} are stored, and a map to it is learnt"
        )
    texts_that_fit(space, reference, texts)
    return space


def _zero_shot(one: Similarities, texts: Texts) -> tuple[int, int, int] | None:
    """Images whose nearest class phrase is their class, all of them, and the number of classes.

    Raises
    ------
    InputError
        They are no more than chance, so that images and texts are not of one model.
    """
    result = classified(one, texts, CLASS_GROUP)
    if result is None:
        return None
    n, right, classes = result
    if right == 0 or bdtrc(right - 1, n, 1 / classes) > LEVEL:
        raise InputError(
            f"the text vectors of {texts.encoder} name the class of {right:,} of {n:,} images of {one.name}, which is "
            f"chance with {classes} classes; make them with the text tower of the model that made the features"
        )
    return right, n, classes


def record(compared: Compared, reference: str, target: str, texts: Texts) -> dict[str, Any]:
    """The findings as plain values for the page."""
    found = compared.findings
    return {
        "reference": reference,
        "target": target,
        "encoder": texts.encoder,
        "through": compared.space.through,
        "tested": len(texts.phrases) - found.refused,
        "refused": found.refused,
        "nonsense": len(texts.null),
        "same_mix": found.same_mix,
        "zero_shot": compared.zero_shot,
        "found": [
            one._asdict() | {"points": one.points and one.points._asdict() | {"matters": one.points.matters}}
            for one in found.found
        ],
    }

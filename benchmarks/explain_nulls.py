"""Pairs of sets that no known modification made different: random halves, wrong labels, other classes, other contents.

Each kind is a function of the images of a set, those of another set, their labels, and random numbers.
"""

from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans

from benchmarks.explain_recipes import BACKDROP

Array = np.ndarray
# Clusters of a class that stand for its breeds, at most so many and of about so many images; images without a mistake
# in their label; the mix of two halves of the classes.
BREEDS, OF_BREED, CORRECT, MIX = 8, 10, 0.7, 0.8
# What the images of the target go through, in turn; no known cause is any of it.
DRAWN = {"drawings": ("drawing", "sketch", "cartoon"), "backgrounds": (BACKDROP,)}
NULLS = ("halves", "labels", "mix", "classes", "breeds", "others", *DRAWN)


class Pair(NamedTuple):
    """The images of a reference and of a target, what was done to the target, and its labels."""

    reference: Array
    target: Array
    recipe: str
    label: Array


def pair(name: str, own: Array, others: Array, label: Array, features: Array | None, images: int, trial: int) -> Pair:
    """One pair of a kind, `images` of a side; of one kind and trial always the same.

    Parameters
    ----------
    own, others
        Which images are of the set, and of another set.
    label : (n,)
        Of all images.
    features : (len(own), d)
        By which a class falls into breeds.
    """
    rng = np.random.default_rng([0, trial])
    mixed, label = rng.permutation(own), label.copy()
    recipe = DRAWN[name][trial % len(DRAWN[name])] if name in DRAWN else "plain"
    if name == "labels":
        wrong = mixed[rng.random(len(mixed)) > CORRECT]
        label[wrong] = rng.permutation(label[wrong])
    if name == "others":
        target = rng.permutation(others)[:images]
        return Pair(mixed[:images], target, recipe, label[target])
    some, rest = _sides(name, mixed, _groups(name, own, label, features, rng), rng)
    if rest is some:
        reference, target = some[:images], some[images : 2 * images]
    else:
        reference, target = some[:images], rest[:images]
    if name == "mix":
        share = round(MIX * images)
        reference = np.concatenate([some[:share], rest[: images - share]])
        target = np.concatenate([some[share:images], rest[images - share : images]])
        label = np.full(len(label), -1)
    return Pair(reference, target, recipe, label[target])


def _groups(name: str, own: Array, label: Array, features: Array | None, rng: np.random.Generator) -> Array:
    """The class of every image, or its breed."""
    if name != "breeds":
        return label
    breed = np.full(len(label), -1)
    for one in np.unique(label[own]):
        of_class = label[own] == one
        count = min(BREEDS, max(2, int(of_class.sum()) // OF_BREED))
        model = KMeans(count, n_init=1, random_state=int(rng.integers(1e6)))
        breed[own[of_class]] = model.fit_predict(features[of_class]) + one * BREEDS
    return breed


def _sides(name: str, mixed: Array, group: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """The images that the reference is of, and those that the target is of: half of the groups each, or the same."""
    if name not in ("classes", "mix", "breeds"):
        return mixed, mixed
    values = np.unique(group[mixed])
    first = np.isin(group[mixed], rng.permutation(values)[: len(values) // 2])
    return mixed[first], mixed[~first]

"""Features of small images from filters that are patches of the images themselves: a second encoder, without weights.

References
----------
Coates, Ng and Lee (2011), "An analysis of single-layer networks in unsupervised feature learning": whitened patches as
filters, half of them rectified, pooled by regions.
"""

from collections.abc import Callable

import numpy as np

Array = np.ndarray
SIZE, PATCH, FILTERS, POOLS, STRIDE = 32, 6, 160, 3, 2
SAMPLED, IMAGES, ROUNDER = 20_000, 2_000, 0.01


def patches_of(images: Array, seed: int = 0) -> Callable[[Array], Array]:
    """Images ``(n, 32, 32, 3) uint8`` to features ``(n, 1440)``, with filters from the first of `images`."""
    import torch
    from torch.nn import functional

    rng = np.random.default_rng(seed)
    places = (rng.integers(0, end, SAMPLED) for end in (min(len(images), IMAGES), SIZE - PATCH, SIZE - PATCH))
    found = np.stack([images[n, y : y + PATCH, x : x + PATCH] for n, y, x in zip(*places, strict=True)])
    flat = found.reshape(SAMPLED, -1) / 255
    flat -= flat.mean(axis=1, keepdims=True)
    values, axes = np.linalg.eigh(np.cov(flat.T))
    white = axes @ np.diag(1 / np.sqrt(np.maximum(values, 0) + ROUNDER)) @ axes.T
    varied = np.argsort(-flat.std(axis=1))[: SAMPLED // 2]
    chosen = flat[rng.permutation(varied)[:FILTERS]] @ white
    chosen = (chosen / np.linalg.norm(chosen, axis=1, keepdims=True)) @ white
    filters = chosen.reshape(-1, PATCH, PATCH, 3).transpose(0, 3, 1, 2)
    filters = torch.tensor(filters - filters.mean(axis=(1, 2, 3), keepdims=True)).float()

    def features(some: Array) -> Array:
        pixels = torch.tensor(some / 255).float().permute(0, 3, 1, 2)
        seen = functional.relu(functional.conv2d(pixels, filters, stride=STRIDE))
        return functional.adaptive_avg_pool2d(seen, POOLS).flatten(1).numpy()

    return features

"""The generators of embeddings, which make new rows for small classes where there are stores and no images.

A member is a function ``learn(view, wanted, workers, recipe, checkpoint, progress) -> FeatureGenerator``: it sees the
training rows of `view` and nothing else, and will be asked for rows of the classes `wanted`.
"""

from engine.core.registry import Registry

FEATURE_GENERATORS = Registry(
    "feature generator",
    {
        "smote": "engine.generators.feature_smote:learn",
        "gaussian": "engine.generators.feature_gaussian:learn",
        "feature-diffusion": "engine.generators.feature_diffusion:learn",
    },
)

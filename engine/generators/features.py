"""The generators of embeddings, which make new rows for small classes where there are stores and no images.

A member is a `FeatureMethod`.
"""

from engine.core.registry import Registry

FEATURE_GENERATORS = Registry(
    "feature generator",
    {
        "smote": "engine.generators.feature_smote:SMOTE",
        "gaussian": "engine.generators.feature_gaussian:GAUSSIAN",
        "feature-diffusion": "engine.generators.feature_diffusion:DIFFUSION",
    },
)

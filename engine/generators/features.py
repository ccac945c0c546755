"""The generators of embeddings, which make new rows for small classes where there are stores and no images.

A member is a `FeatureMethod`.
"""

from gapscope.core.registry import Registry

FEATURE_GENERATORS = Registry(
    "feature generator",
    {
        "smote": "gapscope.generators.feature_smote:SMOTE",
        "gaussian": "gapscope.generators.feature_gaussian:GAUSSIAN",
        "feature-diffusion": "gapscope.generators.feature_diffusion:DIFFUSION",
    },
)

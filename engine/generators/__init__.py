"""New images of a class, made from its training images: by networks that learn them, and by controls that do not."""

from engine.core.registry import Registry

GENERATORS = Registry(
    "generator",
    {
        "diffusion": "engine.generators.diffusion:DIFFUSION",
        "finetune-diffusion": "engine.generators.finetune:FINETUNE",
        "gan": "engine.generators.gan:GAN",
        "mixup-pixels": "engine.generators.mixtures:MIXUP",
        "cutmix": "engine.generators.mixtures:CUTMIX",
        "augment-only": "engine.generators.augment_only:AUGMENT_ONLY",
    },
)

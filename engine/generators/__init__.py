"""New images of a class, made from its training images: by networks trained on them, and by controls that are not."""

from gapscope.core.registry import Registry

GENERATORS = Registry(
    "generator",
    {
        "diffusion": "gapscope.generators.diffusion:DIFFUSION",
        "finetune-diffusion": "gapscope.generators.finetune:FINETUNE",
        "gan": "gapscope.generators.gan:GAN",
        "mixup-pixels": "gapscope.generators.mixtures:MIXUP",
        "cutmix": "gapscope.generators.mixtures:CUTMIX",
        "augment-only": "gapscope.generators.augment_only:AUGMENT_ONLY",
    },
)

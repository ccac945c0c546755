"""The trainings of a study of augmentation."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gapscope.cnn.presets import PRESETS
from gapscope.core.errors import unknown_name
from gapscope.core.location import Location
from gapscope.jobs.study import TRAINING, Cell, mark_of
from gapscope.jobs.study_augmentation.config import StudyAugmentationConfig
from gapscope.jobs.study_augmentation.sets import Studied, SyntheticSet, opened_as
from gapscope.store.workspace import slug
from gapscope.studies.augmentation.answers import BOTH, NOTHING, REMEDY, SYNTHETIC
from gapscope.studies.augmentation.findings import AUGMENTATION

# Options of the study that its trainings take as they are.
TAKEN = (
    *("split", "validation", "preset", "network", "image_size", "epochs", "batch_size", "optimizer", "lr"),
    *("weight_decay", "schedule", "keep", "seeds", "seed", "device", "memory", "classes", "labels", "report"),
)
PLAIN = {"augment": (), "class_weight": "none", "sampler": "shuffled"}
MIXTURES = {"mixup": ("mixup:0.2",), "cutmix": ("cutmix:1",)}
REMEDIES = ("class-weights", "balanced-sampler", AUGMENTATION, *MIXTURES)


def check_remedies(config: StudyAugmentationConfig) -> None:
    """Refuse remedies and presets that do not exist."""
    for name in config.remedies:
        if name not in REMEDIES:
            raise unknown_name("remedy", name, REMEDIES)
    if config.preset and config.preset not in PRESETS:
        raise unknown_name("preset", config.preset, PRESETS)


def cells_of(config: StudyAugmentationConfig, what: Studied, sets: Sequence[SyntheticSet]) -> list[Cell]:
    """The training on the original images, those with a remedy, and those with each of the finished `sets` that has an
    image, by itself and with plain augmentation.
    """
    cells = [_cell(config, what, NOTHING, NOTHING, {})]
    cells += [_cell(config, what, name, REMEDY, _remedy(config, name)) for name in dict.fromkeys(config.remedies)]
    return cells + [cell for one in sets for cell in _with_set(config, what, one)]


def _remedy(config: StudyAugmentationConfig, name: str) -> dict[str, Any]:
    known = {
        "class-weights": {"class_weight": "balanced"},
        "balanced-sampler": {"sampler": "balanced"},
        AUGMENTATION: {"augment": config.augment},
    }
    return known.get(name) or {"augment": MIXTURES[name]}


def _with_set(config: StudyAugmentationConfig, what: Studied, one: SyntheticSet) -> Iterator[Cell]:
    record = one.record()
    if not record["images"]:
        return
    share = record["learnt"] / (record["learnt"] + record["images"])
    own = {"dataset": opened_as(what, one), "epochs": max(1, round(config.epochs * share))}
    yield _cell(config, what, one.name, SYNTHETIC, own)
    if AUGMENTATION in config.remedies:
        yield _cell(config, what, f"{one.name} + {AUGMENTATION}", BOTH, own | {"augment": config.augment})


def _cell(config: StudyAugmentationConfig, what: Studied, name: str, kind: str, extra: Mapping[str, Any]) -> Cell:
    """A training; all its seeds are one run: they read the same images, decoded once."""
    workspace = Location.of(config.workspace).absolute()
    options = {one: getattr(config, one) for one in TAKEN} | PLAIN
    options |= {
        "dataset": what.asked,
        "evaluate_on": tuple(f"{what.asked}/{split}" for split in config.test_split),
        "workspace": str(workspace),
        "data_root": config.data_root.absolute(),
        **extra,
    }
    mark = mark_of(options, what.dataset, (config.split, *config.test_split))
    called = slug(f"study-{what.dataset.name}-{name}-{mark}")
    return Cell(name, options | {"name": called}, workspace / "runs" / f"{TRAINING}-{called}", kind)

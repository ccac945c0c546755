"""The options of `map` as the engine takes them, refused where they have no meaning."""

from typing import TYPE_CHECKING

import numpy as np
from gapscope.core.errors import InputError, unknown_name
from gapscope.core.location import Location
from gapscope.core.threads import processors
from gapscope.jobs.map.config import MapConfig
from gapscope.jobs.map.sets import Sets, class_index
from gapscope.maps import MAPS
from gapscope.runs.folder import MODELS

if TYPE_CHECKING:  # these load SciPy and numba, and `--help` has to be instant
    from gapscope.maps.member import Border, MapOptions

PAIR = 2
PLACEMENTS = ("neighbours", "library")
LEAST = {"neighbours": 2, "perplexity": 1, "sample": 1}


def check(config: MapConfig) -> None:
    """Refuse options without a meaning, before anything is read.

    Raises
    ------
    InputError
        See above.
    """
    if config.method not in MAPS:
        raise unknown_name("map", config.method, MAPS)
    if config.placement not in PLACEMENTS:
        raise unknown_name("placement", config.placement, PLACEMENTS)
    if not config.dataset:
        raise InputError("no set to map; name at least one with --dataset dataset/split")
    if config.method == "head" and len(config.classes) != PAIR:
        raise InputError("head separates two classes; name them with --classes, such as --classes cat dog")
    for option, smallest in LEAST.items():
        value = getattr(config, option)
        if value is not None and not value >= smallest:
            raise InputError(f"--{option} is {value:g}; give {smallest} or more")


def options_of(config: MapConfig, sets: Sets) -> "MapOptions":
    """What every kind of map is made with.

    Raises
    ------
    InputError
        A class of ``--classes`` is not among those of the sets, or is named twice.
    """
    from gapscope.maps.member import MapOptions

    pair = tuple(class_index(name, sets.class_names) for name in config.classes) if config.method == "head" else None
    if pair and pair[0] == pair[1]:
        raise InputError(f"--classes names {config.classes[0]} twice; name two different classes")
    border = _border(config, sets, pair) if pair and config.run else None
    return MapOptions(config.neighbours, config.perplexity, config.placement, pair, border, config.seed, processors())


def _border(config: MapConfig, sets: Sets, pair: tuple[int, int]) -> "Border | None":
    """Where the run's model, if it is a linear one on features as they are stored, scores both classes alike."""
    from gapscope.evaluation.stored import check_features
    from gapscope.maps.member import Border
    from gapscope.probes.model import MODEL, load_model
    from gapscope.probes.rules.linear import Linear

    folder = Location.of(config.run).absolute()
    folder = folder / MODELS / config.model if config.model else folder
    if not (folder / MODEL).exists():
        return None
    model = load_model(folder)
    check_features(model, sets.stores[0])
    if not isinstance(model.rule, Linear) or model.normalised:
        return None
    first, second = (class_index(sets.class_names[index], model.class_names) for index in pair)
    weight, bias = model.rule.weight.astype(np.float64), model.rule.bias.astype(np.float64)
    return Border(weight[first] - weight[second], float(bias[first] - bias[second]))

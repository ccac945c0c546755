"""The predictions and labels that the options of `evaluate` ask for."""

from dataclasses import replace
from typing import TYPE_CHECKING

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.jobs.evaluate.config import EvaluateConfig
from gapscope.predictions import Predictions, read_predictions
from gapscope.predictions.run import is_run, models_in_run, sets_in_run

if TYPE_CHECKING:  # this loads much of SciPy, and `--help` has to be instant
    from gapscope.evaluation.multilabel import LabelSets

ARRAY = ".npy"


def of_run(config: EvaluateConfig, source: Location) -> list[EvaluateConfig]:
    """One configuration for each model and set of the run that is asked for."""
    if not is_run(source):
        raise InputError(f"{source} is no run folder with predictions; name a file with --predictions instead")
    models = [config.model] if config.model else models_in_run(source) or [""]
    return [
        replace(config, model=model, dataset=dataset, split=split)
        for model in models
        for dataset, split in ([(config.dataset, config.split)] if config.dataset else _sets(source, model))
    ]


def _sets(source: Location, model: str) -> list[tuple[str, str]]:
    several = bool(models_in_run(source))
    return list(sets_in_run(source, model if several else "").values())


def read(config: EvaluateConfig) -> Predictions:
    """The predictions of the one model and set that `config` names."""
    array = config.predictions.endswith(ARRAY)
    return read_predictions(
        config.run or config.predictions,
        model=config.model,
        dataset=config.dataset,
        split=config.split,
        labels=config.labels if array else "",
    )


def label_sets_of(config: EvaluateConfig) -> "LabelSets | None":
    """Several right classes for each image, where the options name such a file."""
    from gapscope.evaluation.multilabel import read_label_sets

    return read_label_sets(config.labels) if config.labels and not config.predictions.endswith(ARRAY) else None

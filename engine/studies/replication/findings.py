"""All numbers of a study of replications in one dictionary, from which page, pictures and tables are made."""

from typing import Any

import numpy as np

from gapscope.core.progress import Task
from gapscope.inference.bootstrap import ends_of, interval_of
from gapscope.inference.interval import clopper_pearson
from gapscope.studies.replication.agreement import agreement_section
from gapscope.studies.replication.classes import class_section
from gapscope.studies.replication.images import difficulty_section, harder_section, kinds_section, overlap_section
from gapscope.studies.replication.line import line_section
from gapscope.studies.replication.noise import noise_section
from gapscope.studies.replication.pairs import pair_section
from gapscope.studies.replication.predictions import SetPredictions, Study
from gapscope.studies.replication.ranking import ranking_section
from gapscope.studies.replication.resampled import accuracies, counted, resampled
from gapscope.studies.replication.second import second_section
from gapscope.studies.replication.sharing import sharing_section
from gapscope.studies.saved import plain

STEPS = 10


def findings(study: Study, seed: int, replicates: int, task: Task) -> dict[str, Any]:
    """Everything the study says; NumPy arrays stand in the order of the ``models`` beside them.

    `task` advances `STEPS` times and once for each replication.
    """
    primary = study.targets[0]
    before, after = study.pair(primary)
    findings: dict[str, Any] = {
        "seed": seed,
        "replicates": replicates,
        "reference": study.reference.name,
        "primary": primary.name,
        "targets": [one.name for one in study.targets],
        "models": list(study.models),
        "common": list(before.models),
        "class_names": list(before.class_names),
        "places": {one.name: [one.dataset, one.split] for one in study.sets},
        "images": {one.name: one.n for one in study.sets},
        "accuracy": {one.name: _accuracies(study, one) for one in study.sets},
        "by_target": {},
    }
    for target in study.targets:
        findings["by_target"][target.name] = _for_target(*study.pair(target), seed, replicates)
        task.advance()
    sections = {
        "noise": lambda: noise_section(before, after),
        "classes": lambda: class_section(before, after, seed),
        "pairs": lambda: pair_section(before, after, seed),
        "difficulty": lambda: [difficulty_section(one) for one in (before, after)],
        "sharing": lambda: sharing_section(before, after, seed, replicates),
        "kinds": lambda: kinds_section(before, after),
        "overlap": lambda: overlap_section(after, study.targets[1:]),
        "second": lambda: second_section(before, after),
        "agreement": lambda: agreement_section(before, after),
        "ranking": lambda: ranking_section(before, after),
    }
    for name, section in sections.items():
        findings[name] = section()
        task.advance()
    return findings


def _accuracies(study: Study, predictions: SetPredictions) -> dict[str, np.ndarray]:
    """Accuracy of every model of the study on one set with its exact interval; NaN for models without predictions."""
    value, low, high, count = (np.full(len(study.models), np.nan) for _ in range(4))
    for place, model in enumerate(study.models):
        if model in predictions.models:
            right = int(predictions.correct[:, predictions.models.index(model)].sum())
            value[place], count[place] = right / predictions.n, right
            low[place], high[place] = clopper_pearson(right, predictions.n)
    return {"value": value, "low": low, "high": high, "right": count}


def _for_target(before: SetPredictions, after: SetPredictions, seed: int, replicates: int) -> dict[str, Any]:
    """What is findings for every replication: drops, the line, and the part of harder images."""
    counts = counted(before), counted(after)
    drawn = resampled(before, seed, replicates), resampled(after, seed, replicates)
    levels = accuracies(drawn[0]), accuracies(drawn[1])
    drops = levels[0] - levels[1]
    ends = ends_of(drops)
    return {
        "models": list(before.models),
        "drop": before.accuracy - after.accuracy,
        "drop_low": ends[0],
        "drop_high": ends[1],
        "mean_drop": float((before.accuracy - after.accuracy).mean()),
        "mean_drop_interval": list(interval_of(drops.mean(axis=1))),
        "line": line_section(before.accuracy, after.accuracy, levels),
        "harder": harder_section(counts, drawn),
    }


def saved(findings: dict[str, Any]) -> dict[str, Any]:
    """The findings as JSON knows them, without the columns that have a row for each class."""
    classes = {key: one for key, one in findings["classes"].items() if np.shape(one) != (len(findings["class_names"]),)}
    return plain({**findings, "class_names": len(findings["class_names"]), "classes": classes})

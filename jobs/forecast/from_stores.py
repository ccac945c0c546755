"""Forecasts of the models of runs, from stored sets: the reference and each target are read once."""

from collections.abc import Sequence

import numpy as np
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.evaluation.models import as_stored, find_features
from gapscope.evaluation.stored import check_features, classes_of
from gapscope.forecasts.scored import Panel, Scored, score
from gapscope.jobs.forecast.candidates import Candidate, candidates_of, check_independence
from gapscope.jobs.forecast.cases import Case, case_of
from gapscope.jobs.forecast.config import ForecastConfig
from gapscope.jobs.forecast.panel import heads_of, panel_of
from gapscope.jobs.forecast.written import JOB, finished
from gapscope.probes.model import Classifier
from gapscope.runs.connection import connected
from gapscope.runs.folder import input_of, opened
from gapscope.runs.inputs import run_of
from gapscope.runs.result import RunResult
from gapscope.store import EmbeddingStore
from gapscope.store.workspace import slug
from gapscope.stream import Workers


def from_stores(config: ForecastConfig, progress: Progress) -> RunResult:
    """Read the reference, then every target, with all models together."""
    workspace = Location.of(config.workspace).absolute()
    candidates, reference, targets = _candidates_and_stores(config, workspace)
    notes = check_independence(candidates, reference)
    name = slug(config.name or f"{run_of(candidates[0].place).name}-{'+'.join(slug(one) for one in config.target)}")
    inputs = [*(one.record for one in candidates), *map(input_of, (reference, *targets))]
    with connected(config, progress) as workers, opened(workspace, JOB, name, config, inputs) as folder:
        with folder.timed("heads"):
            heads, told = heads_of(config, candidates, workers, progress)
        panel, warmed = panel_of(candidates, heads, reference)
        with folder.timed("answers"):
            classes, _ = classes_of(panel.models[0], reference)
            known = score(reference.view(), panel, classes, workers, labelled_only=True, progress=progress)
            done = [_on_target(config, panel, known, store, workers, progress) for store in targets]
        cases = [case for made, _ in done for case in made]
        left_out = [sentence for _, said in done for sentence in said]
        return finished(folder, cases, [*notes, *told, *warmed, *left_out])


def _candidates_and_stores(
    config: ForecastConfig, workspace: Location
) -> tuple[list[Candidate], EmbeddingStore, list[EmbeddingStore]]:
    """The models, the reference and the targets, checked to have features of one kind."""
    candidates = candidates_of(config)
    backbone = config.backbone or candidates[0].model.features.get("backbone", "")
    reference, *targets = (find_features(workspace, name, backbone) for name in (config.reference, *config.target))
    candidates = [one._replace(model=as_stored(one.model, reference)) for one in candidates]
    for store in (reference, *targets):
        for one in candidates:
            check_features(one.model, store)
    return candidates, reference, targets


def _on_target(
    config: ForecastConfig,
    panel: Panel,
    known: Sequence[Scored],
    store: EmbeddingStore,
    workers: Workers,
    progress: Progress,
) -> tuple[list[Case], list[str]]:
    """Each model's forecasts for one target, and what has to be said of them."""
    classes, note = _classes(panel.models[0], store)
    asked = score(store.view(), panel, classes, workers, progress=progress)
    made = store.provenance
    done = [case_of(*pair, made.dataset, made.split, config) for pair in zip(known, asked, strict=True)]
    return [case for case, _ in done], [note, *(sentence for _, missing in done for sentence in missing)]


def _classes(model: Classifier, store: EmbeddingStore) -> tuple[np.ndarray, str]:
    """The model's class index of each of the store's; all unknown where these are other classes."""
    try:
        return classes_of(model, store)[0], ""
    except InputError as error:
        return np.full(len(store.class_names), -1), f"no back-test on {store.name}: {error}"

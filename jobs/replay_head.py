"""`replay-head`: stored embeddings against the backbone's own classifier."""

import time
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from gapscope.core.errors import GapscopeError
from gapscope.core.progress import SILENT, Progress
from gapscope.core.text import counted
from gapscope.jobs import options
from gapscope.jobs.options import configuration

if TYPE_CHECKING:
    from gapscope.data.dataset import Dataset
    from gapscope.runs.result import RunResult
    from gapscope.schemas.results import Result
    from gapscope.store import EmbeddingStore
    from gapscope.summaries.outcomes import Outcomes

MODEL = "own head"
MEASURES = {
    "accuracy": "accuracy of stored features, all labelled images",
    "top5_accuracy": "the same, class among the five best",
    "same_class_as_whole_network": "same class as the whole network",
    "accuracy_of_verified": "accuracy of stored features, the verified images",
    "accuracy_of_whole_network": "accuracy of the whole network, the same images",
}


@configuration
class ReplayHeadConfig(options.ImageListing, options.OnWorkers):
    """Check stored embeddings against the backbone's own classifier.

    Stored features × stored head must say what the whole network says; a wrong layer, transform, label order or number
    format shows at once.

        python cli.py replay-head imagenet --verify 500
    """

    dataset: options.DatasetName = field(default="imagenet", kw_only=False)
    split: options.Splits = ()
    backbone: options.Backbone = ""
    verify: options.VerifyImages = 0
    weights: options.Weights = ""
    device: options.Device = "auto"
    seed: options.Seed = 0
    workspace: options.Workspace = "workspace"


def run(config: ReplayHeadConfig, progress: Progress = SILENT) -> "RunResult":
    """Replay every split asked for."""
    from gapscope.blocks import Sentence, Table
    from gapscope.core.location import Location
    from gapscope.runs.result import RunResult
    from gapscope.store.workspace import embeddings_folder

    begun = time.perf_counter()
    results: list[Result] = []
    notes: list[str] = []
    for store in _stores(config):
        result, sentences = replay_store(config, store, progress)
        results += result
        notes += [f"{store.name}: {sentence}" for sentence in sentences]
    rows = [(f"{r.dataset}/{r.split}", MEASURES.get(r.metric, r.metric), r.value, r.n) for r in results]
    columns = {"set": "text", "measure": "text", "share": "share", "images": "count"}
    table = Table("The network's own classifier on stored features", columns, rows, headline=True)
    blocks = [table, *(Sentence(note, headline=True) for note in notes)]
    place = str(embeddings_folder(Location.of(config.workspace)))
    return RunResult("replay-head", place, time.perf_counter() - begun, results, blocks=blocks)


def replay_store(
    config: ReplayHeadConfig, store: "EmbeddingStore", progress: Progress
) -> "tuple[list[Result], list[str]]":
    """Results and sentences about one store."""
    from gapscope.replay import check_memory, read_head, replay
    from gapscope.runs.connection import connected

    head = read_head(store)
    check_memory(store, head, config.verify, allowed=config.memory, threads=config.threads)
    with connected(config, progress) as workers:
        outcomes = replay(store, head, workers, progress)
    results, notes = _judged(store, outcomes, head.classes, hint=not config.verify)
    if config.verify > 0:
        verified, sentence = _verified(config, store, head, progress)
        results += verified
        notes.append(sentence)
    return results, notes


def _judged(
    store: "EmbeddingStore", outcomes: "Outcomes | None", classes: int, *, hint: bool
) -> "tuple[list[Result], list[str]]":
    from gapscope.data.label_order import check_class_names, check_label_order
    from gapscope.evaluation import measure

    if outcomes is None or not outcomes.n:
        other = (
            f"its {len(store.class_names):,} classes are not the {classes:,} of the head, so labels are not compared"
        )
        sentence = other if outcomes is None else "it has no labels to compare with"
        return [], [f"{sentence}{'; --verify N compares with the whole network' if hint else ''}"]
    findings = measure(outcomes, store.provenance.dataset, store.provenance.split, MODEL, store.class_names)
    finding = check_label_order(outcomes.confusion)
    notes = [finding.sentence if finding else "", check_class_names(store.class_names) or ""]
    wanted = ("accuracy", "top5_accuracy")
    return [result for result in findings if result.metric in wanted and result.class_name is None], [
        n for n in notes if n
    ]


def _verified(
    config: ReplayHeadConfig, store: "EmbeddingStore", head, progress: Progress
) -> "tuple[list[Result], str]":
    from gapscope.replay import choice_of, verify
    from gapscope.schemas.results import Result

    made = store.provenance
    backbone = choice_of(made, config.weights, config.device, typed=config.backbone).load()
    source = _dataset(config, store).source(made.split)
    result = verify(store, head, backbone, source, config.verify, seed=config.seed, progress=progress)
    place = {"dataset": made.dataset, "split": made.split, "model": MODEL}
    shares = {"same_class_as_whole_network": (result.same, result.rows)}
    if result.labelled:
        shares["accuracy_of_verified"] = (result.right_stored, result.labelled)
        shares["accuracy_of_whole_network"] = (result.right_whole, result.labelled)
    results = [Result(**place, metric=name, value=part / n, n=n) for name, (part, n) in shares.items()]
    sentence = f"stored features and whole network agree on {result.same} of {counted(result.rows, 'image')}"
    return results, sentence if result.same == result.rows else f"{sentence}; below 99.5 % something is wrong"


def _stores(config: ReplayHeadConfig) -> "list[EmbeddingStore]":
    from gapscope.core.location import Location
    from gapscope.store.workspace import embeddings_folder, find_store, named_set, slug

    workspace = Location.of(config.workspace)
    given = named_set(workspace, config.dataset)
    if given.split:
        return [find_store(workspace, *given, config.backbone)]
    name = _name(config)
    folders = (
        [embeddings_folder(workspace) / slug(config.backbone)]
        if config.backbone
        else [embeddings_folder(workspace) / one for one in embeddings_folder(workspace).folders()]
    )
    splits = config.split or sorted({split for folder in folders for split in (folder / slug(name)).filled()})
    return [find_store(workspace, name, split, config.backbone) for split in splits or ("train",)]


def _name(config: ReplayHeadConfig) -> str:
    """The dataset's name, also when it was given by its path."""
    try:
        return _open(config, config.dataset).name
    except GapscopeError:
        return config.dataset  # its images have gone; its embeddings may be there


def _dataset(config: ReplayHeadConfig, store: "EmbeddingStore") -> "Dataset":
    """The images of a store: by the name or path given, else where they were when they were extracted."""
    try:
        return _open(config, config.dataset, store.provenance.seed)
    except GapscopeError:
        if not Path(store.provenance.source).exists():
            raise
        return _open(config, store.provenance.source, store.provenance.seed)


def _open(config: ReplayHeadConfig, name: str, seed: int = 0) -> "Dataset":
    from gapscope.data.catalogue import open_dataset, opening_of

    return open_dataset(name, config.data_root, **{**opening_of(config), "seed": seed})

"""`predict`: a saved model's predictions, of a probe for a stored set, of a network for images."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
from gapscope.core.errors import InputError
from gapscope.core.files import read_json, write_table
from gapscope.core.hashing import digest_file, digest_json
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.data.catalogue import open_dataset
from gapscope.data.dataset import Dataset
from gapscope.data.label_order import check_label_order
from gapscope.data.source import Source
from gapscope.evaluation import measure
from gapscope.evaluation.stored import check_features, evaluate, results_table, title_of_model
from gapscope.networks.runs import holds_network
from gapscope.probes.model import MODEL, Classifier, load_model
from gapscope.runs.connection import connected
from gapscope.runs.folder import MANIFEST, PREDICTIONS, input_of, opened
from gapscope.runs.inputs import folder_of_model, input_of_file, run_of
from gapscope.runs.result import RunResult
from gapscope.schemas.embeddings import REJECTED_SCHEMA
from gapscope.schemas.run import Input
from gapscope.store.workspace import find_store, slug
from gapscope.summaries.outcomes import Outcomes

JOB = "predict"
REJECTED = "rejected.parquet"
# Options that only one of the two kinds of models has a use for.
OF_PROBES = ("backbone", "scheduler", "cluster", "workers")
OF_NETWORKS = ("device", "classes", "labels", "data_root")


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """Predict the classes of a set with a saved model, and measure them where there are labels.

    A probe takes a stored set, any whose features were made like those that it was trained on. A network of
    `train-cnn` takes the images themselves. Killed and called again, it continues.

        python cli.py predict --model workspace/runs/fit-incremental-cifar10-softmax --dataset cifar10
        python cli.py predict --model workspace/runs/fit-incremental-imagenet-lda --dataset photos --split all --json
        python cli.py predict --model workspace/runs/train-cnn-cifar10-simple-cnn --dataset cifar10+night:3

    Attributes
    ----------
    model
        Folder of the model: a run folder of `fit-incremental`, `tune` or `train-cnn`, or one below its models/.
    dataset
        Dataset whose embeddings to classify; of a network, the name or path of images.
    split
        Split to classify.
    backbone
        Of a probe: which backbone's embeddings; the model's own when not given.
    device
        Of a network: auto, cpu, cuda, cuda:N or mps.
    classes
        Of a network: class list of the images, one name per line in class order.
    labels
        Of a network: CSV of labels for images that lie flat.
    data_root
        Of a network: folder in which datasets are looked for; the one of its training when not given.
    scheduler
        Of a probe: address of a Dask scheduler whose workers do the work.
    cluster
        Of a probe: local starts a Dask cluster on this machine for this run.
    workers
        Number of worker processes of that cluster.
    workspace
        Where embeddings are and runs go: a folder or an address such as s3://bucket/name.
    name
        Name of the run; that of the model's folder and of the set when not given.
    """

    model: str
    dataset: str
    split: str = "test"
    backbone: str = ""
    device: str = "auto"
    classes: Path | None = None
    labels: Path | None = None
    data_root: Path | None = None
    scheduler: str | None = None
    cluster: str = ""
    workers: int | None = None
    workspace: str = "workspace"
    name: str = ""


def run(config: PredictConfig, progress: Progress = SILENT) -> RunResult:
    """Predict, and measure where there are labels."""
    folder = folder_of_model(config.model)
    if holds_network(folder):
        _refuse(config, OF_PROBES, f"{folder} holds a network, which predicts images on this machine")
        return _by_network(config, folder, progress)
    model = load_model(folder)
    _refuse(config, OF_NETWORKS, f"{folder} holds a probe, which predicts stored embeddings")
    return _by_probe(config, folder, model, progress)


def _refuse(config: PredictConfig, options: tuple[str, ...], reason: str) -> None:
    """Refuse options that were given and would do nothing."""
    usual = {one.name: one.default for one in fields(config)}
    given = [f"--{name.replace('_', '-')}" for name in options if getattr(config, name) != usual[name]]
    if given:
        raise InputError(f"{reason}; leave out {', '.join(given)}")


def _by_probe(config: PredictConfig, folder: Location, model: Classifier, progress: Progress) -> RunResult:
    workspace = Location.of(config.workspace).absolute()
    store = find_store(workspace, config.dataset, config.split, config.backbone or model.features.get("backbone", ""))
    check_features(model, store)
    name = slug(config.name or f"{folder.name}-{config.dataset}-{config.split}")
    inputs = [_record(folder, model), input_of(store)]
    with connected(config, progress) as workers, opened(workspace, JOB, name, config, inputs) as made:
        title = title_of_model(model)
        progress.say(f"predicting {store.rows:,} rows of {store.name} with {title}")
        with made.timed("predict"):
            found = evaluate(model, title, store, made.place, workers, progress)
        tables = results_table(f"Predicted by {folder.name}", found.results)
        return made.finish(found.results, tables, found.notes)


def _by_network(config: PredictConfig, folder: Location, progress: Progress) -> RunResult:
    """Predictions for images, as `train-cnn` makes them for its own test sets."""
    from gapscope.backbones.backbone import choose_device  # here, because all of this loads torch
    from gapscope.cnn.images import open_images
    from gapscope.jobs.image_sets import Unseen, predicted
    from gapscope.networks.trained import load_trained

    dataset, trained = _images(config, folder)
    model = load_trained(folder, choose_device(config.device))
    test = Unseen.of(dataset, config.split, model.class_names)
    source, name = test.source, test.name
    learnt_from = input_of_file(folder, folder / MODEL, model.details["train_rows"])
    inputs = [learnt_from, _record_of_images(dataset, source)]
    run_name = slug(config.name or f"{folder.name}-{dataset.name}-{config.split}")
    with opened(Location.of(config.workspace).absolute(), JOB, run_name, config, inputs) as made:
        progress.say(f"predicting {len(source.listing):,} images of {name} with {model.title}")
        images = open_images(source, name, model.design.frame, 0)  # each is seen once, so none is held
        place = made.place / PREDICTIONS / test.folder
        with made.timed("predict"):
            counts = predicted(model, images, test.classes, place, progress)
        results = measure(counts, dataset.name, config.split, model.title, model.class_names) if counts.n else []
        _write_rejected(made.place / REJECTED, name, source, images.rejected)
        learnt = inputs[1].config_hash in trained
        notes = [test.note, *_remarks(name, counts, source, images.rejected, learnt=learnt)]
        return made.finish(
            results, results_table(f"Predicted by {folder.name}", results), [one for one in notes if one]
        )


def _images(config: PredictConfig, folder: Location) -> tuple[Dataset, set[str]]:
    """The dataset, divided as it was for the training, and the hashes of the listings that the training read."""
    place = run_of(folder) / MANIFEST
    manifest: dict[str, Any] = read_json(place) if place.exists() else {}
    options = manifest.get("config", {})
    root = config.data_root or Path(options.get("data_root", "data"))
    seed = options.get("seed", 0)
    dataset = open_dataset(config.dataset, root, classes=config.classes, labels=config.labels, seed=seed)
    return dataset, {one["config_hash"] for one in manifest.get("inputs", ())}


def _remarks(name: str, counts: Outcomes, source: Source, rejected: dict[int, str], *, learnt: bool) -> list[str]:
    """What has to be said about the images and their labels."""
    found = [f"{name} is what the network has learnt from; its accuracy there says little"] if learnt else []
    if not counts.n:
        found.append(f"{name} has no labels; its {counts.rows:,} images were predicted and not measured")
    order = check_label_order(counts.confusion) if counts.n else None
    if order:
        found.append(f"warning: {name}: {order.sentence}")
    if rejected:
        first = min(rejected)
        found.append(
            f"{name}: {len(rejected)} of {len(source.listing):,} files hold no usable image and were left out, such as "
            f"{source.listing.names[first]} ({rejected[first]}); all are in {REJECTED}"
        )
    return found


def _write_rejected(place: Location, name: str, source: Source, rejected: dict[int, str]) -> None:
    """The ledger of files that hold no usable image, in the form that `train-cnn` gives it."""
    names = source.listing.names
    rows = [
        {"split": name, "sample_id": row, "path": names[row], "reason": why} for row, why in sorted(rejected.items())
    ]
    schema = REJECTED_SCHEMA.insert(0, pa.field("split", pa.string(), nullable=False))
    write_table(place, pa.Table.from_pylist(rows, schema))


def _record_of_images(dataset: Dataset, source: Source) -> Input:
    made = source.listing.fingerprint()
    return Input(place=dataset.place, config_hash=made.hash, rows=made.count)


def _record(folder: Location, model: Classifier) -> Input:
    """The record that a run reads the model in `folder`: a hash of all that decides its scores."""
    with (folder / MODEL).open_input() as file:
        tensors = digest_file(file)
    decisive = [tensors, model.rule.kind, model.rule.settings(), model.temperature, model.normalised]
    return Input(place=str(folder), config_hash=digest_json(decisive), rows=model.details.get("rows", 0))

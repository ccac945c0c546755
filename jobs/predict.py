"""`predict`: a saved model's predictions, of a probe for a stored set, of a network for images."""

from dataclasses import field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.core.text import counted
from gapscope.data.vocabulary import LABELLING
from gapscope.jobs import options
from gapscope.jobs.options import configuration

if TYPE_CHECKING:
    from gapscope.core.location import Location
    from gapscope.data.dataset import Dataset
    from gapscope.data.source import Source
    from gapscope.probes.model import Classifier
    from gapscope.runs.result import RunResult
    from gapscope.schemas.run import Input
    from gapscope.summaries.outcomes import Outcomes

JOB = "predict"
# Options that only one of the two kinds of models has a use for.
OF_PROBES = ("backbone", "scheduler", "cluster", "workers")
OF_NETWORKS = ("device", *LABELLING, "data_root")


@configuration
class PredictConfig(options.ImageListing, options.OnWorkers):
    """Predict the classes of a set with a saved model, and measure them where there are labels.

    A probe takes a stored set, any whose features were made like those that it was trained on (options --backbone,
    --scheduler, --cluster). A network of `train-cnn` takes the images themselves (options --device,
    --classes, --labels, --data-root). Killed and called again, it continues.

        python cli.py predict workspace/runs/fit-incremental-cifar10-softmax --dataset cifar10
        python cli.py predict workspace/runs/fit-incremental-imagenet-lda --dataset photos --split all --json
        python cli.py predict workspace/runs/train-cnn-cifar10-simple-cnn --dataset cifar10+night:3
    """

    model: options.ModelName = field(kw_only=False)
    dataset: options.DatasetName
    split: options.Split = "test"
    backbone: options.Backbone = ""
    device: options.Device = "auto"
    data_root: options.OptionalDataRoot = None
    workspace: options.Workspace = "workspace"
    name: options.Name = ""


def run(config: PredictConfig, progress: Progress = SILENT) -> "RunResult":
    """Predict, and measure where there are labels."""
    from gapscope.core.location import Location
    from gapscope.networks.runs import holds_network
    from gapscope.probes.model import load_model
    from gapscope.runs.inputs import folder_of_model
    from gapscope.runs.run import find_run

    folder = folder_of_model(str(find_run(Location.of(config.workspace), config.model)))
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


def _by_probe(config: PredictConfig, folder: "Location", model: "Classifier", progress: Progress) -> "RunResult":
    from gapscope.core.location import Location
    from gapscope.evaluation.memory import check_memory
    from gapscope.evaluation.predicted_page import page
    from gapscope.evaluation.stored import check_features, evaluate, title_of_model
    from gapscope.evaluation.training_sets import TrainingSets
    from gapscope.runs.connection import connected
    from gapscope.runs.folder import input_of, opened
    from gapscope.store.workspace import find_store, named_set, slug

    workspace = Location.of(config.workspace).absolute()
    dataset, split = named_set(workspace, config.dataset, config.split)
    store = find_store(workspace, dataset, split, config.backbone or model.features.get("backbone", ""))
    check_features(model, store)
    check_memory(store, len(model.class_names), allowed=config.memory, threads=config.threads)
    name = slug(config.name or f"{folder.name}-{dataset}-{split}")
    inputs = [_record(folder, model), input_of(store)]
    with connected(config, progress) as workers, opened(workspace, JOB, name, config, inputs) as made:
        title = title_of_model(model)
        progress.say(f"predicting {counted(store.rows, 'row')} of {store.name} with {title}")
        with made.timed("predict"):
            measured = evaluate(model, title, store, made.place, workers, progress)
        notes = [*measured.notes, *TrainingSets(folder).warnings(title, [store])]
        return made.finish(measured.results, notes=notes, page=page)


def _by_network(config: PredictConfig, folder: "Location", progress: Progress) -> "RunResult":
    """Predictions for images, as `train-cnn` makes them for its own test sets."""
    from gapscope.backbones.backbone import choose_device  # here, because all of this loads torch
    from gapscope.cnn.images import open_images
    from gapscope.cnn.memory import check_predicting
    from gapscope.cnn.record import rejected_note, rejected_rows, usable_digests, write_rejected
    from gapscope.cnn.test_set import TestSet, predicted
    from gapscope.core.location import Location
    from gapscope.evaluation import measure
    from gapscope.evaluation.predicted_page import page
    from gapscope.evaluation.training_sets import TrainingSets, seen_among
    from gapscope.networks.trained import load_trained
    from gapscope.probes.model import MODEL
    from gapscope.runs.folder import PREDICTIONS, opened
    from gapscope.runs.inputs import input_of_file
    from gapscope.store.workspace import slug

    dataset, trained = _images(config, folder)
    model = load_trained(folder, choose_device(config.device))
    test = TestSet.of(dataset, dataset.called(config.split), model.class_names)
    source, name = test.source, test.name
    check_predicting(name, len(source.listing), model.design, config.memory)
    model_record = input_of_file(folder, folder / MODEL, model.details["train_rows"])
    inputs = [model_record, _record_of_images(dataset, source)]
    run_name = slug(config.name or f"{folder.name}-{dataset.name}-{test.split}")
    with opened(Location.of(config.workspace).absolute(), JOB, run_name, config, inputs) as made:
        progress.say(f"predicting {counted(len(source.listing), 'image')} of {name} with {model.title}")
        images = open_images(source, name, model.design.frame, 0)  # each is seen once, so none is held
        place = made.place / PREDICTIONS / test.folder
        with made.timed("predict"):
            counts, copies = predicted(model, images, test.classes, place, progress)
        results = measure(counts, dataset.name, test.split, model.title, model.class_names) if counts.n else []
        rejected = rejected_rows(images)
        write_rejected(made.place, rejected)
        trained_on = inputs[1].config_hash in trained
        notes = [test.note, copies, *_remarks(name, counts, trained_on=trained_on)]
        notes += [rejected_note(name, len(source.listing), rejected)] if rejected else []
        digests = usable_digests(images)
        notes += seen_among(model.title, TrainingSets(folder).digests, name, len(digests), lambda: digests)
        return made.finish(results, notes=[one for one in notes if one], page=page)


def _images(config: PredictConfig, folder: "Location") -> "tuple[Dataset, set[str]]":
    """The dataset, divided as it was for the training, and the hashes of the listings that the training read."""
    from gapscope.core.files import read_json
    from gapscope.data.catalogue import open_dataset, opening_of
    from gapscope.runs.folder import MANIFEST
    from gapscope.runs.inputs import run_of

    place = run_of(folder) / MANIFEST
    manifest: dict[str, Any] = read_json(place) if place.exists() else {}
    options = manifest.get("config", {})
    root = config.data_root or Path(options.get("data_root", "data"))
    seed = options.get("seed", 0)
    dataset = open_dataset(config.dataset, root, seed=seed, **opening_of(config))
    return dataset, {one["config_hash"] for one in manifest.get("inputs", ())}


def _remarks(name: str, counts: "Outcomes", *, trained_on: bool) -> list[str]:
    """What has to be said about the images and their labels."""
    from gapscope.data.label_order import check_label_order

    result = [f"{name} is what the network was trained on; its accuracy there says little"] if trained_on else []
    if not counts.n:
        result.append(
            f"{name} has no labels; its {counted(counts.rows, 'image was', 'images were')} predicted and not measured"
        )
    order = check_label_order(counts.confusion) if counts.n else None
    if order:
        result.append(f"warning: {name}: {order.sentence}")
    return result


def _record_of_images(dataset: "Dataset", source: "Source") -> "Input":
    from gapscope.schemas.run import Input

    made = source.listing.fingerprint()
    return Input(place=dataset.place, config_hash=made.hash, rows=made.count)


def _record(folder: "Location", model: "Classifier") -> "Input":
    """The record that a run reads the model in `folder`: a hash of all that decides its scores."""
    from gapscope.core.hashing import digest_file, digest_json
    from gapscope.probes.model import MODEL
    from gapscope.schemas.run import Input

    with (folder / MODEL).open_input() as file:
        tensors = digest_file(file)
    decisive = [tensors, model.rule.kind, model.rule.settings(), model.temperature, model.normalised]
    decisive += [] if model.scale == 1 else [model.scale]
    return Input(place=str(folder), config_hash=digest_json(decisive), rows=model.details.get("rows", 0))

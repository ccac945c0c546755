"""A trained network as a model of stored features: its last layer, on the features that this layer sees."""

from dataclasses import replace

from gapscope.backbones import load_backbone
from gapscope.core.errors import InputError, hint, unknown_name
from gapscope.core.files import read_json
from gapscope.core.location import Location
from gapscope.networks.runs import holds_network, network_at
from gapscope.predictions.run import models_in_run
from gapscope.probes.model import MODEL, Classifier, load_model
from gapscope.probes.rules.linear import Linear
from gapscope.runs.run import MANIFEST, MODELS, find_run
from gapscope.store import EmbeddingStore
from gapscope.store.selected import Selected
from gapscope.store.workspace import find_store, splits_of

PREDICT = "predict"


def model_folder(workspace: Location, run: str, model: str = "") -> Location:
    """The folder of a model: the run's own, one below its models/, or the one that a run of `predict` read.

    Raises
    ------
    InputError
        There is no such run or model, or the run has several and none was chosen.
    """
    folder = find_run(workspace, run)
    several = models_in_run(folder)
    if len(several) > 1 and not model:
        raise InputError(f"{folder} holds several models; choose one with --model: {', '.join(several)}")
    if several and model and model not in several:
        raise unknown_name(f"model in {folder}", model, several)
    if several:
        return folder / MODELS / (model or several[0])
    if not (folder / MODEL).exists() and (folder / MANIFEST).exists():
        made = read_json(folder / MANIFEST)
        read = made["config"].get("model") if made["job"] == PREDICT else ""
        return find_run(workspace, read) if isinstance(read, str) and read else folder
    return folder


def model_in(folder: Location) -> Classifier:
    """The probe in `folder`, or the last layer of the network there; ``features["backbone"]`` names what it reads.

    Raises
    ------
    InputError
        The network does not end in a linear layer.
    SchemaError
        There is neither.
    """
    return _last_layer(folder) if holds_network(folder) else load_model(folder)


def as_stored(model: Classifier, store: EmbeddingStore | Selected) -> Classifier:
    """`model` for features of the precision of `store`, where it asks for none: a network was not trained on a store.

    `gapscope.evaluation.stored.check_features` then wants this precision of every other set.
    """
    return replace(model, features={"precision": store.provenance.precision} | model.features)


def find_features(workspace: Location, name: str, backbone: str, option: str = "") -> EmbeddingStore:
    """The store of the set that `option` names as dataset/split, as `find_store` finds it.

    Raises
    ------
    InputError
        The name has no split, or there is no such store.
    """
    dataset, _, split = name.rpartition("/")
    if not dataset:
        known = " or ".join(f"{name}/{one}" for one in splits_of(workspace, name)) or "dataset/split"
        raise InputError(f"{option} {name} names no split{hint(name, ()) or f'; write it as {known}'}".lstrip())
    return find_store(workspace, dataset, split, backbone)


def _last_layer(folder: Location) -> Classifier:
    from gapscope.networks.trained import load_trained  # here, because it loads torch

    network = network_at(folder)
    backbone = load_backbone(network.name, str(network.file), device="cpu")
    if backbone.head is None:
        raise InputError(
            f"{network.name} does not end in a linear layer, so its predictions do not follow from stored features; "
            "gap and forecast also take files of predictions"
        )
    about = load_trained(folder)
    features = {
        "backbone": backbone.name,
        "weights_hash": backbone.weights_hash,
        "layer": backbone.layer,
        "preprocessing": backbone.preprocessing.as_dict(),
        "dim": backbone.dim,
    }
    details = {"rows": about.details["train_rows"]}
    rule = Linear(backbone.head.weight, backbone.head.bias)
    return Classifier(about.title, rule, details=details, class_names=about.class_names, features=features)

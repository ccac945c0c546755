"""`predict`: a saved model's predictions for a stored set."""

from dataclasses import dataclass

from engine.core.errors import InputError
from engine.core.hashing import digest_file, digest_json
from engine.core.location import Location
from engine.core.progress import SILENT, Progress
from engine.probes.model import MODEL, Classifier, load_model
from engine.store.workspace import find_store, slug
from jobs.connection import connected
from jobs.evaluation import check_features, evaluate, results_table, title_of
from jobs.folder import MODELS, input_of, opened
from jobs.report import Report
from schemas.run import Input

JOB = "predict"


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """Predict the classes of a stored set with a saved model, and measure them where there are labels.

    The set may be any whose features were made like those that the model was trained on. Killed and called again, it
    continues.

        python cli.py predict --model workspace/runs/fit-incremental-cifar10-softmax --dataset cifar10
        python cli.py predict --model workspace/runs/fit-incremental-imagenet-lda --dataset photos --split all --json

    Attributes
    ----------
    model
        Folder of the model: a run folder of `fit-incremental` or `tune`, or one below its models/.
    dataset
        Dataset whose embeddings to classify.
    split
        Split to classify.
    backbone
        Which backbone's embeddings; the model's own when not given.
    scheduler
        Address of a Dask scheduler whose workers do the work.
    cluster
        local starts a Dask cluster on this machine for this run.
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
    scheduler: str | None = None
    cluster: str = ""
    workers: int | None = None
    workspace: str = "workspace"
    name: str = ""


def run(config: PredictConfig, progress: Progress = SILENT) -> Report:
    """Predict, and measure where there are labels."""
    workspace, folder = Location.of(config.workspace).absolute(), Location.of(config.model).absolute()
    model = model_in(folder)
    store = find_store(workspace, config.dataset, config.split, config.backbone or model.features.get("backbone", ""))
    check_features(model, store)
    name = slug(config.name or f"{folder.name}-{config.dataset}-{config.split}")
    inputs = [_record(folder, model), input_of(store)]
    with connected(config, progress) as workers, opened(workspace, JOB, name, config, inputs) as made:
        title = title_of(model.name, model.details.get("class_weight", "none"))
        progress.say(f"predicting {store.rows:,} rows of {store.name} with {title}")
        with made.timed("predict"):
            found = evaluate(model, title, store, made.place, workers, progress)
        tables = results_table(f"Predicted by {folder.name}", found.results)
        return made.finish(found.results, tables, found.notes)


def model_in(folder: Location) -> Classifier:
    """The model of a run folder.

    Raises
    ------
    InputError
        The run has several; the message names them.
    SchemaError
        It has none.
    """
    several = [str(folder / MODELS / name) for name in (folder / MODELS).names()]
    if several:
        raise InputError(f"{folder} holds several models; choose one with --model: {', '.join(several)}")
    return load_model(folder)


def _record(folder: Location, model: Classifier) -> Input:
    """The record that a run reads the model in `folder`: a hash of all that decides its scores."""
    with (folder / MODEL).open_input() as file:
        tensors = digest_file(file)
    decisive = [tensors, model.rule.kind, model.rule.settings(), model.temperature, model.normalised]
    return Input(place=str(folder), config_hash=digest_json(decisive), rows=model.details.get("rows", 0))

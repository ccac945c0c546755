"""The models of a run: one for each seed, trained, or left finished by a run that was interrupted."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from gapscope.cnn.data import modified_for
from gapscope.cnn.interpolation import go_back, interpolated_from
from gapscope.cnn.parallel import fit_together
from gapscope.cnn.recipe import Recipe
from gapscope.cnn.record import write_history
from gapscope.cnn.train import Fitted, TrainingData
from gapscope.cnn.training_run import TrainingRun
from gapscope.cnn.weights import check_start
from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.networks.design import load_weights
from gapscope.networks.trained import DESCRIPTION, Trained, load_trained
from gapscope.runs.run import CHECKPOINT


def trained(run: TrainingRun, data: TrainingData) -> Iterator[Trained]:
    """The model of each seed: the one that an interrupted run has left finished, else trained and saved."""
    for seed in run.seeds():
        title = run.title(seed)
        place = run.place(title)
        if (place / DESCRIPTION).exists():
            (place / CHECKPOINT).delete_folder()  # of a run that was killed between writing the model and this
            run.progress.say(f"{title} is trained already; continuing with its predictions")
            yield load_trained(place, data.device)
            continue
        with run.folder.timed(f"fit {title}"):
            yield train_seed(run, data, seed)


def train_seed(run: TrainingRun, data: TrainingData, seed: int) -> Trained:
    """Train the network of a seed, write its history, pictures and files; continues where it was interrupted."""
    title, design = run.title(seed), run.setup.design
    place, recipe = run.place(title), replace(run.setup.recipe, seed=seed)
    checkpoint = FolderCheckpoint(place / CHECKPOINT)
    if checkpoint.folder.names():
        run.progress.say(f"continuing the training of {title} that was interrupted")
    model = design.build(recipe.seed)
    whole = run.setup.state is not None and load_weights(model, *run.setup.state)
    start = interpolated_from(model, run.request.interpolate)
    check_start(run.request, whole=whole)
    seen = modified_for(run, data, seed)
    fitted = fit_together(model, seen, recipe, checkpoint, run.progress, processes=run.request.processes)
    go_back(fitted.model, start, run.request.interpolate)
    write_history(run, title, fitted)
    about = _about(run, data, recipe, fitted)
    names = tuple(data.images.source.listing.class_names)
    made = Trained(title, design, tuple(data.mean), tuple(data.std), names, fitted.model, data.device, about)
    made.save(place)
    checkpoint.folder.delete_folder()
    return made


def _about(run: TrainingRun, data: TrainingData, recipe: Recipe, fitted: Fitted) -> dict[str, Any]:
    """How a training went, as plain values."""
    modifications = [str(one) for one in run.setup.modifications]
    return {
        "recipe": asdict(recipe),
        "modifications": modifications,
        "modify_probability": run.request.modify_probability if modifications else 0.0,
        "train_rows": len(data.train),
        "validation_rows": len(data.validation),
        "epochs": len(fitted.history),
        "kept_epoch": fitted.epoch,
        "stopped_early": fitted.stopped,
        "history": [row._asdict() for row in fitted.history],
        "interpolate": run.request.interpolate,
        "weights": run.setup.state[1] if run.setup.state else f"random, seed {recipe.seed}",
        "precision": data.precision,
    }

"""The models of a run: one for each seed, trained, or left finished by a run that was interrupted."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from gapscope.cnn.parallel import fit_together
from gapscope.cnn.recipe import Recipe
from gapscope.cnn.train import Fitted, Lesson
from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.jobs.train_cnn.lesson import modified_for
from gapscope.jobs.train_cnn.work import Work
from gapscope.jobs.train_cnn.written import write_history
from gapscope.networks.design import load_weights
from gapscope.networks.trained import DESCRIPTION, Trained, load_trained
from gapscope.runs.folder import CHECKPOINT


def trained(work: Work, lesson: Lesson) -> Iterator[Trained]:
    """The model of each seed: the one that an interrupted run has left finished, else trained and saved."""
    for seed in work.seeds():
        title = work.title(seed)
        place = work.place(title)
        if (place / DESCRIPTION).exists():
            (place / CHECKPOINT).delete_folder()  # of a run that was killed between writing the model and this
            work.progress.say(f"{title} is trained already; continuing with its predictions")
            yield load_trained(place, lesson.device)
            continue
        with work.folder.timed(f"fit {title}"):
            yield train_seed(work, lesson, seed)


def train_seed(work: Work, lesson: Lesson, seed: int) -> Trained:
    """Train the network of a seed, write its history, pictures and files; continues where it was interrupted."""
    title, design = work.title(seed), work.begun.design
    place, recipe = work.place(title), replace(work.begun.recipe, seed=seed)
    checkpoint = FolderCheckpoint(place / CHECKPOINT)
    if checkpoint.folder.names():
        work.progress.say(f"continuing the training of {title} that was interrupted")
    model = design.build(recipe.seed)
    if work.begun.state is not None:
        load_weights(model, *work.begun.state)
    seen = modified_for(work, lesson, seed)
    fitted = fit_together(model, seen, recipe, checkpoint, work.progress, processes=work.config.processes)
    write_history(work, title, fitted)
    about = _about(work, lesson, recipe, fitted)
    names = tuple(lesson.images.source.listing.class_names)
    made = Trained(title, design, tuple(lesson.mean), tuple(lesson.std), names, fitted.model, lesson.device, about)
    made.save(place)
    checkpoint.folder.delete_folder()
    return made


def _about(work: Work, lesson: Lesson, recipe: Recipe, fitted: Fitted) -> dict[str, Any]:
    """How a training went, as plain values."""
    modifications = [str(one) for one in work.begun.modifications]
    return {
        "recipe": asdict(recipe),
        "modifications": modifications,
        "modify_probability": work.config.modify_probability if modifications else 0.0,
        "train_rows": len(lesson.train),
        "validation_rows": len(lesson.validation),
        "epochs": len(fitted.history),
        "kept_epoch": fitted.epoch,
        "stopped_early": fitted.stopped,
        "history": [row._asdict() for row in fitted.history],
        "weights": work.begun.state[1] if work.begun.state else f"random, seed {recipe.seed}",
        "precision": lesson.precision,
    }

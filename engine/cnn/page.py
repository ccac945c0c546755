"""The page of trained networks: accuracies, how the trainings went, what is confused, and pictures of it."""

from collections.abc import Mapping
from typing import Any

from gapscope.blocks import Block, Figure, Heading, Sentence, Table
from gapscope.blocks.formats import percent, upper
from gapscope.draw.canvas import title_of
from gapscope.evaluation.page import accuracy_blocks
from gapscope.networks.runs import DESCRIPTION
from gapscope.runs.run import FIGURES, MODELS, Run

NETWORK = DESCRIPTION.removesuffix(".json")
CONFUSIONS = {"model": "text", "set": "text", "class": "text", "predicted as": "text", "images": "count"}


def page(run: Run) -> list[Block]:
    """What a run of `train-cnn` or `refit-head` has found."""
    networks = networks_of(run)
    confusions = run.json("confusions") or []
    rows = [[one[name] for name in ("model", "set", "true", "predicted", "count", "share")] for one in confusions]
    return [
        *accuracy_blocks(run),
        *run.notes,
        Heading("training", "How the networks were trained"),
        *(Sentence(summary(one["name"], one["details"])) for one in networks),
        *_figures(run, "history"),
        Heading("confusions", "Which classes are confused"),
        Table("The most frequent confusions", CONFUSIONS | {"of the class": "share"}, rows),
        *_figures(run, "confusion"),
        Heading("predictions", "Images and where the network looks"),
        *_figures(run, "predictions"),
        *_figures(run, "saliency"),
    ]


def networks_of(run: Run) -> list[Mapping[str, Any]]:
    """The descriptions of the run's networks."""
    return [run.json(f"{MODELS}/{name}/{NETWORK}") for name in run.models] or [run.json(NETWORK)]


def summary(title: str, details: Mapping[str, Any]) -> str:
    """How a training went; of a last layer that was trained again, on what and how its penalty was chosen."""
    return _of_head(title, details["head"]) if "head" in details else _of_training(title, details)


def _of_training(title: str, details: Mapping[str, Any]) -> str:
    row = details["history"][details["kept_epoch"] - 1]
    loss, accuracy = row["validation_loss"], row["validation_accuracy"]
    validated = "" if loss is None else f", validation loss {loss:.4f} and accuracy {percent(accuracy)}"
    early = ", stopped early" if details["stopped_early"] else ""
    return (
        f"{title}: {details['epochs']} epochs{early}; epoch {details['kept_epoch']} is used, training accuracy "
        f"{percent(row['train_accuracy'])}{validated}."
    )


def _of_head(title: str, details: Mapping[str, Any]) -> str:
    rows = f"{details['real_rows']:,} real and {details['synthetic_rows']:,} synthetic rows"
    held = details["holdout_rows"]
    chosen = held and len(details["settings"]) > 1
    how = f"chosen on {held:,} validation images" if chosen else "not chosen by any image"
    return f"{title}: trained on {rows}; penalty l2 {details['l2']:.3g}, {how}."


def _figures(run: Run, kind: str) -> list[Block]:
    """The figures of a kind, with the titles that are written on them."""
    places = {name: run.place / FIGURES / f"{name}.png" for name in run.pictures if kind in name}
    return [Figure(name, place, upper(title_of(place.read_bytes()) or name)) for name, place in places.items()]

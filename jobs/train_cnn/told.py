"""What a run tells people: means over seeds, tables, and a sentence about each training."""

from collections.abc import Sequence

from gapscope.evaluation.stored import results_table
from gapscope.networks.trained import Trained
from gapscope.runs.result import Table
from gapscope.schemas.results import Result


def accuracy_table(results: Sequence[Result]) -> list[Table]:
    """Every model on every set, the images that were learnt from last."""
    return results_table("Accuracy of the trained network", results)


def summary(model: Trained) -> str:
    """How a training went."""
    about = model.details
    row = about["history"][about["kept_epoch"] - 1]
    watched = (
        f", validation loss {row['validation_loss']:.4f} and accuracy {row['validation_accuracy']:.2%}"
        if row["validation_loss"] is not None
        else ""
    )
    early = ", stopped early" if about["stopped_early"] else ""
    return (
        f"{model.title}: {about['epochs']} epochs{early}; kept epoch {about['kept_epoch']}, training accuracy "
        f"{row['train_accuracy']:.2%}{watched}"
    )

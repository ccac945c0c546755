"""What a run tells people: means over seeds, tables, and a sentence about each training."""

from collections.abc import Sequence
from statistics import mean, stdev

from scipy.stats import t

from engine.networks.trained import Trained
from jobs.evaluation import results_table
from jobs.report import Table
from schemas.results import Result


def means(models: Sequence[Trained], results: Sequence[Result]) -> list[Result]:
    """The mean over seeds of each headline metric on each set, with the 95 % interval of Student's t; none for one."""
    if len(models) < 2:
        return []
    factor = float(t.ppf(0.975, len(models) - 1)) / len(models) ** 0.5
    values: dict[tuple[str, str, str, int], list[float]] = {}
    for one in results:
        if one.class_name is None:
            values.setdefault((one.dataset, one.split, one.metric, one.n), []).append(one.value)
    title = f"{models[0].design.name}, mean of {len(models)} seeds"
    return [
        Result(
            **{"dataset": dataset, "split": split, "model": title, "metric": metric, "n": n},
            value=mean(found),
            low=mean(found) - factor * stdev(found),
            high=mean(found) + factor * stdev(found),
        )
        for (dataset, split, metric, n), found in values.items()
    ]


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

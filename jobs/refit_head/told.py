"""What a run tells people: means over seeds, and a sentence about each last layer."""

from collections.abc import Sequence
from statistics import mean, stdev

from scipy.stats import t

from engine.networks.trained import Trained
from jobs.refit_head.fit import HEAD
from schemas.results import Result


def means(model: str, seeds: int, results: Sequence[Result]) -> list[Result]:
    """The mean over seeds of each headline metric on each set, with the 95 % interval of Student's t; none for one."""
    if seeds < 2:
        return []
    factor = float(t.ppf(0.975, seeds - 1)) / seeds**0.5
    values: dict[tuple[str, str, str, int], list[float]] = {}
    for one in results:
        if one.class_name is None:
            values.setdefault((one.dataset, one.split, one.metric, one.n), []).append(one.value)
    return [
        Result(
            **{"dataset": dataset, "split": split, "model": f"{model}, mean of {seeds} seeds", "metric": metric},
            value=mean(found),
            low=mean(found) - factor * stdev(found),
            high=mean(found) + factor * stdev(found),
            n=n,
        )
        for (dataset, split, metric, n), found in values.items()
    ]


def summary(model: Trained) -> str:
    """What a last layer was learnt from, and how its penalty was found."""
    about = model.details[HEAD]
    rows = f"{about['real_rows']:,} real and {about['synthetic_rows']:,} synthetic rows"
    held = about["holdout_rows"]
    way = f"chosen on {held:,} validation images" if held and len(about["settings"]) > 1 else "not chosen by any image"
    return f"{model.title}: learnt from {rows}; penalty l2 {about['l2']:.3g}, {way}"

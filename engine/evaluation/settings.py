"""All settings that a training has tried, and how they did on the held-out rows."""

from collections.abc import Mapping, Sequence
from math import log
from typing import Any

from gapscope.blocks import Table
from gapscope.inference.interval import clopper_pearson
from gapscope.runs.run import HELD_OUT
from gapscope.schemas.results import Result

MEASURED = ("log_loss", "accuracy")
# Columns that say how far a setting came and not what it is.
REACHED = ("rung", "rows", "steps", "temperature", "seconds")
# Names of settings and details that are not those of the field.
WORDS = {
    "c": "scikit-learn's C",
    "l2": "L2 penalty",
    "passes": "readings of the rows",
    "evaluations": "evaluations of the loss",
    "holdout_rows": "held-out rows",
    "rung": "round",
    "unlabelled": "rows without a label",
}
BEST = 10
WORST = float("inf")


def setting_results(title: str, details: Mapping[str, Any], dataset: str, split: str) -> list[Result]:
    """A row of results for each measured setting and metric; the model is called ``softmax(l2=0.01, view=raw)``."""
    rows = details.get("holdout_rows", 0)
    return [
        Result(
            dataset=dataset,
            split=f"{split}{HELD_OUT}",
            model=f"{title}({described(setting)})",
            metric=metric,
            value=setting[metric],
            n=rows,
        )
        for setting in details.get("settings", ())
        for metric in MEASURED
        if rows and setting.get(metric) is not None
    ]


def held_out_result(title: str, details: Mapping[str, Any], dataset: str, split: str) -> list[Result]:
    """The accuracy on held-out rows of the setting that was chosen, before these rows joined the training rows."""
    rows, setting = details.get("holdout_rows", 0), chosen_setting(details)
    accuracy = setting.get("accuracy") if setting else None
    if not rows or accuracy is None:
        return []
    low, high = clopper_pearson(round(accuracy * rows), rows)
    place = {"dataset": dataset, "split": f"{split}{HELD_OUT}", "model": title, "metric": "accuracy"}
    return [Result(**place, value=accuracy, low=low, high=high, n=rows)]


def chosen_setting(details: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The setting that the model was trained with at the end; None where none was measured.

    It need not be the best: the strongest penalty that is not surely worse is taken. Penalties per row change when
    the held-out rows join, so that they are compared by their ratio.
    """
    settings = ranked(details.get("settings", ()))
    names = [name for name in ("view", "shrinkage", "alpha", "neighbours") if name in details]
    same = [one for one in settings if all(one.get(name, details[name]) == details[name] for name in names)]
    penalised = [one for one in same if one.get("l2") and details.get("l2")]
    if penalised:
        return min(penalised, key=lambda one: abs(log(one["l2"] / details["l2"])))
    return next(iter(same or settings), None)


def described(setting: Mapping[str, Any]) -> str:
    """What a setting is, as ``name=value, …``."""
    fields = (name for name in setting if name not in (*MEASURED, *REACHED))
    return ", ".join(f"{name}={plain(setting[name])}" for name in fields if setting[name] is not None)


def settings_table(title: str, details: Mapping[str, Any]) -> list[Table]:
    """The best settings, best first; none where there was nothing to choose or to choose by."""
    settings, rows = details.get("settings", ()), details.get("holdout_rows", 0)
    if len(settings) < 2 or not rows:
        return []
    best = ranked(settings)[:BEST]
    names = list(dict.fromkeys(name for setting in best for name in setting if name not in MEASURED))
    numeric = {name: all(_is_number(one.get(name)) for one in best) for name in names}
    columns = {worded(name): "number" if numeric[name] else "text" for name in names}
    cells = [
        [*(one.get(name) if numeric[name] else _text(one.get(name)) for name in names), *map(one.get, MEASURED)]
        for one in best
    ]
    caption = f"{title}: the best {len(best)} of {len(settings)} settings, on {rows:,} held-out rows"
    return [Table(caption, columns | {"log loss": "number", "accuracy": "share"}, cells)]


def ranked(settings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The settings, best first: those that came furthest, then by log-loss, then by accuracy."""
    return sorted(settings, key=_rank)


def _rank(setting: Mapping[str, Any]) -> tuple[float, float, float]:
    loss, accuracy = (setting.get(name) for name in MEASURED)
    return -(setting.get("rung") or 0), WORST if loss is None else loss, -(accuracy or 0)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _text(value: Any) -> str | None:
    return None if value is None else plain(value)


def worded(name: str) -> str:
    """What a setting or a detail is called on a page.

    >>> worded("l2"), worded("learning_rate")
    ('L2 penalty', 'learning rate')
    """
    return WORDS.get(name, name.replace("_", " "))


def plain(value: Any) -> str:
    """A value for a sentence."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)

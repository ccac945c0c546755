"""The table of all settings that a training has tried, and how they did on the held-out rows."""

from collections.abc import Mapping
from typing import Any

from gapscope.runs.result import Table
from gapscope.schemas.results import Result

MEASURED = ("log_loss", "accuracy")
# Columns that say how far a setting came and not what it is.
REACHED = ("rung", "rows", "steps", "temperature", "seconds")
BEST = 10
WORST = float("inf")


def kept_settings(title: str, details: Mapping[str, Any], dataset: str, split: str) -> list[Result]:
    """A row of results for each measured setting and metric; the model is called ``softmax(l2=0.01, view=raw)``."""
    rows = details.get("holdout_rows", 0)
    return [
        Result(
            dataset=dataset,
            split=f"{split} (held out)",
            model=f"{title}({described(setting)})",
            metric=metric,
            value=setting[metric],
            n=rows,
        )
        for setting in details.get("settings", ())
        for metric in MEASURED
        if rows and setting.get(metric) is not None
    ]


def described(setting: Mapping[str, Any]) -> str:
    """What a setting is, as ``name=value, …``."""
    fields = (name for name in setting if name not in (*MEASURED, *REACHED))
    return ", ".join(f"{name}={plain(setting[name])}" for name in fields if setting[name] is not None)


def settings_table(title: str, details: Mapping[str, Any]) -> list[Table]:
    """The best settings, best first; none where there was nothing to choose or to choose by."""
    settings = details.get("settings", ())
    rows = details.get("holdout_rows", 0)
    if len(settings) < 2 or not rows:
        return []
    best = sorted(settings, key=_rank)[:BEST]
    columns = list(dict.fromkeys(name for setting in best for name in setting if name not in MEASURED))
    heading = f"{title}: the best {len(best)} of {len(settings)} settings, on {rows:,} held-out rows"
    cells = [[*(_cell(one.get(name)) for name in columns), *(one.get(name) for name in MEASURED)] for one in best]
    return [Table(heading, [*columns, *MEASURED], cells)]


def _rank(setting: Mapping[str, Any]) -> tuple[float, float, float]:
    """Smaller for better: those that came furthest first, then by log-loss, then by accuracy."""
    loss, accuracy = (setting.get(name) for name in MEASURED)
    return -(setting.get("rung") or 0), WORST if loss is None else loss, -(accuracy or 0)


def _cell(value: Any) -> str | int | float | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    return str(value)


def plain(value: Any) -> str:
    """A value for a sentence."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)

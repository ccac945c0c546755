"""The line of a study with the uncertainty of its images, and how far each model is from the line of the others."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from gapscope.inference.bootstrap import interval_of
from gapscope.inference.line import ProbitLine
from gapscope.inference.multiplicity import adjusted
from gapscope.inference.robust_line import off_line, theil_sen

LEVEL = 0.05


def fitted(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and intercept of the least-squares line of each row of ``x, y : (..., m)``."""
    dx = x - x.mean(axis=-1, keepdims=True)
    slope = (dx * y).sum(axis=-1) / (dx * dx).sum(axis=-1)
    return slope, y.mean(axis=-1) - slope * x.mean(axis=-1)


def robustness_of_others(reference: np.ndarray, target: np.ndarray, off: np.ndarray | None = None) -> np.ndarray:
    """Target accuracy of each model minus that on the line of all *other* models, for ``(..., m)`` accuracies; those
    that are ``off : (m,) bool`` take no part in any line.
    """
    x, y = ndtri(reference), ndtri(target)
    away = np.empty_like(y)
    for model in range(x.shape[-1]):
        others = _others(x.shape[-1], model, off)
        slope, intercept = fitted(x[..., others], y[..., others])
        away[..., model] = target[..., model] - ndtr(intercept + slope * x[..., model])
    return away


def _others(models: int, model: int, off: np.ndarray | None) -> np.ndarray:
    """Places of the other models that are not off the line."""
    taken = np.ones(models, bool) if off is None else ~off
    taken[model] = False
    return np.flatnonzero(taken)


def line_section(
    reference: np.ndarray, target: np.ndarray, replicates: tuple[np.ndarray, np.ndarray]
) -> dict[str, Any]:
    """The line through accuracies ``reference, target : (m,)``, whose replicates are ``(b, m)`` each; where some models
    lie off it, also the line through the rest, and all distances are from that. Where accuracies do not rise together
    beyond chance (`rises`), distances say nothing.
    """
    line = ProbitLine.fit(reference, target)
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes, intercepts = fitted(*(ndtri(one) for one in replicates))
        off = off_line(ndtri(reference), ndtri(target), np.nanstd(ndtri(replicates[1]), axis=0))
        moved = robustness_of_others(*replicates, off)
    without = [ProbitLine.fit(np.delete(reference, one), np.delete(target, one)) for one in range(len(reference))]
    return {
        "slope": line.slope,
        "intercept": line.intercept,
        "r": line.r,
        "r_squared": line.r**2,
        "scatter": line.scatter,
        "models": line.models,
        "slope_by_images": interval_of(slopes),
        "intercept_by_images": interval_of(intercepts),
        "slope_by_models": _by_models(line.slope, line.slope_error, line.models),
        "intercept_by_models": _by_models(line.intercept, line.intercept_error, line.models),
        "slopes_without_one": [one.slope for one in without],
        "broken": off,
        "rises": (ProbitLine.without(reference, target, off) if off.any() else line).rises,
        "rest": _rest(reference, target, replicates, off) if off.any() else None,
        "theil_sen": dict(zip(("slope", "intercept"), theil_sen(ndtri(reference), ndtri(target)), strict=True)),
        **_robustness(reference, target, moved, off),
    }


def _rest(
    reference: np.ndarray, target: np.ndarray, replicates: tuple[np.ndarray, np.ndarray], off: np.ndarray
) -> dict[str, Any]:
    """The line through the models that are not off it."""
    line = ProbitLine.without(reference, target, off)
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes, _ = fitted(*(ndtri(one[:, ~off]) for one in replicates))
    numbers = {name: getattr(line, name) for name in ("slope", "intercept", "r", "scatter", "models")}
    return {**numbers, "slope_by_images": interval_of(slopes)}


def rises(line: Mapping[str, Any]) -> bool:
    """Whether models have a line; those of older studies were not asked."""
    return bool(line.get("rises", True))


def used_line(line: Mapping[str, Any]) -> Mapping[str, Any]:
    """The line that distances are from: through the models that do not lie off it."""
    return {**line, **line["rest"]} if line["rest"] else line


def _by_models(value: float, error: float, models: int) -> tuple[float, float]:
    reach = stdtrit(models - 2, 0.975) * error
    return value - reach, value + reach


def _robustness(reference: np.ndarray, target: np.ndarray, moved: np.ndarray, off: np.ndarray) -> dict[str, Any]:
    """Effective robustness against the line of the others, its interval and its test by resampled images."""
    value = robustness_of_others(reference, target, off)
    bounds = [interval_of(moved[:, model]) for model in range(len(value))]
    error = np.nanstd(moved, axis=0, ddof=1)
    p = 2 * ndtr(-np.abs(value) / error)
    outside = _outside(reference, target, off)
    corrected = adjusted(p, "holm")
    return {
        "robustness": value,
        "robustness_low": np.array([low for low, _ in bounds]),
        "robustness_high": np.array([high for _, high in bounds]),
        "robustness_p": corrected,
        "off_the_line": corrected <= LEVEL,
        "outside_p": outside,
        "outside": outside <= LEVEL,
    }


def _outside(reference: np.ndarray, target: np.ndarray, off: np.ndarray) -> np.ndarray:
    """Whether a model is further from the line of the others than models scatter about it: p-values by externally
    studentised residuals on probit axes, corrected by Holm; NaN with fewer than five models.
    """
    x, y = ndtri(reference), ndtri(target)
    models = len(x)
    if (~off).sum() < 5:
        return np.full(models, np.nan)
    p = np.empty(models)
    for model in range(models):
        rest = _others(models, model, off)
        line = ProbitLine.fit(reference[rest], target[rest])
        centred = x[rest] - x[rest].mean()
        reach = 1 + 1 / len(rest) + (x[model] - x[rest].mean()) ** 2 / (centred @ centred)
        residual = y[model] - line.intercept - line.slope * x[model]
        p[model] = 2 * stdtr(len(rest) - 2, -np.abs(residual) / (line.scatter * np.sqrt(reach)))
    return adjusted(p, "holm")

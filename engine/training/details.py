"""How a model came about, in sentences."""

from collections.abc import Mapping
from typing import Any

from gapscope.training.settings import plain

# Details that a person may want to see at once; each member has some of them.
CHOICES = (
    "chosen",
    "estimator",
    "loss",
    "view",
    "shrinkage",
    "alpha",
    "c",
    "l2",
    "learning_rate",
    "neighbours",
    "trees",
    "batch_rows",
    "passes",
    "holdout_rows",
    "unlabelled",
)


def story(title: str, details: Mapping[str, Any]) -> list[str]:
    """One sentence on what was chosen on the held-out rows, and one on the distance to the optimum, where known."""
    chosen = {name: details[name] for name in CHOICES if details.get(name) not in (None, "")}
    settings = ", ".join(f"{name.replace('_', ' ')} {plain(value)}" for name, value in chosen.items())
    certificate = details.get("certificate")
    return [f"{title}: {settings}"] * bool(settings) + ([f"{title}: {certified(certificate)}"] if certificate else [])


def certified(certificate: Mapping[str, Any]) -> str:
    """The certificate of a convex training as a sentence.

    >>> certified({"loss": 0.69314, "gradient_norm": 1.2e-5, "relative_bound": 0.0002})
    'certificate: loss 0.6931, gradient norm 1.2e-05, at most 0.02 % above the optimum'
    """
    found = f"certificate: loss {certificate['loss']:.4g}, gradient norm {certificate['gradient_norm']:.2g}"
    bound = certificate.get("relative_bound")
    if bound is None:
        return f"{found}; there is no bound on the distance to the optimum without a penalty"
    return f"{found}, at most {100 * bound:.2g} % above the optimum"

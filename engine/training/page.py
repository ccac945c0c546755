"""The page of trained classifiers: how accurate they are, what was chosen, and how far from the optimum they are."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gapscope.blocks import Block, Heading, Sentence
from gapscope.evaluation.page import accuracy_blocks
from gapscope.evaluation.settings import plain, settings_table, worded
from gapscope.evaluation.stored import title_of_details
from gapscope.probes.model import DESCRIPTION
from gapscope.runs.run import MODELS, Run

ABOUT = DESCRIPTION.removesuffix(".json")
# Details that a person may want to see at once; each member has some of them.
CHOICES = (
    *(
        "chosen",
        "estimator",
        "loss",
        "view",
        "shrinkage",
        "alpha",
        "c",
        "l2",
        "penalty_on",
        "learning_rate",
        "neighbours",
    ),
    *("trees", "batch_rows", "passes", "holdout_rows", "unlabelled"),
)


def page(run: Run) -> list[Block]:
    """What a run of `fit-incremental` or `tune` has found."""
    models = models_of(run)
    tuned = run.job == "tune" or bool(run.manifest.config.get("grid"))
    tables = [table for title, details in models.items() for table in settings_table(title, details)]
    return [
        *accuracy_blocks(run),
        *run.notes,
        Heading("training", "How the models were trained"),
        *(Sentence(text) for title, details in models.items() for text in sentences(title, details)),
        *(replace(table, headline=tuned) for table in tables),
    ]


def models_of(run: Run) -> dict[str, Mapping[str, Any]]:
    """The details of each of the run's models by its title."""
    abouts = [run.json(f"{MODELS}/{name}/{ABOUT}") for name in run.models] or [run.json(ABOUT)]
    return {title_of_details(about["name"], about["details"]): about["details"] for about in abouts}


def sentences(title: str, details: Mapping[str, Any]) -> list[str]:
    """One sentence on what was chosen on the held-out rows, and one on the distance to the optimum, where known."""
    said = [name for name in CHOICES if details.get(name) not in (None, "") and (details[name] or name != "unlabelled")]
    settings = ", ".join(f"{worded(name)} {plain(details[name])}" for name in said)
    certificate = details.get("certificate")
    return [f"{title}: {settings}."] * bool(settings) + ([f"{title}: {certified(certificate)}."] if certificate else [])


def certified(certificate: Mapping[str, Any]) -> str:
    """The certificate of a convex training as a sentence.

    >>> certified({"loss": 0.69314, "gradient_norm": 1.2e-5, "relative_bound": 0.0002})
    'certificate: loss 0.6931, gradient norm 1.2e-05, at most 0.02 % above the optimum'
    >>> certified({"loss": 0.5, "gradient_norm": 0.1, "relative_bound": 0.3, "evaluations": 60, "at_limit": True})
    'certificate: loss 0.5, gradient norm 0.1, at most 30 % above the optimum; the limit of 60 passes ended it'
    """
    text = f"certificate: loss {certificate['loss']:.4g}, gradient norm {certificate['gradient_norm']:.2g}"
    bound = certificate.get("relative_bound")
    limit = certificate.get("evaluations") if certificate.get("at_limit") else None
    ended = "" if limit is None else f"; the limit of {limit} passes ended it"
    if bound is None:
        return f"{text}; there is no bound on the distance to the optimum without a penalty{ended}"
    return f"{text}, at most {100 * bound:.2g} % above the optimum{ended}"

"""`demo`: the whole way on embedded digits, as the commands that a user would type."""

import time
from dataclasses import dataclass, replace
from typing import Any, get_type_hints

from engine.core.progress import SILENT, Progress
from jobs import JOBS
from jobs.report import Report

# What is run, in order: a command and its options; "{runs}" stands for the folder of runs.
STEPS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("extract", {"dataset": ("digits", "digits-night")}),
    ("fit-incremental", {"dataset": "digits"}),
    ("fit-incremental", {"dataset": "digits", "model": ("lda",)}),
    ("fit-incremental", {"dataset": "digits", "model": ("sgd",)}),
    (
        "gap",
        {
            "run": "{runs}/fit-incremental-digits-softmax",
            "reference": "digits/test",
            "target": "digits-night/test",
        },
    ),
)
# Tables of the gap that are shown here: where the points went, and what wins them back.
TOLD = ("Where the points went", "Repairs")


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """Try everything on embedded digits: extract, train, evaluate on clean and shifted images, explain. No download.

    Takes seconds, and says each command that it runs, so that you can run it yourself on your own images.

        python cli.py demo

    Attributes
    ----------
    workspace
        Where embeddings and runs go.
    """

    workspace: str = "workspace"


def run(config: DemoConfig, progress: Progress = SILENT) -> Report:
    """Run `STEPS` and gather what they report."""
    begun = time.perf_counter()
    reports = []
    for name, options in steps(config.workspace):
        progress.say(f"$ {as_typed(name, options, config.workspace)}")
        job = JOBS[name]
        reports.append(job(get_type_hints(job)["config"](**options, workspace=config.workspace), progress))
    extracted, *fitted = [table for report in reports[:-1] for table in report.tables]
    explained = [table for table in reports[-1].tables if any(title in table.title for title in TOLD)]
    tables = [extracted, replace(fitted[0], rows=[row for table in fitted for row in table.rows]), *explained]
    results = [result for report in reports for result in report.results]
    seconds = time.perf_counter() - begun
    return Report("demo", config.workspace, seconds, results, tables, [reports[-1].notes[0], *_notes(config, seconds)])


def steps(workspace: str) -> list[tuple[str, dict[str, Any]]]:
    """`STEPS` in a workspace."""
    return [
        (name, {key: one.format(runs=f"{workspace}/runs") if key == "run" else one for key, one in options.items()})
        for name, options in STEPS
    ]


def as_typed(name: str, options: dict[str, Any], workspace: str) -> str:
    """The command line of a step."""
    words = ["python cli.py", name]
    for option, value in (options | {"workspace": workspace}).items():
        for one in value if isinstance(value, tuple) else (value,):
            words.append(f"--{option.replace('_', '-')} {one}")
    return " ".join(words)


def _notes(config: DemoConfig, seconds: float) -> list[str]:
    return [
        f"Done in {seconds:.0f} s. Digits by night are the test digits at 45 % of their light, with noise.",
        f"embeddings: {config.workspace}/embeddings · models, predictions and results: {config.workspace}/runs",
        "Next, on your own images: python cli.py extract --dataset FOLDER --backbone resnet50",
    ]

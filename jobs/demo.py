"""`demo`: the whole way on embedded digits, as the commands that a user would type."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from cyclopts import Parameter
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs import JOBS
from gapscope.jobs.options import data_root
from gapscope.reports.write import REPORT, write_report
from gapscope.runs.folder import TABLE
from gapscope.runs.result import RunResult

# What is run, in order: a command and its options. A command in braces stands for the name of its first run.
NETWORK = "run:{train-cnn}"
STEPS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("train-cnn", {"dataset": "digits", "network": "simple-cnn", "epochs": 15, "batch_size": 32}),
    ("extract", {"dataset": ("digits", "digits-night"), "backbone": NETWORK}),
    ("fit-incremental", {"dataset": "digits", "backbone": NETWORK}),
    ("fit-incremental", {"dataset": "digits", "backbone": NETWORK, "model": ("lda",)}),
    ("fit-incremental", {"dataset": "digits", "backbone": NETWORK, "model": ("sgd",)}),
    (
        "gap",
        {
            "run": "{workspace}/runs/{fit-incremental}",
            "reference": "digits/test",
            "target": "digits-night/test",
        },
    ),
)
# Tables of the gap that are shown here: where the points went, and what wins them back.
TOLD = ("Where the points went", "Repairs")


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """Try everything on embedded digits: a network learns, its features are stored, probes are trained on them and
    evaluated on clean and shifted images, and the gap is explained. No download.

    Takes seconds, and says each command that it runs, so that you can run it yourself on your own images.

        python cli.py demo

    Attributes
    ----------
    workspace
        Where embeddings and runs go.
    report
        Write the report of each run, and of all runs together.
    """

    workspace: str = "workspace"
    report: Annotated[bool, Parameter(negative="--no-report")] = True


def run(config: DemoConfig, progress: Progress = SILENT) -> RunResult:
    """Run `STEPS` and gather what they report."""
    begun = time.perf_counter()
    reports = list(_reports(config, progress))
    trained, extracted, *fitted = [report.tables[0] for report in reports[:-1]]
    explained = [table for table in reports[-1].tables if any(title in table.title for title in TOLD)]
    models = replace(fitted[0], rows=[row for table in (trained, *fitted) for row in table.rows])
    results = [result for report in reports for result in report.results]
    seconds = time.perf_counter() - begun
    notes = [reports[-1].notes[0], *_notes(config, seconds), *_reported(config, reports)]
    return RunResult("demo", config.workspace, seconds, results, [extracted, models, *explained], notes)


def _reported(config: DemoConfig, reports: list[RunResult]) -> list[str]:
    """Write one page about all runs, the gap first; nothing where none is wanted."""
    places = [Location.of(one.run) for one in reversed(reports)]
    runs = [place for place in places if (place / TABLE).exists()]
    if not config.report:
        return []
    return [write_report(runs, Location.of(config.workspace) / REPORT, data_root=data_root()).text]


def _reports(config: DemoConfig, progress: Progress) -> Iterator[RunResult]:
    """What each of `STEPS` reports, one after another."""
    workspace = config.workspace
    made = {"workspace": workspace}
    for name, options in STEPS:
        filled = {option: _filled(value, made) for option, value in options.items()}
        progress.say(f"$ {as_typed(name, filled, workspace)}")
        job = JOBS[name]
        kind = get_type_hints(job)["config"]
        manner = {"report": config.report} if "report" in {field.name for field in fields(kind)} else {}
        report = job(kind(**filled, **manner, workspace=workspace), progress)
        made.setdefault(name, Path(report.run).name)
        yield report


def _filled(value: Any, made: dict[str, str]) -> Any:
    return value.format(**made) if isinstance(value, str) else value


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

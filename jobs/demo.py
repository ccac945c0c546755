"""`demo`: the whole way on embedded digits, as the commands that a user would type."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapscope.core.program import called
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs import configuration_of, run_job
from gapscope.jobs.options import Workspace, WriteReport, configuration, data_root

if TYPE_CHECKING:
    from gapscope.blocks import Block
    from gapscope.runs.result import RunResult

# What is run, in order: a command and its options. A command in braces stands for the name of its run. The features
# are those of a network of fixed filters: no training stands between a machine and the figures.
STEPS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("extract", {"dataset": ("digits", "digits-night"), "backbone": "tiny"}),
    ("fit-incremental", {"dataset": "digits", "model": ("softmax", "lda", "sgd")}),
    (
        "gap",
        {
            "run": "{fit-incremental}",
            "model": "softmax",
            "reference": "digits/test",
            "target": "digits-night/test",
        },
    ),
    (
        "explain",
        {
            "run": "{fit-incremental}",
            "model": "softmax",
            "reference": "digits/test",
            "target": "digits-night/test",
            "images": 200,
        },
    ),
)


@configuration
class DemoConfig:
    """Try everything on embedded digits: features are stored, classifiers are trained on them and evaluated on clean
    and on dark images, the gap is split, and its cause is named and proven. No download.

    Takes a minute, and says each command that it runs, so that you can run it yourself on your own images.

        python cli.py demo
    """

    workspace: Workspace = "workspace"
    report: WriteReport = True


def run(config: DemoConfig, progress: Progress = SILENT) -> "RunResult":
    """Run `STEPS` and gather what they found."""
    from gapscope.blocks import Sentence
    from gapscope.runs.result import RunResult

    begun = time.perf_counter()
    steps = list(_results(config, progress))
    results = [result for step in steps for result in step.results]
    seconds = time.perf_counter() - begun
    notes = [*_notes(config, seconds), *_reported(config, steps)]
    blocks = [*_gathered(steps), *(Sentence(note, headline=True) for note in notes)]
    return RunResult("demo", config.workspace, seconds, results, blocks=blocks)


def _gathered(steps: "Sequence[RunResult]") -> "list[Block]":
    """What the last two steps show first, between them the accuracies of the classifiers, with intervals as in gap."""
    from gapscope.core.location import Location
    from gapscope.evaluation.accuracy import measured
    from gapscope.evaluation.page import accuracy_table
    from gapscope.runs.run import read_run

    *_, fitted, gap, cause = steps
    first, second = (read_run(Location.of(step.run)) for step in (fitted, gap))
    return [*_headline(gap), accuracy_table(replace(first, beside=(second,)), measured(first)), *_headline(cause)]


def _headline(step: "RunResult") -> "list[Block]":
    from gapscope.blocks import Answer

    return [block for block in step.blocks if isinstance(block, Answer) or getattr(block, "headline", False) is True]


def _reported(config: DemoConfig, steps: "Sequence[RunResult]") -> list[str]:
    """Write one page about all runs, the cause first; nothing where none is wanted."""
    from gapscope.core.location import Location
    from gapscope.reports.write import REPORT, write_report
    from gapscope.runs.folder import TABLE

    places = [Location.of(one.run) for one in reversed(steps)]
    runs = [place for place in places if (place / TABLE).exists()]
    if not config.report:
        return []
    return [write_report(runs, Location.of(config.workspace) / REPORT, data_root=data_root()).text]


def _results(config: DemoConfig, progress: Progress) -> "Iterator[RunResult]":
    """What each of `STEPS` hands back, one after another."""
    made: dict[str, str] = {}
    for name, options in STEPS:
        filled = {option: _filled(value, made) for option, value in options.items()}
        progress.say(f"$ {as_typed(name, filled, config.workspace)}")
        reports = "report" in {field.name for field in fields(configuration_of(name))}
        # One page about all of them is written at the end.
        quiet = {"report": False} if reports else {}
        result = run_job(name, {**filled, **quiet, "workspace": config.workspace}, progress)
        made.setdefault(name, Path(result.run).name)
        yield result


def _filled(value: Any, made: dict[str, str]) -> Any:
    return value.format(**made) if isinstance(value, str) else value


def as_typed(name: str, options: dict[str, Any], workspace: str) -> str:
    """The command line of a step."""
    words = [called(), name]
    for option, value in (options | {"workspace": workspace}).items():
        for one in value if isinstance(value, tuple) else (value,):
            words.append(f"--{option.replace('_', '-')} {one}")
    return " ".join(words)


def _notes(config: DemoConfig, seconds: float) -> list[str]:
    return [
        f"Done in {seconds:.0f} s. Digits by night are the test digits at 45 % of their light, with noise.",
        f"Embeddings are in {config.workspace}/embeddings; models, predictions and results in {config.workspace}/runs.",
        f"Next, on your own images: `{called()} extract FOLDER --backbone resnet50`",
    ]

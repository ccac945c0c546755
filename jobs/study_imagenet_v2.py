"""`study-imagenet-v2`: why models lose accuracy from ImageNet to ImageNetV2, from their predictions alone."""

import json
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.core.location import Location
from engine.core.progress import SILENT, Progress
from jobs.report import Report, Table
from schemas.results import Result

JOB, PAGE, STUDY = "study-imagenet-v2", "imagenet-v2", "study.json"
COLUMNS = ("set", "models", "mean loss, points", "slope", "r", "by harder images, points", "rest, points")


@dataclass(frozen=True, kw_only=True)
class StudyImagenetV2Config:
    """Compare models on ImageNet validation and ImageNetV2: a page, its pictures, and the tables behind it.

    Reads ``validation.parquet`` and ``v2-….parquet`` of a folder: columns image, label, and one column of best classes
    for each model, which may be missing from a variant. A further model is one more column. For 24 models it takes 15 s
    of processor time and 0.7 GB.

        python cli.py study-imagenet-v2 --predictions ../shared/data/imagenet-predictions
        python cli.py study-imagenet-v2 --predictions published --add mine --out reports

    Attributes
    ----------
    predictions
        Folder of the tables.
    add
        Folders with tables of the same names that hold further models for the same images.
    only
        Models to keep; all when not given.
    out
        Folder for the page and the folder of its pictures and tables.
    replicates
        Bootstrap replicates behind the intervals.
    seed
        Seed of the bootstrap and of the simulations.
    """

    predictions: str
    add: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    out: str = "docs/studies"
    replicates: int = 500
    seed: int = 0


def run(config: StudyImagenetV2Config, progress: Progress = SILENT) -> Report:
    """Study, and write the page."""
    from engine.draw import png
    from engine.report.study import findings, page, pictures, read_study, tables

    start = time.perf_counter()
    study = read_study(Location.of(config.predictions), [Location.of(place) for place in config.add], config.only)
    with progress.task("studying", findings.STEPS + len(study.targets), "sections") as task:
        found = findings.findings(study, config.seed, config.replicates, task)
    out = Location.of(config.out)
    folder = out / PAGE
    figures = pictures.pictures(found)
    for name, figure in figures.items():
        _write(folder / f"{name}.png", png(figure))
    for name, table in tables.tables(found).items():
        _write(folder / f"{name}.parquet", tables.parquet(table))
    (folder / STUDY).write_text(json.dumps(findings.told(found), indent=1, allow_nan=False))
    (out / f"{PAGE}.md").write_text(page.page(found, PAGE, command_of(config), figures))
    notes = [f"written to {out / PAGE}.md, with {len(figures)} pictures and the tables in {folder}"]
    return Report(JOB, str(out), time.perf_counter() - start, results_of(found), [_table(found)], notes)


def command_of(config: StudyImagenetV2Config) -> str:
    """The command line that makes the same study again."""
    words = ["python", "cli.py", JOB, "--predictions", config.predictions]
    for option in ("add", "only"):
        given = getattr(config, option)
        words += [f"--{option}", *given] if given else []
    for option in ("out", "replicates", "seed"):
        value = getattr(config, option)
        words += [] if value == getattr(StudyImagenetV2Config, option) else [f"--{option}", str(value)]
    return shlex.join(words)


def _write(place: Location, content: bytes) -> None:
    place.write_atomically(lambda file: file.write(content))


def _table(found: Mapping[str, Any]) -> Table:
    rows = [
        (
            name,
            len(side["models"]),
            f"{100 * side['mean_drop']:.2f}",
            f"{side['line']['slope']:.3f}",
            f"{side['line']['r']:.4f}",
            f"{100 * side['harder']['mean_harder']:.2f}",
            f"{100 * side['harder']['mean_rest']:.2f}",
        )
        for name, side in found["by_target"].items()
    ]
    return Table(f"Lost from {found['reference']}", COLUMNS, rows)


def results_of(found: Mapping[str, Any]) -> list[Result]:
    """Accuracy of each model on each set; its loss and effective robustness on each replication."""
    return [*_accuracies(found), *_losses(found)]


def _accuracies(found: Mapping[str, Any]) -> list[Result]:
    return [
        Result(
            **_place(found, name),
            model=model,
            metric="accuracy",
            value=float(side["value"][place]),
            low=float(side["low"][place]),
            high=float(side["high"][place]),
            n=found["images"][name],
        )
        for name, side in found["accuracy"].items()
        for place, model in enumerate(found["models"])
        if side["right"][place] >= 0
    ]


def _losses(found: Mapping[str, Any]) -> list[Result]:
    """Rows for each model and replication; the p-values of effective robustness are corrected by Holm."""
    results = []
    for name, side in found["by_target"].items():
        line = side["line"]
        columns = {
            "accuracy_gap": (side["drop"], side["drop_low"], side["drop_high"]),
            "effective_robustness": tuple(line[f"robustness{end}"] for end in ("", "_low", "_high")),
            "effective_robustness_p_value": (line["robustness_p"],),
        }
        for metric, parts in columns.items():
            for place, model in enumerate(side["models"]):
                numbers = dict(zip(("value", "low", "high"), (float(part[place]) for part in parts), strict=False))
                n = found["images"][name]
                results.append(Result(**_place(found, name), model=model, metric=metric, **numbers, n=n))
    return results


def _place(found: Mapping[str, Any], name: str) -> dict[str, str]:
    return {"dataset": "imagenet" if name == found["reference"] else "imagenetv2", "split": name}

"""`modify-dataset`: a modified copy of a dataset, as class folders of PNG files."""

import time
from dataclasses import asdict, field
from typing import TYPE_CHECKING, Any

from gapscope.core.errors import ConfigMismatchError, InputError
from gapscope.core.program import called
from gapscope.core.progress import SILENT, Progress
from gapscope.core.threads import blas_threads, processors
from gapscope.jobs.options import DatasetName, ImageListing, ModifyList, Out, Seed, Splits, configuration

if TYPE_CHECKING:
    from gapscope.core.location import Location
    from gapscope.data.copies import Rejected
    from gapscope.data.source import Source
    from gapscope.runs.result import RunResult

JOB = "modify-dataset"
MANIFEST, CLASSES, REJECTED = "manifest.json", "classes.txt", "rejected-{}.parquet"


@configuration
class ModifyDatasetConfig(ImageListing):
    """Write a modified copy of a dataset: night, blur, fog and others, at severities from 1 to 5.

    The copy is a dataset of its own: split folders, class folders, PNG files. Images that cannot be read are listed in
    rejected-SPLIT.parquet, class folders in class order in classes.txt. Killed and called again, it continues. 10,000
    images of 32 pixels take half a minute; without a copy, `extract --dataset cifar10+night:3` modifies as it reads.

        python cli.py modify-dataset cifar10 --modify night:3 --out cifar10-night
        python cli.py modify-dataset FOLDER --modify fog:2,blur --split test --out FOLDER-fog
    """

    dataset: DatasetName = field(kw_only=False)
    modify: ModifyList
    out: Out
    split: Splits = ()
    seed: Seed = 0


def run(config: ModifyDatasetConfig, progress: Progress = SILENT) -> "RunResult":
    """Copy one split after another; the manifest says complete when every image is written or listed."""
    from gapscope.core.location import Location

    begun = time.perf_counter()
    out = Location.of(config.out)
    sources = _sources(config)
    record = _record(config, sources)
    _begin(out, record)
    rejected = {split: _copied(source, out, split, progress) for split, source in sources.items()}
    counts = {split: (len(source.listing) - len(rejected[split])) for split, source in sources.items()}
    if not any(counts.values()):
        first = next(one for listed in rejected.values() for one in listed)
        raise InputError(
            f"no image of {config.dataset} could be copied; the first of them, {first.path}: {first.reason}"
        )
    outcome = {split: {"written": counts[split], "rejected": len(rejected[split])} for split in sources}
    _write(out / MANIFEST, record | {"status": "complete", "outcome": outcome})
    return _report(config, outcome, time.perf_counter() - begun)


def _sources(config: ModifyDatasetConfig) -> dict[str, "Source"]:
    """The modified source of each split that is asked for."""
    from gapscope.data.catalogue import opened_by
    from gapscope.data.modifications.modification import parse, written

    name = f"{config.dataset}+{written(parse(config.modify))}"
    dataset = opened_by(config, name)
    sources = {split: dataset.source(split) for split in map(dataset.called, config.split or dataset.splits)}
    if not any(len(source.listing) for source in sources.values()):
        raise InputError(f"{config.dataset} holds no images in {', '.join(sources)}")
    return sources


def _record(config: ModifyDatasetConfig, sources: dict[str, "Source"]) -> dict[str, Any]:
    """All that decides the files of a copy."""
    from gapscope.data.decode import DECODER
    from gapscope.data.modifications.modification import parse, written

    return {
        "job": JOB,
        "dataset": config.dataset,
        "modify": written(parse(config.modify)),
        "seed": config.seed,
        "decoder": DECODER,
        "splits": {split: source.listing.fingerprint().model_dump() for split, source in sources.items()},
    }


def _begin(out: "Location", record: dict[str, Any]) -> None:
    """Claim an empty folder, or one that the same copy was begun in."""
    if (out / MANIFEST).exists():
        _refuse_another(out, record)
    elif out.names():
        raise InputError(f"{out} is not empty and was not made by {JOB}; choose another folder for the copy")
    else:
        _write(out / MANIFEST, record | {"status": "running"})


def _refuse_another(out: "Location", record: dict[str, Any]) -> None:
    from gapscope.core.files import read_json

    earlier = read_json(out / MANIFEST)
    differing = [
        f"{name} was {earlier.get(name)}, now {record[name]}" for name in record if earlier.get(name) != record[name]
    ]
    if differing:
        raise ConfigMismatchError(
            f"{out} holds another copy: {'; '.join(differing)}; choose another folder or delete it"
        )


def _copied(source: "Source", out: "Location", split: str, progress: Progress) -> "list[Rejected]":
    import pyarrow as pa

    from gapscope.core.files import write_table
    from gapscope.data.copies import class_folder_names, copy_source
    from gapscope.schemas.embeddings import REJECTED_SCHEMA

    with progress.task(f"modifying {split}", len(source.listing), "images") as task, blas_threads(1):
        rejected = copy_source(source, out / split, processors(), task)
    table = pa.Table.from_pylist([asdict(one) for one in rejected], REJECTED_SCHEMA)
    write_table(out / REJECTED.format(split), table)
    names = class_folder_names(source.listing.class_names)
    (out / CLASSES).write_text("".join(f"{name}\n" for name in names))
    return rejected


def _write(place: "Location", record: dict[str, Any]) -> None:
    from gapscope.core.files import write_json

    write_json(place, record)


def _report(config: ModifyDatasetConfig, outcome: dict[str, dict[str, int]], seconds: float) -> "RunResult":
    from gapscope.blocks import Sentence, Table
    from gapscope.data.modifications.modification import parse, written
    from gapscope.runs.result import RunResult
    from gapscope.schemas.results import Result

    rows = [(split, *counts.values()) for split, counts in outcome.items()]
    results = [
        Result(dataset=config.dataset, split=split, model=written(parse(config.modify)), metric=metric, value=n, n=n)
        for split, counts in outcome.items()
        for metric, n in counts.items()
    ]
    notes = [
        f"Next: `{called()} extract {config.out} --classes {config.out}/{CLASSES}`.",
        f"Rejected images and their reasons are in {config.out}/{REJECTED.format('SPLIT')}.",
    ]
    title = f"{config.dataset} modified by {written(parse(config.modify))}"
    table = Table(title, {"split": "text", "written": "count", "rejected": "count"}, rows, headline=True)
    blocks = [table, *(Sentence(note, headline=True) for note in notes)]
    return RunResult(JOB, config.out, seconds, results, blocks=blocks)

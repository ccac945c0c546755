"""Synthetic images, step by step: train a generator, sample, check, and write those that pass as a set."""

from typing import Any

import numpy as np

from gapscope.core.files import write_json
from gapscope.core.location import Location
from gapscope.core.program import called
from gapscope.core.progress import Progress
from gapscope.core.text import counted
from gapscope.data.dataset import Dataset
from gapscope.data.synthetic import FOLDER, sets_folder
from gapscope.runs.folder import RunFolder
from gapscope.runs.result import RunResult
from gapscope.runs.run import FIGURES
from gapscope.store.workspace import slug
from gapscope.synthesis.contact_sheets import sheets_of
from gapscope.synthesis.image_set import table_of, write_set
from gapscope.synthesis.page import SUMMARY, page
from gapscope.synthesis.quality import image_quality
from gapscope.synthesis.report import results_of, summary_of, warnings_of
from gapscope.synthesis.request import Request
from gapscope.synthesis.samples import sampled, usable_classes
from gapscope.synthesis.trained import trained_generator
from gapscope.synthesis.training_images import TrainingImages, training_images


def make_images(
    request: Request, dataset: Dataset, folder: RunFolder, workspace: Location, progress: Progress
) -> RunResult:
    """Make the images of the run in `folder`; their set is called as the run is."""
    with folder.timed("decode"):
        data = training_images(request, dataset, progress)
    progress.say(f"training on {counted(len(data.rows.train), 'image')}; {len(data.rows.validation):,} are kept away")
    with folder.timed("train"):
        trained = trained_generator(request, data, workspace, progress)
    wanted, refused = usable_classes(trained.generator, data.wanted, data.class_names)
    with folder.timed("sample"):
        counts = np.ceil(wanted * request.surplus).astype(np.int64)
        samples = sampled(request, trained, counts, data.class_names, progress)
    with folder.timed("check"):
        quality = image_quality(request, data, trained, samples, workspace, progress)
    table = table_of(quality.filtered.table, data, wanted)
    name = folder.place.name.removeprefix(f"{folder.job}-{slug(dataset.name)}-")
    with folder.timed("write"):
        place = sets_folder(workspace, dataset.name) / name
        write_set(place, table, samples, data, _record(folder.job, request, data, trained.mark), progress)
        for sheet in sheets_of(table, samples, data, f"{dataset.name}: {request.method}"):
            (folder.place / FIGURES / f"{sheet.name}.png").write_bytes(sheet.content)
    command = f"{called()} train-cnn {folder.config['dataset']}+{FOLDER}:{name} --image-size {max(data.frame.size)}"
    summary = summary_of(quality, table, data.class_names, data.counts, wanted, "images") | {"next": command}
    write_json(folder.place / f"{SUMMARY}.json", summary)
    of_set = {"dataset": f"{dataset.name}+{FOLDER}:{name}", "split": request.split, "model": request.method}
    notes = [*data.notes, *refused, *warnings_of(quality)]
    return folder.finish(results_of(of_set, quality, table, data.class_names), notes=notes, page=page)


def _record(job: str, request: Request, data: TrainingImages, mark: str) -> dict[str, Any]:
    """What the set's manifest says of its making."""
    return {
        "job": job,
        "dataset": data.dataset.name,
        "learnt": len(data.rows.train),
        "split": request.split,
        "method": request.method,
        "balance": request.balance,
        "seed": request.seed,
        "validation": request.validation,
        "mark": mark,
    }

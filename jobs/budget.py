"""`budget`: what labels of a new set buy, in certainty about the accuracy and in points that come back."""

from dataclasses import field
from typing import TYPE_CHECKING

from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs import options
from gapscope.jobs.options import configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gapscope.blocks import Block
    from gapscope.core.location import Location
    from gapscope.evaluation.opened import Opened
    from gapscope.runs.result import RunResult
    from gapscope.runs.run import Run

JOB = "budget"


@configuration
class BudgetConfig(options.OnWorkers, options.Made):
    """Say what n labels of a new set buy: how well they measure the accuracy, and how many points they win back.

    From a pilot of labelled rows (stored labels, or a file): the width of the interval of n labels, plain and drawn by
    the model's confidence; and what heads fitted to n of them gain on the rest, beside the best that no label gives.

    python cli.py budget fit-incremental-cifar10-softmax --reference cifar10/test --target night/test --label-rows 500
    """

    run: options.Run = field(kw_only=False)
    target: options.Target
    reference: options.Reference
    model: options.ModelName = ""
    labels: options.Labels = ""
    label_rows: options.LabelRows = 0
    backbone: options.Backbone = ""


def run(config: BudgetConfig, progress: Progress = SILENT) -> "RunResult":
    """Fit to draws of the pilot, and write the curves."""
    import pyarrow as pa

    from gapscope.core.files import write_json
    from gapscope.core.location import Location
    from gapscope.evaluation.opened import open_model
    from gapscope.evaluation.stored import classes_of
    from gapscope.evaluation.training_sets import TrainingSets
    from gapscope.probes.model import RECORDED
    from gapscope.repairs import budget
    from gapscope.repairs.budget_page import page
    from gapscope.repairs.criterion import ROWS
    from gapscope.repairs.fit import chosen_without_labels, known_of, seen_of, with_signs, without_labels
    from gapscope.repairs.labelled import Rows
    from gapscope.repairs.memory import check_memory
    from gapscope.repairs.run import LabelsUsed, Sets, first_rows, labelled_rows
    from gapscope.repairs.seen import prepared
    from gapscope.runs.connection import connected
    from gapscope.runs.folder import opened
    from gapscope.store.comparable import check_comparable
    from gapscope.store.workspace import slug

    if bool(config.labels) == bool(config.label_rows):
        raise InputError(
            "a budget needs labels of one kind; name --labels FILE, or --label-rows N for N of the stored ones"
        )
    workspace = Location.of(config.workspace).absolute()
    named = {"--reference": config.reference, "--target": config.target}
    both = open_model(
        workspace, config.run, named, model=config.model, backbone=config.backbone, apart=True, alone=True
    ).once()
    folder, model, (reference, target), copies = both
    if model.rule.kind == RECORDED:
        return _from_predictions(config, workspace, both, page)
    check_comparable(reference, target)
    notes = [*TrainingSets(folder).check_reference(model.name, reference, target, force=False), *copies]
    sets = Sets.of(model, reference, target, tuple(classes_of(model, store)[0] for store in (reference, target)))
    labels = LabelsUsed(config.labels, config.label_rows)
    check_memory("a budget of labels", sets, labels, allowed=config.memory, threads=config.threads)
    name = slug(config.name or f"{folder.name}-{config.target}")
    known, fitted = map(first_rows, sets.views)
    with connected(config, progress) as workers, opened(workspace, JOB, name, config, both.inputs()) as made:
        with made.timed("fit"):
            seen = seen_of(model, fitted, workers, progress)
            free = without_labels(model, known_of(model, known, workers, progress), seen)
            free = with_signs(model, free, known, fitted)
            chosen = chosen_without_labels(free, min(fitted.rows, ROWS))
            head = next(one.head for one in free if one.name == chosen)
        with made.timed("draw"):
            chunk = labelled_rows(labels, sets, sets.views[1], workers)
            budget.check_pilot(len(chunk.y))
            rows, confidence = Rows(prepared(model, chunk.x), chunk.y), model.probabilities(chunk.x).max(axis=1)
            names = model.class_names
            spent = budget.budget(model.rule, head, model.temperature, rows, confidence, names, seed=config.seed)
        made.write_table("budget.parquet", pa.Table.from_pylist([one._asdict() for one in spent]))
        write_json(made.place / "about.json", {"target": target.name, "pilot": len(rows.y), "chosen": chosen})
        return made.finish([], notes=notes, page=page)


def _from_predictions(
    config: BudgetConfig, workspace: "Location", both: "Opened", page: "Callable[[Run], Sequence[Block]]"
) -> "RunResult":
    """What labels buy in certainty, of a model of which predictions alone are known."""
    import pyarrow as pa

    from gapscope.core.files import write_json
    from gapscope.repairs import budget
    from gapscope.runs.folder import opened
    from gapscope.store.workspace import slug

    pilot = budget.pilot_of(both.folder, both.model, both.stores[1], config.labels, config.label_rows)
    name = slug(config.name or f"{both.folder.name}-{config.target}")
    with opened(workspace, JOB, name, config, both.inputs()) as made:
        spent = [one._asdict() for one in budget.measured(pilot)]
        made.write_table("budget.parquet", pa.Table.from_pylist(spent))
        write_json(made.place / "about.json", {"target": both.stores[1].name, "pilot": pilot.n, "chosen": ""})
        return made.finish([], notes=both.notes, page=page)

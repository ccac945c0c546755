"""`repair`: a model that wins back what was lost on a new set, its price, and how sure that is."""

from dataclasses import field, replace
from typing import TYPE_CHECKING, Annotated

from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs import options
from gapscope.jobs.options import DATA, configuration, data_root, option

if TYPE_CHECKING:
    from gapscope.runs.result import RunResult

JOB, WITHOUT = "repair", "none"


@configuration
class RepairConfig(options.OnWorkers, options.Reported):
    """Repair a model for a new set, without labels or with a few, and save it as a model like any other.

    Repairs without labels (re-centring, scales, covariances, class shares) see the features of half of the target's
    rows, 100,000 at most; 20,000 of the others judge; heads of labels are anchored on the old head, and so is one of
    the reference after the cause that `explain` has named. One is chosen, often none: by target labels, with cross-
    fitting; else by the reference after the cause; else by what predictions say of the classes, how alike they are to
    the reference's, and what the repairs agree on. Rows that a repair was fitted to are not those it is judged on.
    Each has its price: points on the reference, labels, seconds. The model must be linear: softmax, logistic, ridge,
    lda, nearest-mean, or the last layer of a network.

    python cli.py repair fit-incremental-cifar10-softmax --reference cifar10/test --target night/test
    python cli.py repair fit-incremental-cifar10-softmax --target night/test --label-rows 100
    python cli.py repair fit-incremental-cifar10-softmax --target night/test --labels labels.csv
    python cli.py repair fit-incremental-cifar10-softmax --target night/test --explain none
    python cli.py repair fit-incremental-birds-softmax --target birds/val --label-rows 500 --groups background
    """

    run: options.Run = field(kw_only=False)
    target: options.Target
    reference: options.Reference = ""
    model: options.ModelName = ""
    labels: options.Labels = ""
    label_rows: options.LabelRows = 0
    explain: Annotated[str, option("Run of `explain` whose cause is used, or `none`; found if not given.", DATA)] = ""
    same_mix: Annotated[
        bool,
        option("Every class is as frequent in the target as in the reference: more is known without labels.", DATA),
    ] = False
    groups: Annotated[
        str,
        option(
            "Column of the target, brought or measured, that says which group an image is of (a camera, a site): with "
            "labels, the repair whose worst class in a group is best is chosen, and one is fitted to balanced groups.",
            DATA,
        ),
    ] = ""
    backbone: options.Backbone = ""


def run(config: RepairConfig, progress: Progress = SILENT) -> "RunResult":
    """Fit all repairs, choose one, judge it, and save the model."""
    from gapscope.core.location import Location
    from gapscope.evaluation.models import model_folder
    from gapscope.evaluation.opened import open_model, reference_of
    from gapscope.evaluation.stored import classes_of
    from gapscope.evaluation.training_sets import TrainingSets
    from gapscope.repairs.cause import explained, reproduced
    from gapscope.repairs.groups import Groups
    from gapscope.repairs.memory import check_memory
    from gapscope.repairs.page import page
    from gapscope.repairs.run import LabelsUsed, Sets, repaired
    from gapscope.reports.write import reported
    from gapscope.runs.connection import connected
    from gapscope.runs.folder import input_of, opened
    from gapscope.schemas.run import Input
    from gapscope.store.comparable import check_comparable
    from gapscope.store.workspace import slug

    if config.labels and config.label_rows:
        raise InputError("give --labels FILE or --label-rows, not both")
    workspace = Location.of(config.workspace).absolute()
    folder = model_folder(workspace, config.run, config.model)
    named = {"--reference": config.reference or reference_of(folder, config.target), "--target": config.target}
    both = open_model(workspace, config.run, named, model=config.model, backbone=config.backbone, apart=True).once()
    model, (reference, target) = both.model, both.stores
    check_comparable(reference, target)
    trained = TrainingSets(folder)
    notes = [*trained.check_reference(model.name, reference, target, force=False), *both.notes]
    classes = tuple(classes_of(model, store)[0] for store in (reference, target))
    sets = Sets.of(model, reference, target, classes)
    groups = Groups.of(target, config.groups) if config.groups else None
    if config.same_mix:
        sets.check_same_mix()
    labels = LabelsUsed(config.labels, config.label_rows)
    name = slug(config.name or f"{folder.name}-{config.target}")
    unknown = Input(place=str(folder), config_hash="", rows=model.details.get("rows", 0))
    inputs = [*(trained.inputs or [unknown]), *map(input_of, (reference, target))]
    config = replace(config, explain=config.explain or explained(workspace, folder, both.stores))
    proven = config.explain not in ("", WITHOUT)
    known = reproduced(workspace, config.explain, model, reference.name, target.name) if proven else None
    check_memory("a repair", sets, labels, allowed=config.memory, threads=config.threads, cause=known)
    with connected(config, progress) as workers, opened(workspace, JOB, name, config, inputs) as made:
        results = repaired(
            *(sets, labels, made, workers, progress),
            seed=config.seed,
            known_cause=known,
            same_mix=config.same_mix,
            groups=groups,
        )
        done = made.finish(results, notes=notes, page=page)
    return reported(done, wanted=config.report, data_root=data_root())

"""`refit-head`: the last layers of trained networks, trained again."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapscope.core.progress import SILENT, Progress
from gapscope.jobs import options
from gapscope.jobs.options import configuration

if TYPE_CHECKING:
    from gapscope.runs.result import RunResult

JOB = "refit-head"
# Options of the networks' run that readers of this one look for.
INHERITED = ("dataset", "split", "network", "epochs", "validation", "seed")


@configuration
class RefitHeadConfig:
    """Train the last layers of the networks of a finished run of train-cnn again (Kang et al. 2020).

    Features are those of each network's own training images, as they are; small classes get synthetic ones. The
    penalty is chosen on the network's own validation images; no test image takes part. Each new network is predicted
    and saved as train-cnn does it, so that every command that reads a network or its predictions reads these too.
    Killed and called again, the same command continues.

        python cli.py refit-head train-cnn-digits-simple-cnn
        python cli.py refit-head train-cnn-PHOTOS-resnet18 --method smote --settings neighbours=3
        python cli.py refit-head train-cnn-PHOTOS-resnet18 --method gaussian --balance 2x
    """

    run: options.Run = field(kw_only=False)
    method: options.RefitMethod = "none"
    balance: options.Balance = "to-max"
    settings: options.Settings = ()
    l2: options.L2 = None
    device: options.Device = "auto"
    memory: options.Memory = "2GB"
    workspace: options.Workspace = "workspace"
    data_root: options.OptionalDataRoot = None
    name: options.Name = ""
    report: options.WriteReport = True


@dataclass(frozen=True, kw_only=True)
class RecordedConfig(RefitHeadConfig):
    """The options as a run's manifest has them: with those of the networks' own run."""

    data_root: Path
    dataset: str
    split: str
    network: str
    epochs: int
    validation: float
    seed: int


def run(config: RefitHeadConfig, progress: Progress = SILENT) -> "RunResult":
    """Check all that is requested, then train the last layer of each network again and evaluate it."""
    from gapscope.cnn.refit.memory import check_memory
    from gapscope.cnn.refit.method import method_of
    from gapscope.cnn.refit.refit_run import RefitRun
    from gapscope.cnn.refit.run import refit_and_evaluate
    from gapscope.cnn.refit.source import source_run_of, test_sets
    from gapscope.core.location import Location
    from gapscope.reports.write import reported
    from gapscope.runs.folder import opened
    from gapscope.store.workspace import slug

    method = method_of(config.method, config.balance, config.settings, config.l2)
    source = source_run_of(config.workspace, config.run, config.data_root)
    check_memory(source, method, config.memory)
    inherited: dict[str, Any] = {name: source.options[name] for name in INHERITED}
    recorded = RecordedConfig(**asdict(config) | inherited | {"data_root": source.data_root})
    tests = test_sets(source)
    name = slug(config.name or f"{source.called}-{method.name} {method.balance}")
    with opened(Location.of(config.workspace).absolute(), JOB, name, recorded, source.inputs()) as folder:
        made = RefitRun(method, source, config.device, config.l2, folder, progress)
        result = refit_and_evaluate(made, tests)
    return reported(result, wanted=config.report, data_root=source.data_root)

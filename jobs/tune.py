"""`tune`: the best settings of classifiers, found from one read by dropping the poor ones early."""

from dataclasses import field
from typing import TYPE_CHECKING, ClassVar

from gapscope.core.budget import parse_bytes
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs import options
from gapscope.jobs.options import configuration
from gapscope.probes.options import ProbeOptions

if TYPE_CHECKING:
    from gapscope.runs.result import RunResult

JOB = "tune"


@configuration
class TuneConfig(options.Subset, options.OnWorkers, options.Made):
    """Find the best settings of a classifier, train it with them, and evaluate it on every companion set.

    Settings are trained side by side from one read and judged on held-out training rows alone; of softmax the poorer
    two thirds are dropped again and again, and the rest gets three times as many rows (successive halving). All
    settings are in results.parquet, the best are shown. Costs what 12 heads cost for all epochs.

        python cli.py tune --dataset cifar10
        python cli.py tune --dataset cifar10 --model softmax ridge lda
        python cli.py tune --dataset cifar10 --class-weight none balanced
    """

    dataset: options.DatasetName = field(kw_only=False)
    model: options.Probes = ("softmax",)
    split: options.Split = "train"
    backbone: options.Backbone = ""
    evaluate: options.Evaluate = ()
    leave_one_out: ClassVar[bool] = False
    class_weight: options.ClassWeights = ("none",)
    view: options.View = ""
    epochs: options.Epochs = 4
    holdout: options.Holdout = 0.1
    device: options.Device = "cpu"
    checkpoint_seconds: options.CheckpointSeconds = 30.0


def run(config: TuneConfig, progress: Progress = SILENT) -> "RunResult":
    """Train all settings, choose the best, predict and measure."""
    from gapscope.training.candidates import candidates_of
    from gapscope.training.run import run_training

    options = ProbeOptions(
        epochs=config.epochs,
        view=config.view,
        grid=True,
        halving=True,
        device=config.device,
        memory_bytes=parse_bytes(config.memory),
        seed=config.seed,
    )
    return run_training(JOB, config, candidates_of(config.model, config.class_weight, options), progress)

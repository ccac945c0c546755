"""The options of `refit-head`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


@dataclass(frozen=True, kw_only=True)
class RefitHeadConfig:
    """Keep what the networks of a finished run of train-cnn see, and learn their last layer again (Kang et al. 2020).

    Features are those of the images that each network learnt from, as they are; small classes get synthetic ones. The
    penalty is chosen on the network's own validation images; no test image takes part. Each new network is predicted
    and saved as train-cnn does it, so that every command that reads a network or its predictions reads these too.
    Killed and called again, the same command continues.

        python cli.py refit-head --run train-cnn-digits-simple-cnn
        python cli.py refit-head --run train-cnn-PHOTOS-resnet18 --method smote --settings neighbours=3
        python cli.py refit-head --run train-cnn-PHOTOS-resnet18 --method gaussian --balance 2x

    Attributes
    ----------
    run
        Run of train-cnn whose networks these are: its name in the workspace, or its folder.
    method
        none: the real features alone, the control for all others; class-balanced: rare classes count as much as
        frequent ones; smote, gaussian or feature-diffusion: synthetic features are added.
    balance
        to-max or to-median: every class has as many rows as the largest or the middle one; a number: at least so many;
        2x: twice as many new rows as a class has images.
    settings
        name=value of the method, such as neighbours=3 for smote or steps=2000 for feature-diffusion.
    l2
        Strength of the penalty; chosen on the validation images when not given, the usual one where there are none.
    device
        auto, cpu, cuda, cuda:N or mps.
    memory
        Features must fit into this; images are held in memory where the run of train-cnn did so.
    workspace
        Where runs are and go: a folder or an address such as s3://bucket/name.
    data_root
        Folder in which datasets are looked for; that of the run when not given.
    name
        Name of the run; those of the networks' run and the method when not given.
    report
        Write report.html into the run's folder.
    """

    run: str
    method: str = "none"
    balance: str = "to-max"
    settings: tuple[str, ...] = ()
    l2: float | None = None
    device: str = "auto"
    memory: str = "2GB"
    workspace: str = "workspace"
    data_root: Path | None = None
    name: str = ""
    report: Annotated[bool, Parameter(negative="--no-report")] = True

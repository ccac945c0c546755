"""The options as a run's manifest has them: with those of the networks' run that its readers look for."""

from dataclasses import dataclass, fields
from pathlib import Path

from gapscope.jobs.refit_head.config import RefitHeadConfig
from gapscope.jobs.refit_head.origin import Origin


@dataclass(frozen=True, kw_only=True)
class Settled(RefitHeadConfig):
    """What was asked for, and what the networks had learnt from before, and how.

    `predict` divides a dataset by this seed, and pages tell the set that was learnt from others.
    """

    data_root: Path
    dataset: str
    split: str
    network: str
    epochs: int
    validation: float
    seed: int


def settled(config: RefitHeadConfig, origin: Origin) -> Settled:
    """The options with what the run `origin` says."""
    given = {one.name: getattr(config, one.name) for one in fields(config)}
    known = {one.name: origin.options[one.name] for one in fields(Settled) if one.name not in given}
    return Settled(**given | known | {"data_root": origin.data_root})

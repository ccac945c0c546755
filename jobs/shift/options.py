"""The options of `shift`, refused where they have no meaning."""

from gapscope.core.errors import InputError, unknown_name
from gapscope.jobs.shift.config import ShiftConfig
from gapscope.shifts import SHIFTS


def statistics_of(config: ShiftConfig) -> list[str]:
    """Names in `SHIFTS`, those that read the sets again last.

    Raises
    ------
    InputError
        A name or an option is unknown, or nothing is left.
    """
    from gapscope.inference.multiplicity import CORRECTIONS  # here, because `--help` passes this module

    if config.correction not in CORRECTIONS:
        raise unknown_name("correction", config.correction, CORRECTIONS)
    if not config.target:
        raise InputError("no target to compare; name at least one set with --target dataset/split")
    for option in ("neighbours", "replicates"):
        if getattr(config, option) < 1:
            raise InputError(f"--{option} is {getattr(config, option)}; give 1 or more")
    names = list(dict.fromkeys(config.statistics or SHIFTS))
    slow = {name: SHIFTS[name].rereads for name in names}
    kept = [name for name in sorted(names, key=slow.get) if not (config.exclude_slow and slow[name])]
    if not kept:
        raise InputError(f"--exclude-slow leaves nothing of {', '.join(names)}; add a statistic such as moments")
    return kept

"""Keeps what a training has reached, or says that the disk is full."""

import errno
from collections.abc import Mapping
from typing import Any

from gapscope.core.checkpoint import Checkpoint
from gapscope.core.errors import StoppedError
from gapscope.networks.state import Arrays


class DiskFullError(StoppedError):
    """There was no room for a checkpoint; the one before it is still there."""


def save(checkpoint: Checkpoint, stage: str, arrays: Arrays, about: Mapping[str, Any]) -> None:
    """Keep what was reached after an epoch.

    Raises
    ------
    DiskFullError
        There is no room; what was kept before is untouched.
    """
    try:
        checkpoint.save(stage, arrays, about)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        mib = sum(array.nbytes for array in arrays.values()) / 2**20
        done = about["epoch"] - 1
        left = (
            f"that of epoch {done} is still there and the same command continues behind it" if done else "begin again"
        )
        raise DiskFullError(
            f"the disk is full: the checkpoint of epoch {about['epoch']} needs {mib:.1f} MiB; free some space, then "
            f"{left}"
        ) from error

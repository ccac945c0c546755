"""How much memory this process has used at most, and what becomes of memory that it frees."""

import ctypes
import resource
import sys
from functools import cache
from pathlib import Path

STATUS = Path("/proc/self/status")
# Parameters of mallopt(3) by their numbers in malloc.h: no block is mapped on its own (M_MMAP_MAX), up to 1 GiB of
# free memory stays at the end of the heap (M_TRIM_THRESHOLD), and new threads share the first heap (M_ARENA_MAX).
KEPT = {-4: 0, -1: 1 << 30, -8: 1}


def peak_bytes() -> int:
    """The largest resident set of this process so far.

    On Linux from the kernel's `VmHWM`: `getrusage` also counts the process that this one was started from.
    """
    if STATUS.exists():
        lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@cache
def keep_freed_memory() -> None:
    """Let the C library keep the memory that this process frees, and use it again; nothing where it is not glibc.

    A network's layers ask for the same few megabytes again and again. glibc maps and unmaps each large one, so that the
    kernel clears every page anew: from a sixth of the time of a forward pass to two thirds, in virtual machines and in
    Dask's workers most, whose MALLOC_TRIM_THRESHOLD_ makes it do so with small ones too. Peak memory
    grows by a tenth, with large batches by more. For jobs that compute networks; a stream of rows reads into buffers of
    its own.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is not None and hasattr(library, "mallopt"):
        for parameter, value in KEPT.items():
            library.mallopt(parameter, value)

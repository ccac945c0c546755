"""How many processors there are, and how many threads the linear algebra library may use."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


def processors() -> int:
    """Processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def blas_threads(count: int | None) -> Iterator[None]:
    """Let each call of the linear algebra library use `count` threads inside the block.

    Work that is already spread over threads asks for one: two products at a time on one core each beat two that fight
    for both; None leaves it as it is.
    """
    with _controller().limit(limits=count, user_api="blas"):
        yield

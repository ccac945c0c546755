"""Processes that start without the script of the user, which would run once more in each of them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

# What `multiprocessing` reads of the main module to import it in a new process.
READ = ("__file__", "__spec__")
_lock = Lock()
_inside: list[dict[str, Any]] = []


@contextmanager
def without_script() -> Iterator[None]:
    """Processes that start within do not import the main module: nothing that they do is defined there, and a script
    without ``if __name__ == "__main__":`` would begin again in each. May be entered again, also by other threads.
    """
    main = vars(sys.modules["__main__"])
    with _lock:
        _inside.append(_inside[0] if _inside else {name: main[name] for name in READ if name in main})
        main |= dict.fromkeys(_inside[0])
    try:
        yield
    finally:
        with _lock:
            kept = _inside.pop()
            if not _inside:
                main |= kept

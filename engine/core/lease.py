"""One writer for each folder: a lease says who works on it, and expires when nobody does any more."""

import contextlib
import fcntl
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gapscope.core.errors import BusyError
from gapscope.core.location import Location

LEASE = ".lease.json"
# A holder says so many seconds apart that it is alive, and is taken for dead when it has not for so long.
BEAT_SECONDS, STALE_SECONDS = 10.0, 60.0
# How long an object store may take to show which of two writers came last.
SETTLING_SECONDS = 0.3


class Holder(NamedTuple):
    """Who works on a folder.

    Attributes
    ----------
    host, process, born
        The machine, the process there, and when that process was started in the kernel's clock ticks: numbers of
        processes are used again. `born` is 0 where the system does not say.
    token
        Tells two leases of one process apart.
    since, beat
        When the work began and when the holder was last alive, in seconds since 1970.
    """

    host: str
    process: int
    born: int
    token: str
    since: float
    beat: float

    def is_alive(self, host: str, now: float) -> bool:
        """Whether the holder still works, as seen from `host`: there its process is looked for, elsewhere its beat."""
        if self.host == host:
            return _born(self.process) == self.born if self.born else _runs(self.process)
        return abs(now - self.beat) < STALE_SECONDS


class Lease:
    """The right to write into a folder, for as long as a ``with`` block lasts; half-written files of killed writers are
    removed from it first.

    On a file system that knows locks, two processes that come at the same moment cannot both have it. In an object
    store the one that wrote last has it, and the other notices within a fraction of a second.

    Parameters
    ----------
    place
        The folder; it is made.
    host
        The name of this machine.

    Raises
    ------
    BusyError
        Another process works on it; the message says which, and since when.
    """

    def __init__(self, place: Location, host: str = ""):
        self.place = place
        self.host = host or socket.gethostname()
        now = time.time()
        self._own = Holder(self.host, os.getpid(), _born(os.getpid()), secrets.token_hex(8), now, now)
        self._ended = threading.Event()
        self._lost: Holder | None = None

    def __enter__(self) -> "Lease":
        if self.place.is_local:
            Path(self.place.path).mkdir(parents=True, exist_ok=True)
        with _locked(self.place):
            self._refuse(self._holder())
            self._write(time.time())
        if not self.place.is_local:
            time.sleep(SETTLING_SECONDS)
            self._refuse(self._holder())
        self.place.tidy()
        self._beating = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._beating.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._beating.join()
        with _locked(self.place):
            holder = self._holder()
            if holder is not None and holder.token == self._own.token:
                (self.place / LEASE).delete()

    def check(self) -> None:
        """Refuse to go on when another process has taken the folder over, as it may from one that was long suspended.

        Raises
        ------
        BusyError
            It has.
        """
        if self._lost is not None:
            raise _busy(self.place, self._lost)

    def _refuse(self, holder: Holder | None) -> None:
        if holder is not None and holder.token != self._own.token and holder.is_alive(self.host, time.time()):
            raise _busy(self.place, holder)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            with contextlib.suppress(OSError), _locked(self.place):
                holder = self._holder()
                if holder is not None and holder.token != self._own.token:
                    self._lost = holder
                    return
                self._write(time.time())

    def _write(self, now: float) -> None:
        (self.place / LEASE).write_text(json.dumps(self._own._replace(beat=now)._asdict()))

    def _holder(self) -> Holder | None:
        return holder_of(self.place)


def holder_of(place: Location) -> Holder | None:
    """Who has the lease of the folder `place`, alive or not; None where nobody has."""
    try:
        return Holder(**json.loads((place / LEASE).read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):  # of a version that wrote other things, or damaged: nobody can be asked
        return None


def _busy(place: Location, holder: Holder) -> BusyError:
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder.since))
    return BusyError(
        f"{place} is being worked on by process {holder.process} on {holder.host} since {began}; wait until it "
        "ends, or stop it, and then run this again"
    )


@contextlib.contextmanager
def _locked(place: Location) -> Iterator[None]:
    """Nobody else on a file system with locks looks at the lease of `place` or changes it inside the block."""
    if not place.is_local or not Path(place.path).is_dir():
        yield
        return
    descriptor = os.open(place.path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _born(process: int) -> int:
    """When a process of this machine was started, in clock ticks since the kernel was; 0 where that is not known."""
    try:
        # The second field is the program's name in parentheses, which may hold spaces and parentheses.
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

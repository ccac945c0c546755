"""Which tasks of a cluster take far longer than all others of their kind, though their workers still report."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

# A task is far behind after so many seconds, if that is so many times as long as any other of its kind took.
LEAST_SECONDS, TIMES = 20.0, 10.0
# After so many times as long as that, its work is taken away, once: where it hangs again, it is the task and not the
# worker that is slow.
TAKEN_AFTER = 3.0


class Running(NamedTuple):
    """A task that a worker computes.

    Attributes
    ----------
    kind
        What tasks of the same work have in common.
    ended
        How many of these have ended.
    """

    worker: str
    key: str
    kind: str
    seconds: float
    ended: int


class Behind(NamedTuple):
    """A task that is far behind, how long any other of its kind took at most, and whether its work is taken away."""

    task: Running
    longest: float
    taken: bool


@dataclass
class Pace:
    """How long the tasks of each kind take, as far as it is seen from one check to the next.

    Attributes
    ----------
    between
        Seconds between two checks, by which an ended task may have gone on unseen.
    running
        The tasks at the last check.
    longest
        By kind, how long a task was seen at work before it ended.
    said, taken
        Tasks that have been found to be behind, and whose work was taken away.
    """

    between: float
    running: dict[str, Running] = field(default_factory=dict)
    longest: dict[str, float] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)

    def behind(self, running: list[Running]) -> Iterator[Behind]:
        """The tasks among those that run now which are found to be behind, or so far that they are taken away."""
        now = {one.key: one for one in running}
        for key, one in self.running.items():
            if key not in now and key not in self.taken:
                self.longest[one.kind] = max(self.longest.get(one.kind, 0.0), one.seconds)
        self.running = now
        for one in running:
            longest = self.longest.get(one.kind, 0.0) + self.between
            limit = max(LEAST_SECONDS, TIMES * longest)
            if not one.ended or one.seconds <= limit:
                continue
            taken = one.seconds > TAKEN_AFTER * limit and one.key not in self.taken
            if taken or one.key not in self.said:
                self.said.add(one.key)
                self.taken |= {one.key} if taken else set()
                yield Behind(one, longest, taken)

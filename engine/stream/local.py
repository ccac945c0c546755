"""The verbs on Dask's threaded scheduler, inside this process; a task that is alone needs no scheduler."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial as bind
from typing import TYPE_CHECKING, Any, ClassVar

from gapscope.core.threads import blas_threads
from gapscope.stream.schedule import Rounds
from gapscope.stream.shard import shard_chunks
from gapscope.stream.tree import reduced
from gapscope.stream.workers import UNNAMED, Shown

if TYPE_CHECKING:
    from dask.delayed import Delayed


@contextmanager
def local(threads: int) -> Iterator["LocalThreads"]:
    """Workers on `threads` threads; there is nothing to start or stop."""
    yield LocalThreads(threads)


@dataclass(frozen=True)
class LocalThreads:
    """`threads` tasks at a time, each with one thread of linear algebra."""

    threads: int
    shares_memory: ClassVar[bool] = True
    dashboard: ClassVar[str | None] = None
    memory_limit: ClassVar[int | None] = None

    def each(
        self, function: Callable[[Any], Any], items: Sequence[Any], done: Callable[[int], None], shown: Shown = UNNAMED
    ) -> list[Any]:
        """See `Workers.each`."""
        return self._compute(_tasks(function, items, done), list)

    def reduce(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        merge: Callable[[list[Any]], Any],
        done: Callable[[int], None],
        shown: Shown = UNNAMED,
    ) -> Any:
        """See `Workers.reduce`."""
        tasks = _tasks(function, items, done)
        return self._compute(tasks, lambda leaves: [reduced(leaves, lambda run, _place: _chain(run, merge))])[0]

    def _compute(
        self, tasks: list[Callable[[], Any]], graph: Callable[[list["Delayed"]], list["Delayed"]]
    ) -> list[Any]:
        """The values of a graph over the tasks; of one task its value, as Dask takes longer than small data."""
        with blas_threads(1 if self.threads > 1 else None):
            if len(tasks) == 1:
                return [tasks[0]()]
            from dask.base import compute  # here, because it takes longer to import than small data take
            from dask.delayed import delayed

            leaves = [delayed(task, pure=False)() for task in tasks]
            return list(compute(*graph(leaves), scheduler="threads", num_workers=self.threads))

    @contextmanager
    def rounds(
        self, rounds: Rounds, partial: Callable[[Any, Any], Any], first: int = 0, shown: Shown = UNNAMED
    ) -> Iterator[Callable[[int, Any], list[Any]]]:
        """See `Workers.rounds`. Each shard is an iterator that lives as long as the pass."""
        with ThreadPoolExecutor(self.threads, "read") as reader, ThreadPoolExecutor(self.threads, "compute") as pool:
            shards = [shard_chunks(rounds, shard, reader, first) for shard in range(rounds.shards)]

            def compute(_t: int, parameters: Any) -> list[Any]:
                with blas_threads(1):
                    values = pool.map(lambda shard: _apply(partial, parameters, next(shard)), shards)
                    return [value for value in values if value is not None]

            yield compute


def _apply(partial: Callable[[Any, Any], Any], parameters: Any, chunk: Any) -> Any:
    return None if chunk is None else partial(parameters, chunk)


def _chain(run: Sequence["Delayed"], merge: Callable[[list[Any]], Any]) -> "Delayed":
    """A run of summaries as one: each is merged as soon as those before it are, so that few wait in memory."""
    from dask.delayed import delayed

    total = run[0]
    for value in run[1:]:
        total = delayed(merge, pure=False)([total, value])
    return total


def _tasks(
    function: Callable[[Any], Any], items: Sequence[Any], done: Callable[[int], None]
) -> list[Callable[[], Any]]:
    def run(index: int, item: Any) -> Any:
        value = function(item)
        done(index)
        return value

    return [bind(run, index, item) for index, item in enumerate(items)]

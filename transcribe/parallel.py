"""Work on many items by threads, and by processes of which one may die: it costs the item it died of only."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any, Generic, TypeVar

from transcribe.errors import ClusterError

T = TypeVar("T")
R = TypeVar("R")

Tell = Callable[[Any], None]
Work = Callable[[Sequence[T], Tell], Iterator[R]]
"""Yields one result an item, in their order, and may tell something meanwhile."""

MOST_ITEMS = 256
"""Handed out at a time; so many are tried again in halves when a process dies."""


def ahead(work: Callable[[T], R], items: Iterable[T], n_threads: int) -> Generator[R, None, None]:
    """``work`` done by threads, in order, on two items a thread more than have been asked for."""
    pool = ThreadPoolExecutor(n_threads)
    running: deque[Future[R]] = deque()
    try:
        for item in items:
            running.append(pool.submit(work, item))
            if len(running) > 2 * n_threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class Lost(Generic[T]):
    """An item that its process died of."""

    item: T
    exit_code: int | None  # negative: the signal that killed it


def spread(items: Sequence[T], work: Work[T, R], n_processes: int, tell: Tell) -> Iterator[R | Lost[T]]:
    """Results in the order in which they are ready, of ``work`` done in up to ``n_processes`` processes.

    Items are handed out in lists, smaller and smaller, so that all processes end at about the same time. When
    one dies, the items whose results it owes are tried again in halves, until the one that kills it is alone.

    ``work`` and items are pickled into new processes (spawned: nothing is inherited), which live as long as
    there is something to do; what it tells is told here. What it raises is raised here and ends all;
    ``ClusterError`` when a process cannot even start.
    """
    pool = _Pool(items, work, n_processes)
    try:
        while pool.workers:
            for connection in wait([worker.connection for worker in pool.workers]):
                worker = next(w for w in pool.workers if w.connection is connection)
                try:
                    kind, value = worker.connection.recv()
                except (EOFError, ConnectionError):
                    yield from pool.bury(worker)
                    continue
                if kind == "result":
                    worker.held.popleft()
                    yield value
                elif kind == "told":
                    tell(value)
                elif kind == "raised":
                    raise value
                else:
                    pool.hand_out(worker)
    finally:
        for worker in pool.workers:
            worker.process.kill()
            worker.process.join()


class _Worker(Generic[T]):
    """A process, and the items that it has been given and not answered, in their order."""

    def __init__(self, work: Work[T, Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, far_end = context.Pipe()
        self.process = context.Process(target=_serve, args=(work, far_end), daemon=True)
        self.process.start()
        far_end.close()
        self.is_ready = False
        self.held: deque[T] = deque()


class _Pool(Generic[T, R]):
    """The processes, and what they have not been given yet."""

    def __init__(self, items: Sequence[T], work: Work[T, R], n_processes: int) -> None:
        self._work = work
        self._rest = deque(items)
        self._suspects: deque[list[T]] = deque()  # of processes that died
        self._n_processes = n_processes
        self.workers: list[_Worker[T]] = []
        for _ in range(min(n_processes, len(items))):
            self.workers.append(_Worker(work))

    def hand_out(self, worker: _Worker[T]) -> None:
        """Give an idle process its next items, or let it go."""
        worker.is_ready = True
        share = -(-len(self._rest) // (2 * self._n_processes))
        if self._suspects:
            worker.held.extend(self._suspects.popleft())
        else:
            worker.held.extend(self._rest.popleft() for _ in range(min(share, MOST_ITEMS)))
        try:
            worker.connection.send(list(worker.held))
        except ConnectionError:
            return  # it has died: reading from it will tell
        if not worker.held:
            self.workers.remove(worker)
            worker.process.join()

    def bury(self, worker: _Worker[T]) -> Iterator[Lost[T]]:
        """What a dead process held is tried again; alone, it is lost."""
        self.workers.remove(worker)
        worker.process.join()
        if not worker.is_ready:
            raise ClusterError(
                f"a process ended before it got any work (exit code {worker.process.exitcode}); "
                "a script that starts several must do so below if __name__ == '__main__'"
            )
        held = list(worker.held)
        if len(held) == 1:
            yield Lost(held[0], worker.process.exitcode)
        elif held:
            middle = len(held) // 2
            self._suspects.extend([held[:middle], held[middle:]])
        if self._suspects or self._rest:
            self.workers.append(_Worker(self._work))


def _serve(work: Work[Any, Any], connection: Any) -> None:
    """The life of a process: ask for items, answer each, until it is given none."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends us
    try:
        connection.send(("idle", None))
        while items := connection.recv():
            for result in work(items, lambda told: connection.send(("told", told))):
                connection.send(("result", result))
            connection.send(("idle", None))
    except (EOFError, ConnectionError):
        return  # whoever wants the results is gone
    except Exception as error:
        connection.send(("raised", error))

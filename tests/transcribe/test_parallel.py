"""Work by threads and processes: order, what dies, what is raised."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest

from transcribe.errors import ClusterError, ModelError
from transcribe.parallel import Lost, ahead, spread

Tell = Callable[[int], None]


def squares(numbers: Sequence[int], tell: Tell, deadly: Sequence[int] = (), how: int = 0) -> Iterator[int]:
    """Of each number; whoever works on a deadly one dies by the signal, or ends with 3."""
    for number in numbers:
        if number in deadly:
            os.kill(os.getpid(), how) if how else os._exit(3)
        tell(number)
        yield number * number


def refuse(numbers: Sequence[int], tell: Tell) -> Iterator[int]:
    raise ModelError("no weights")
    yield 0


class Unborn:
    """Work that cannot arrive in another process."""

    def __reduce__(self) -> tuple[object, tuple[()]]:
        return os._exit, (7,)

    def __call__(self, numbers: Sequence[int], tell: Tell) -> Iterator[int]:
        yield from numbers


def test_each_item_is_done_once_and_what_is_told_arrives() -> None:
    told: list[int] = []
    assert sorted(spread(range(50), squares, 3, told.append)) == [n * n for n in range(50)]
    assert sorted(told) == list(range(50))
    assert list(spread([], squares, 3, told.append)) == []


@pytest.mark.parametrize(("how", "exit_code"), [(signal.SIGKILL, -9), (0, 3)])
def test_whoever_dies_costs_the_items_it_died_of(how: int, exit_code: int) -> None:
    work = partial(squares, deadly=(3, 17), how=how)
    found = list(spread(range(20), work, 2, lambda _: None))
    lost = [one for one in found if isinstance(one, Lost)]
    assert sorted((one.item, one.exit_code) for one in lost) == [(3, exit_code), (17, exit_code)]
    assert sorted(one for one in found if isinstance(one, int)) == sorted(
        n * n for n in range(20) if n not in (3, 17)
    )


def test_what_a_process_raises_is_raised_here() -> None:
    with pytest.raises(ModelError, match="no weights"):
        list(spread(range(3), refuse, 2, lambda _: None))


def test_processes_that_cannot_start_end_it() -> None:
    with pytest.raises(ClusterError, match="exit code 7"):
        list(spread(range(3), Unborn(), 2, lambda _: None))


def test_who_stops_listening_leaves_no_process_behind() -> None:
    results = spread(range(10_000), squares, 2, lambda _: None)
    next(results)
    results.close()  # type: ignore[attr-defined]
    import multiprocessing

    assert multiprocessing.active_children() == []


def test_threads_keep_the_order_and_go_only_so_far_ahead() -> None:
    taken: list[int] = []
    gate = threading.Event()

    def endless() -> Iterator[int]:
        number = 0
        while True:
            taken.append(number)
            yield number
            number += 1

    def work(number: int) -> int:
        if number == 0:
            gate.wait(10)
        if number == 3:
            gate.set()
        return number * number

    results = ahead(work, endless(), 2)
    assert [next(results) for _ in range(6)] == [0, 1, 4, 9, 16, 25]
    results.close()
    assert len(taken) <= 6 + 2 * 2


def test_threads_raise_what_the_work_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        list(ahead(lambda n: 1 // n, [1, 0, 2], 2))

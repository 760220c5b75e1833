"""Work that waits for other processes, done by a few threads side by side."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(work: Callable[[T, int], R], things: Sequence[T], count: int) -> list[R]:
    """``work(thing, number of the thread)`` for all things, in their order; the first exception is raised.

    The threads are daemons: after Ctrl-C nothing is begun any more, and what is at work is not waited for.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(things)):
        waiting.put(index)
    done: dict[int, R] = {}
    failed: list[BaseException] = []
    stopped = threading.Event()

    def run(number: int) -> None:
        while not stopped.is_set():
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done[index] = work(things[index], number)
            except BaseException as error:
                failed.append(error)  # raised again by the caller's thread
                stopped.set()

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    with contextlib.ExitStack() as stack:
        stack.callback(stopped.set)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failed:
        raise failed[0]
    return [done[index] for index in range(len(things))]

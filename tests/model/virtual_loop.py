"""An event loop whose clock jumps to the next timer: minutes of waiting run in a moment.

Nothing in such a loop is real time and nothing comes from outside, so a run is the same each time.
Sockets, threads and subprocesses have no place here: with no timer set and no callback ready, the
loop would wait for ever, and says so instead.
"""

import asyncio
import selectors
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

NS = 1_000_000_000
# Far from what CLOCK_MONOTONIC says on a machine: nothing may take one clock for the other.
BEGIN_NS = 2_000_000 * NS
T = TypeVar("T")


class Stuck(RuntimeError):
    """Every task waits, and nothing is left that could wake one."""


class _NoWaiting(selectors.SelectSelector):
    """Where a real loop sleeps until a file is ready, time passes at once."""

    def __init__(self, pass_time: Callable[[float], None]) -> None:
        super().__init__()
        self._pass_time = pass_time

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Stuck("every task of the virtual loop waits and no timer is set")
        if timeout > 0:
            self._pass_time(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on a virtual clock, in whole nanoseconds from `start_ns`."""

    def __init__(self, start_ns: int = BEGIN_NS) -> None:
        self.now_ns = start_ns
        super().__init__(_NoWaiting(self._pass_time))

    def time(self) -> float:
        return self.now_ns / NS

    def _pass_time(self, seconds: float) -> None:
        # never less than a nanosecond: rounding must not keep a timer from its time
        self.now_ns += max(1, round(seconds * NS))


def virtual_ns() -> int:
    """Return the running virtual loop's time in nanoseconds; in a real loop CLOCK_MONOTONIC."""
    loop = asyncio.get_running_loop()
    return loop.now_ns if isinstance(loop, VirtualLoop) else time.monotonic_ns()


def run_virtual(main: Awaitable[T], limit_s: float = 3600.0) -> T:
    """Run `main` to its end on a virtual clock; TimeoutError after `limit_s` of virtual time."""

    async def limited() -> T:
        async with asyncio.timeout(limit_s):
            return await main

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(limited())

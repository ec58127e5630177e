"""Threads that run event loops or hot stages: started, named, pinned, and joined in one place."""

import asyncio
import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from arbitrage.core.loop import LoopPoller
from arbitrage.core.threads import (
    available_cores,
    current_tid,
    name_current_thread,
    pin_current_thread,
    tighten_timer_slack,
)

__all__ = ["HotThread", "LoopThread", "new_event_loop", "run_together", "spread_cores"]

# How long a loop's thread asks for the interpreter lock before whoever holds it has to give it up:
# Python's own 5 ms would be the tail of a frame that comes while the main thread beats.
SWITCH_S = 20e-6

_log = logging.getLogger(__name__)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a uvloop event loop where uvloop is installed, else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def run_together(*works: Coroutine[Any, Any, None]) -> None:
    """Run coroutines until all have ended; a failure of one ends the others, once.

    A cancellation from outside ends all; one that cancels itself ends alone.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


class HotThread:
    """One named, pinned thread that runs a function until it returns.

    Parameters
    ----------
    role : str
        Thread name as ``top -H`` shows it, at most 15 characters.
    core : int or None
        Core to pin to; None leaves the thread where the scheduler puts it.
    target : callable
        What to run; most targets enter compiled code and stay there without the interpreter lock.
    """

    def __init__(self, role: str, core: int | None, target: Callable[[], object]) -> None:
        self.role = role
        self.core = core
        self.tid = 0
        self.error: BaseException | None = None
        self._target = target
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name=role, daemon=True)

    def start(self) -> None:
        """Start the thread and wait until it runs, pinned and named."""
        self._thread.start()
        self._started.wait()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; return whether it came in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def is_alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.tid = current_tid()
            name_current_thread(self.role)
            tighten_timer_slack()
            self._pin()
            self._started.set()
            self._target()
        except BaseException as error:  # kept: the supervisor reports it and stops the trader
            self.error = error
            _log.debug("thread %s failed", self.role, exc_info=True)
        finally:
            self._started.set()

    def _pin(self) -> None:
        if self.core is None:
            return
        try:
            pin_current_thread(self.core)
        except OSError as error:
            _log.warning("%s runs unpinned: %s", self.role, error)
            self.core = None


class LoopThread(HotThread):
    """A pinned thread with an event loop of its own and a poller that decides how it waits.

    Parameters
    ----------
    main : coroutine function
        Takes this thread; the loop runs until it returns.
    """

    def __init__(
        self,
        role: str,
        core: int | None,
        main: Callable[["LoopThread"], Awaitable[Any]],
        *,
        loop_mode: str,
        spin_us: int,
    ) -> None:
        super().__init__(role, core, self._run_loop)
        self.loop = new_event_loop()
        self.poller = LoopPoller(self.loop, loop_mode, spin_us)
        self._main = main
        self._task: asyncio.Task[Any] | None = None

    def call(self, function: Callable[[], object]) -> None:
        """Run a function on the loop's thread soon. Any thread."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(function)

    def cancel(self) -> None:
        """Cancel the main coroutine. Any thread."""
        self.call(lambda: self._task.cancel() if self._task is not None else None)

    def _run_loop(self) -> None:
        sys.setswitchinterval(SWITCH_S)  # the process's
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._supervise())
        finally:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()

    async def _supervise(self) -> None:
        self._task = asyncio.ensure_future(self._main(self))
        self.poller.start()
        try:
            await self._task
        except asyncio.CancelledError:
            _log.debug("%s was asked to stop", self.role)
        finally:
            self.poller.stop()


def spread_cores(wanted: tuple[int, ...], count: int) -> list[int | None]:
    """Return a core for each of `count` threads from the wanted list, shared when it is short."""
    usable = [core for core in wanted if core in available_cores()]
    return [usable[index % len(usable)] if usable else None for index in range(count)]

"""The wish to stop, raised by a signal handler and waited for by the thread it interrupts."""

import asyncio
import logging
import queue
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import FrameType
from typing import Any, Protocol, TypeVar

__all__ = ["StopAsked", "StopFlag", "StopSignals"]

Found = TypeVar("Found")
_log = logging.getLogger(__name__)


class StopAsked(Exception):
    """A signal came before the trader was ready."""


class StopFlag:
    """Raised by a signal handler, waited for by the same thread.

    A `threading.Event` would not do: its `set` takes the lock that the interrupted `wait` may hold.
    A `SimpleQueue` may be put to from a signal handler at any moment.
    """

    def __init__(self) -> None:
        self._asked = False
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        """Ask for a stop."""
        self._asked = True
        self._bell.put(None)

    def nudge(self) -> None:
        """End the present `wait` early, without asking for a stop."""
        self._bell.put(None)

    def is_set(self) -> bool:
        """Whether a stop was asked for."""
        return self._asked

    def wait(self, timeout_s: float) -> bool:
        """Sleep until a stop is asked for, a nudge or the time is up; return whether to stop."""
        if not self._asked:
            with suppress(queue.Empty):
                self._bell.get(timeout=timeout_s)
        return self._asked


class Stoppable(Protocol):
    """What is needed of a trader."""

    @property
    def stop_asked(self) -> StopFlag: ...
    @property
    def is_silenced(self) -> bool: ...


class StopSignals:
    """SIGTERM and SIGINT ask for a stop, from before there is a trader to be stopped.

    A second one does not hurry the flattening.
    """

    def __init__(self) -> None:
        self._trader: Stoppable | None = None
        self._is_asked = False
        self._wake: Callable[[], object] | None = None

    def install(self) -> None:
        """Take both signals from now on. Main thread."""
        signal.signal(signal.SIGTERM, self._take)
        signal.signal(signal.SIGINT, self._take)

    def hand_to(self, trader: Stoppable) -> None:
        """Have this trader stopped, also for a signal that came before it was there."""
        self._trader = trader
        if self._is_asked:
            trader.stop_asked.set()

    def check(self) -> None:
        """Raise `StopAsked` when a signal has come."""
        if self._is_asked:
            raise StopAsked

    def run(self, work: Coroutine[Any, Any, Found]) -> Found:
        """Run a coroutine to its end; a signal cancels it.

        Raises
        ------
        StopAsked
            A signal came before it or meanwhile.
        """
        return asyncio.run(self._run(work))

    async def _run(self, work: Coroutine[Any, Any, Found]) -> Found:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
        self._wake = lambda: loop.call_soon_threadsafe(task.cancel)
        try:
            if self._is_asked:
                task.cancel()
            return await task
        except asyncio.CancelledError:
            self.check()
            raise
        finally:
            self._wake = None

    def _take(self, number: int, _frame: FrameType | None) -> None:
        does = "stopping before trading"
        if self._trader is not None:
            does = "closing every pair, then stopping"
            if self._trader.is_silenced:
                does = "killed, so nothing is closed; stopping"
        _log.info("%s: %s", signal.Signals(number).name, does)
        self._is_asked = True
        if self._trader is not None:
            self._trader.stop_asked.set()
        elif self._wake is not None:
            self._wake()

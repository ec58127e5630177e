"""Threads with an event loop: how they share the interpreter with the others."""

import sys

import pytest

from arbitrage.runtime.threads import SWITCH_S, LoopThread


def test_a_loop_does_not_wait_pythons_time_for_the_interpreter_lock() -> None:
    """The main thread beats in Python: a frame that comes meanwhile must not wait 5 ms for it."""
    found: list[float] = []

    async def main(_thread: LoopThread) -> None:
        found.append(sys.getswitchinterval())

    before_s = sys.getswitchinterval()
    thread = LoopThread("feed", None, main, loop_mode="block", spin_us=50)
    try:
        thread.start()
        assert thread.join(30.0)
    finally:
        sys.setswitchinterval(before_s)
    assert thread.error is None
    assert found == [pytest.approx(SWITCH_S)]
    assert SWITCH_S <= 50e-6

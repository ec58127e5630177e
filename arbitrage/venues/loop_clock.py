"""The clock of everything that waits: the event loop's own, so that its owner may choose it.

Deadlines and timers then agree, whatever the loop: real ones run on CLOCK_MONOTONIC, a loop with a
virtual clock runs hours of waiting in a moment. Stamps of frames and orders are CLOCK_MONOTONIC.
"""

import asyncio
import time

__all__ = ["loop_ns", "loop_s"]


def loop_s() -> float:
    """Return the running loop's time in seconds; without a loop CLOCK_MONOTONIC."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()


def loop_ns() -> int:
    """Return the running loop's time in nanoseconds."""
    return int(loop_s() * 1e9)

"""While a host does not answer, one of its connections tries often and the others wait for it.

Every connection of a loop to one host fails together when the venue is down, and comes back
together. So one of them probes with short pauses, the others with long ones, and the first that is
let in wakes the rest: attempts stay few however many connections there are, and all are back soon.
A probe holds its part for a limited time, and a host that answers one path is asked on all.
"""

import asyncio
import random
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

__all__ = ["HostGate", "host_gate"]

# Those that are woken together spread their attempts over so long.
WAKE_SPREAD_S = 0.25


class HostGate:
    """What the connections of one loop to one host know together. One loop."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()
        self._prober: object | None = None
        self._until_s = 0.0
        self._waiting: set[asyncio.Event] = set()

    def may_probe(self, who: object, now_s: float, until_s: float) -> bool:
        """Make `who` the one that tries often, until it is let in, leaves, or `until_s` passes."""
        if self._prober not in (None, who) and now_s < self._until_s:
            return False
        self._prober, self._until_s = who, until_s
        return True

    def answered(self) -> None:
        """Say that the host let a connection in: whoever waits tries again."""
        self._prober = None
        for woken in self._waiting:
            woken.set()

    def leave(self, who: object) -> None:
        """Say that `who` tries no more; if it was the one that probed, the others are woken."""
        if self._prober is who:
            self.answered()

    async def wait(self, delay_s: float, stopping: asyncio.Event) -> None:
        """Wait for so long, or until the host answers another or `stopping` is set."""
        woken = asyncio.Event()
        self._waiting.add(woken)
        ends = [asyncio.ensure_future(event.wait()) for event in (woken, stopping)]
        try:
            await asyncio.wait(ends, timeout=delay_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting.discard(woken)
            for end in ends:
                end.cancel()
        if woken.is_set() and not stopping.is_set():
            try:
                async with asyncio.timeout(self._rng.uniform(0.0, WAKE_SPREAD_S)):
                    await stopping.wait()
            except TimeoutError:
                return


_gates: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, HostGate]]" = WeakKeyDictionary()


def host_gate(url: str) -> HostGate:
    """Return the running loop's gate of a URL's host and port."""
    gates = _gates.setdefault(asyncio.get_running_loop(), {})
    return gates.setdefault(urlsplit(url).netloc, HostGate())

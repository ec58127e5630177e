"""What a trader uses of the machine: processor time by thread, context switches, allocations.

From ``/proc``, over the last two seconds: a thread's time is counted in hundredths of a second, so
a shorter window would say little. However many scrape, one meter a trader measures for all.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from arbitrage.cold.metrics.snapshot import Snapshot

__all__ = ["ProcessMeter", "Usage", "Window"]

WINDOW_S = 2.0
SAMPLE_S = 0.25  # between two samples, whoever asks how often
FEED_ROLES = ("feed", "gateway")  # by their beginning
_TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
STRATEGY_ROLES = ("strategy", "fused")


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a trader uses; None where it was not measured, percent of one core.

    Attributes
    ----------
    threads : dict of str to float
        By role.
    strategy : float or None
        Of the thread that runs the strategy; with inline stages it is the feed thread's.
    websockets : float or None
        Of all threads that hold sockets of venues, feeds and gateways together.
    process : float or None
        Of the trader's process.
    system : float or None
        Of the whole machine, percent of all cores.
    context_switches : int
        Of the threads in the thread table since they were first seen, both kinds.
    allocations_per_s : float or None
        Of all paths together.
    """

    threads: dict[str, float] = {}
    strategy: float | None = None
    websockets: float | None = None
    process: float | None = None
    system: float | None = None
    context_switches: int = 0
    allocations_per_s: float | None = None


class Window:
    """How fast a number grows, over the last seconds."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._samples: deque[tuple[float, float]] = deque()

    def add(self, at_s: float, value: float) -> None:
        """Take a sample; one that is less than the last begins anew."""
        if self._samples and value < self._samples[-1][1]:
            self._samples.clear()
        self._samples.append((at_s, value))
        while len(self._samples) > 2 and at_s - self._samples[1][0] >= self._window_s:
            self._samples.popleft()

    @property
    def per_s(self) -> float | None:
        """Growth a second; None before there are two samples."""
        if len(self._samples) < 2:
            return None
        (first_s, first), (last_s, last) = self._samples[0], self._samples[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else None


class ProcessMeter:
    """Measure what one trader uses, from look to look.

    Threads: one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sampled_s = -1e9
        self._pid = 0
        self._windows: dict[str, Window] = {}
        self._switches: dict[int, int] = {}  # by tid, those that ended among them

    def look(self, shot: Snapshot) -> Usage:
        """Sample, where the last sample is old enough, and return what is used."""
        if shot.pid != self._pid:
            self._pid = shot.pid
            self._windows.clear()
            self._switches.clear()
            self._sampled_s = -1e9
        now_s = self._clock()
        if now_s - self._sampled_s >= SAMPLE_S:
            self._sampled_s = now_s
            self._sample(now_s, shot)
        shares = {row.role: self._percent(f"thread {row.tid}") for row in shot.threads}
        threads = {role: share for role, share in shares.items() if share is not None}
        rate = self._windows.get("allocations")
        return Usage(
            threads=threads,
            strategy=_strategy_share(threads),
            websockets=_sum(
                share for role, share in threads.items() if role.startswith(FEED_ROLES)
            ),
            process=self._percent("process"),
            system=self._system(),
            context_switches=sum(self._switches.values()),
            allocations_per_s=None if rate is None else rate.per_s,
        )

    def _sample(self, now_s: float, shot: Snapshot) -> None:
        self._add("process", now_s, _cpu_ticks(f"/proc/{shot.pid}/stat"))
        for row in shot.threads:
            # a feed process' thread is of another process: found by its own number
            place = f"/proc/{row.tid}/task/{row.tid}"
            self._add(f"thread {row.tid}", now_s, _cpu_ticks(f"{place}/stat"))
            count = _context_switches(f"{place}/status")
            if count is not None:
                self._switches[row.tid] = count
        busy, total = _system_ticks()
        self._add("system busy", now_s, busy)
        self._add("system total", now_s, total)
        if shot.allocations is not None:
            self._add("allocations", now_s, sum(shot.allocations.values()))

    def _add(self, name: str, now_s: float, value: int | None) -> None:
        if value is None:
            self._windows.pop(name, None)
        else:
            self._windows.setdefault(name, Window()).add(now_s, value)

    def _percent(self, name: str) -> float | None:
        window = self._windows.get(name)
        per_s = None if window is None else window.per_s
        return None if per_s is None else 100.0 * per_s / _TICKS_PER_S

    def _system(self) -> float | None:
        busy, total = self._percent("system busy"), self._percent("system total")
        return None if busy is None or not total else min(100.0, 100.0 * busy / total)


def _strategy_share(threads: dict[str, float]) -> float | None:
    for role in STRATEGY_ROLES:
        if role in threads:
            return threads[role]
    return threads.get("feed")


def _sum(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) if found else None


def _cpu_ticks(path: str) -> int | None:
    """Return utime + stime of a stat file; the name in brackets may hold spaces."""
    try:
        with open(path, "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
        return int(fields[11]) + int(fields[12])
    except (OSError, IndexError, ValueError):
        return None


def _system_ticks() -> tuple[int | None, int | None]:
    """Return the busy and all ticks of the machine's cores since it was started."""
    try:
        with open("/proc/stat", "rb") as stat:
            fields = [int(text) for text in stat.readline().split()[1:9]]
    except (OSError, ValueError):
        return None, None
    return sum(fields) - fields[3] - fields[4], sum(fields)  # without idle and waiting for disks


def _context_switches(path: str) -> int | None:
    """Return the context switches of a thread, voluntary and not."""
    try:
        with open(path, "rb") as status:
            lines = status.read().splitlines()
        return sum(int(line.split()[1]) for line in lines if b"ctxt_switches" in line)
    except (OSError, IndexError, ValueError):
        return None


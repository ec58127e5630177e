"""What the machine did to a run: stolen time, lost time of a thread that only reads the clock."""

import ctypes
import resource
import threading
import time
from dataclasses import dataclass
from types import TracebackType

from benchmarks.native import load

__all__ = ["LOST_MAX_PCT", "STEAL_MAX_PCT", "Noise", "Weather", "cpu_times", "pin"]

STEAL_MAX_PCT = 2.0
LOOK_NS = 50_000_000  # the meter's moment, where a question calls it in its pauses
LOST_MAX_PCT = 2.0
SWITCHES_MAX_PER_S = 1000.0  # of all our threads, where no core was free for the meter


def pin(core: int) -> None:
    """Pin the calling thread."""
    from arbitrage.core.threads import pin_current_thread

    pin_current_thread(core)


def cpu_times() -> tuple[int, int]:
    """Return (stolen, all) clock ticks of the whole machine."""
    with open("/proc/stat") as stat:
        fields = [int(word) for word in stat.readline().split()[1:9]]
    return fields[7], sum(fields)


@dataclass(frozen=True)
class Weather:
    """The conditions of one run."""

    steal_pct: float | None
    switches: int  # times the scheduler took a core from one of our threads
    meter: str  # core of the hiccup meter, or why there was none
    hiccup_p9999_ns: int | None
    hiccup_max_ns: int | None
    hiccup_lost_pct: float | None  # of the time, in gaps over a microsecond
    hiccup_p99_ns: int | None = None  # the wait that one in a hundred moments exceeds
    seconds: float = 0.0

    @property
    def noisy(self) -> bool:
        return bool(self.noise)

    @property
    def noise(self) -> str:
        """What makes a run no evidence about us; empty when nothing does."""
        found = []
        if self.steal_pct is not None and self.steal_pct > STEAL_MAX_PCT:
            found.append(f"{self.steal_pct:.1f} % stolen by the hypervisor")
        if self.hiccup_lost_pct is not None and self.hiccup_lost_pct > LOST_MAX_PCT:
            found.append(f"{self.hiccup_lost_pct:.1f} % of the meter's time lost")
        if self.hiccup_lost_pct is None and self._switches_per_s > SWITCHES_MAX_PER_S:
            found.append(f"preempted {self._switches_per_s:,.0f} times a second")
        return ", ".join(found)

    @property
    def text(self) -> str:
        """Say it in a line."""
        steal = "unknown" if self.steal_pct is None else f"{self.steal_pct:.2f} %"
        hiccups = self.meter
        if self.hiccup_max_ns is not None and self.hiccup_lost_pct is not None:
            hiccups = (
                f"hiccups on {self.meter}: p99 {self.hiccup_p99_ns} ns, p99.99 of the gaps "
                f"{self.hiccup_p9999_ns} ns, max {self.hiccup_max_ns / 1000:,.0f} us, "
                f"{self.hiccup_lost_pct:.2f} % of the time lost"
            )
        return f"steal {steal}; {hiccups}; preempted {self.switches} times"

    @property
    def badness(self) -> float:
        """Grows with the noise, to choose the calmest of several runs."""
        lost = self.hiccup_lost_pct
        if lost is None:
            lost = self._switches_per_s / SWITCHES_MAX_PER_S
        return (self.steal_pct or 0.0) + lost

    @property
    def _switches_per_s(self) -> float:
        return self.switches / self.seconds if self.seconds else 0.0


class Noise:
    """Watch the machine while a question is measured.

    The meter has a core of its own, or None, and then only looks when it is called.
    """

    def __init__(self, meter_core: int | None) -> None:
        self._core = meter_core
        self._library = load("hiccup")
        self._library.hiccup_lost_share.restype = ctypes.c_double
        self._library.hiccup_value.restype = ctypes.c_int64
        self._library.hiccup_wait.restype = ctypes.c_int64
        for name in ("hiccup_value", "hiccup_wait"):
            getattr(self._library, name).argtypes = [ctypes.c_void_p, ctypes.c_double]
        self._library.hiccup_new.restype = ctypes.c_void_p
        self._library.hiccup_look.argtypes = [ctypes.c_void_p, ctypes.c_int64]
        self._looks = 0
        for name in ("hiccup_run", "hiccup_stop", "hiccup_free", "hiccup_lost_share"):
            getattr(self._library, name).argtypes = [ctypes.c_void_p]
        self.weather: Weather | None = None

    def __enter__(self) -> "Noise":
        self._meter = ctypes.c_void_p(self._library.hiccup_new())
        self._thread: threading.Thread | None = None
        if self._core is not None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        self._before, self._began_s = cpu_times(), time.monotonic()
        self._switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
        return self

    def look(self) -> None:
        """Run the meter here for a moment; only where it has no core of its own."""
        if self._core is None:
            self._looks += 1
            self._library.hiccup_look(self._meter, LOOK_NS)

    def _run(self) -> None:
        pin(self._core or 0)
        self._library.hiccup_run(self._meter)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        stolen, total = (now - was for now, was in zip(cpu_times(), self._before, strict=True))
        switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - self._switches
        self._library.hiccup_stop(self._meter)
        metered = self._thread is not None or self._looks > 0
        where = f"core {self._core}" if self._looks == 0 else "the first core, between windows"
        if self._thread is not None:
            self._thread.join()
        value, meter = self._library.hiccup_value, self._meter
        self.weather = Weather(
            100.0 * stolen / total if total else None,
            switches,
            where if metered else "no core was free for the hiccup meter",
            value(meter, 0.9999) if metered else None,
            value(meter, 1.0) if metered else None,
            100.0 * self._library.hiccup_lost_share(meter) if metered else None,
            self._library.hiccup_wait(meter, 0.99) if metered else None,
            time.monotonic() - self._began_s,
        )
        self._library.hiccup_free(meter)

"""One trader watched: attached across its restarts, and what is wrong with it, if anything."""

import time
from collections.abc import Callable
from typing import Any

from arbitrage.cold.attached import HEARTBEAT_LATE_S, Attached
from arbitrage.cold.metrics import ProcessMeter, Snapshot, read_snapshot
from arbitrage.core.segment import Segment

__all__ = ["Watch", "health_of_all"]

VENUE_DEAD_S = 5.0
QUEUE_FULL_PERCENT = 90.0


class Watch:
    """Keep one trader's segment attached, from its first start on and across its restarts.

    Parameters
    ----------
    name : str
        Name of the segment.
    attach : callable
        Attaches it read-only by name; raises `SegmentError` when there is none.
    read : callable
        Reads a snapshot of it.
    clock : callable
        Seconds, for tests.
    """

    def __init__(
        self,
        name: str,
        attach: Callable[[str], Segment],
        read: Callable[[Segment], Snapshot] = read_snapshot,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.meter = ProcessMeter(clock)
        self.status = "unknown"
        self.since_wall_ns = 0  # the status is this one
        self._attached = Attached(name, attach)
        self._read = read
        self._clock = clock
        self._pid = 0
        self._live_s: dict[str, float] = {}  # venue -> when a row of it was last seen LIVE
        self.reasons: list[str] = []

    def look(self) -> Snapshot | None:
        """Return a snapshot of the running trader, None when there is none.

        `reasons` says why the trader is not healthy; it is empty when it is.
        """
        view = self._attached.view()
        if view is None:
            self.reasons = [self._attached.why_not]
            self._is_now("down")
            return None
        shot = self._read(view)
        self.meter.look(shot)
        self.reasons = [*self._trader_reasons(shot), *self._venue_reasons(shot)]
        self._is_now("degraded" if self.reasons else "healthy")
        return shot

    def _is_now(self, status: str) -> None:
        if status != self.status:
            self.status, self.since_wall_ns = status, time.time_ns()

    @staticmethod
    def _trader_reasons(shot: Snapshot) -> list[str]:
        found = []
        if shot.is_starting:  # its main thread connects, and beats afterwards
            found.append(f"the trader is starting, for {shot.uptime_s:.0f} s so far")
        elif shot.heartbeat_age_s > HEARTBEAT_LATE_S:
            found.append(f"the trader's heartbeat is {shot.heartbeat_age_s:.1f} s old")
        if shot.killed:
            how = "" if shot.kill_reason == "none" else f" ({shot.kill_reason})"
            found.append(f"the kill switch is set{how}")
        for kind, queue in shot.queues.items():
            if queue.utilization_percent >= QUEUE_FULL_PERCENT:
                found.append(f"the {kind} queue is {queue.utilization_percent:.0f} % full")
        return found

    def _venue_reasons(self, shot: Snapshot) -> list[str]:
        if shot.pid != self._pid:
            self._pid = shot.pid
            self._live_s.clear()
        now_s, found = self._clock(), []
        for venue, feed in shot.feeds.items():
            if not feed.rows_by_state or feed.rows_by_state.get("LIVE"):
                self._live_s[venue] = now_s
                continue
            # at the first look, its last quote is the best that is known
            silent_s = shot.uptime_s if feed.age_s is None else feed.age_s
            dead_s = now_s - self._live_s.setdefault(venue, now_s - silent_s)
            if dead_s > VENUE_DEAD_S:
                states = ", ".join(f"{n} {state}" for state, n in feed.rows_by_state.items())
                found.append(f"{venue}: no row has been LIVE for {dead_s:.0f} s ({states})")
        return found

    def health(self) -> dict[str, Any]:
        """Look, and return what ``/health`` says of this trader."""
        shot = self.look()
        body: dict[str, Any] = {
            "status": self.status,
            "uptime_seconds": None if shot is None else round(shot.uptime_s, 3),
            "market_queue_utilization_percent": _utilization(shot, "market"),
            "order_queue_utilization_percent": _utilization(shot, "order"),
            "reasons": self.reasons,
            "since_wall_ns": self.since_wall_ns,
            "segment": self.name,
        }
        if shot is not None:
            body |= {
                "mode": shot.mode,
                "pid": shot.pid,
                "heartbeat_age_s": round(shot.heartbeat_age_s, 3),
                "venues": {
                    venue: {
                        "frames": feed.frames,
                        "malformed": feed.malformed,
                        "age_s": None if feed.age_s is None else round(feed.age_s, 3),
                        "rows": feed.rows_by_state,
                    }
                    for venue, feed in shot.feeds.items()
                },
            }
        return body


def _utilization(shot: Snapshot | None, kind: str) -> float | None:
    queue = shot.queues.get(kind) if shot else None
    return round(queue.utilization_percent, 3) if queue else None


def health_of_all(bodies: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return several traders' healths as one: the worst of each figure, every reason by name."""

    def known(name: str) -> list[float]:
        return [body[name] for body in bodies.values() if body[name] is not None]

    statuses = [body["status"] for body in bodies.values()]
    return {
        "status": next((word for word in ("down", "degraded") if word in statuses), "healthy"),
        "uptime_seconds": min(known("uptime_seconds"), default=None),
        **{
            f"{kind}_queue_utilization_percent": max(
                known(f"{kind}_queue_utilization_percent"), default=None
            )
            for kind in ("market", "order")
        },
        "reasons": [
            f"{name}: {reason}" for name, body in bodies.items() for reason in body["reasons"]
        ],
        "traders": bodies,
    }

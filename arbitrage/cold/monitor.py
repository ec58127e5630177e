"""The monitor: a small HTTP server beside the trader with a page, ``/metrics`` and ``/health``.

It listens on loopback by default; another address needs a token. Who may ask is in `web_guard`.
"""

import asyncio
import ipaddress
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from arbitrage.cold.deck import DeckReader
from arbitrage.cold.metrics import Snapshot, exposition, read_snapshot
from arbitrage.cold.web_app import Reader, mount_page
from arbitrage.cold.web_guard import guard_app
from arbitrage.core.segment import Segment
from arbitrage.errors import ArbitrageError, ConfigError, SegmentError
from arbitrage.secret import Secret

__all__ = ["Watch", "build_app", "is_loopback", "serve"]

HEARTBEAT_LATE_S = 2.0
VENUE_DEAD_S = 5.0
QUEUE_FULL_PERCENT = 90.0
LOOK_S = 0.5  # between looks of our own, so that a dead venue is timed without anybody asking
TOKEN_CHARACTERS_MIN = 16
_log = logging.getLogger("arbitrage.monitor")


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
        self._attach = attach
        self._read = read
        self._clock = clock
        self._view: Segment | None = None  # until the first look that finds a trader
        self._pid = 0
        self._live_s: dict[str, float] = {}  # venue -> when a row of it was last seen LIVE
        self.reasons: list[str] = []

    def look(self) -> Snapshot | None:
        """Return a snapshot of the running trader, None when there is none.

        `reasons` says why the trader is not healthy; it is empty when it is.
        """
        try:
            if self._view is None or not self._view.alive:
                self._view = self._attach(self.name)
            if not self._view.alive:
                self.reasons = [f"the trader (pid {self._view.pid}) has ended"]
                return None
            shot = self._read(self._view)
        except SegmentError as error:
            self._view = None
            self.reasons = [str(error)]
            return None
        self.reasons = [*self._trader_reasons(shot), *self._venue_reasons(shot)]
        return shot

    @staticmethod
    def _trader_reasons(shot: Snapshot) -> list[str]:
        found = []
        if shot.is_starting:  # its main thread connects, and beats afterwards
            found.append(f"the trader is starting, for {shot.uptime_s:.0f} s so far")
        elif shot.heartbeat_age_s > HEARTBEAT_LATE_S:
            found.append(f"the trader's heartbeat is {shot.heartbeat_age_s:.1f} s old")
        if shot.killed:
            found.append("the kill switch is set")
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


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _utilization(shot: Snapshot | None, kind: str) -> float | None:
    queue = shot.queues.get(kind) if shot else None
    return round(queue.utilization_percent, 3) if queue else None


def _health(shot: Snapshot | None, watch: Watch) -> dict[str, Any]:
    status = "down" if shot is None else "degraded" if watch.reasons else "healthy"
    body: dict[str, Any] = {
        "status": status,
        "uptime_seconds": None if shot is None else round(shot.uptime_s, 3),
        "market_queue_utilization_percent": _utilization(shot, "market"),
        "order_queue_utilization_percent": _utilization(shot, "order"),
        "reasons": watch.reasons,
        "segment": watch.name,
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


async def _keep_looking(watch: Watch) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        watch.look()


def build_app(
    watch: Watch, token: Secret | None = None, readers: Sequence[Reader] = ()
) -> web.Application:
    """Return the application; `token` None trusts loopback, without `readers` there is no page."""
    render = exposition(watch.look)

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=render(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def health(_request: web.Request) -> web.Response:
        shot = watch.look()
        body = _health(shot, watch)
        return web.json_response(body, status=200 if body["status"] == "healthy" else 503)

    async def looking(_app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(_keep_looking(watch))
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    app = guard_app(token)
    app.cleanup_ctx.append(looking)
    app.router.add_get("/metrics", metrics, allow_head=False)
    app.router.add_get("/health", health, allow_head=False)
    if readers:
        mount_page(app, {reader.name: reader for reader in readers})
    return app


async def _run(app: web.Application, host: str, port: int) -> None:
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            reason = "the port is in use" if error.errno == 98 else error.strerror
            raise ArbitrageError(
                f"cannot listen on {host}:{port}: {reason}; choose another --port"
            ) from None
        bound = runner.addresses[0][1]
        shown = f"[{host}]" if ":" in host else host
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        _log.info("serving http://%s:%d/ with /metrics and /health", shown, bound)
        sys.stderr.flush()
        await stop.wait()
    finally:
        await runner.cleanup()


def serve(
    name: str,
    host: str,
    port: int,
    token: Secret | None,
    attach: Callable[[str], Segment],
) -> int:
    """Serve until SIGTERM or Ctrl-C; a trader that does not run yet is waited for.

    Raises
    ------
    ArbitrageError
        When the address cannot be listened on.
    """
    if not is_loopback(host):
        if token is None:
            raise ConfigError(
                f"--host was {host!r}, which others can reach; set ARB_MONITOR_TOKEN or stay on "
                "127.0.0.1"
            )
    else:
        token = None
    if token is not None and len(token.reveal()) < TOKEN_CHARACTERS_MIN:
        raise ConfigError(f"ARB_MONITOR_TOKEN is shorter than {TOKEN_CHARACTERS_MIN} characters")
    watch = Watch(name, attach)
    if watch.look() is None:
        _log.warning("%s; /health is 503 until it runs", "; ".join(watch.reasons))
    app = build_app(watch, token, [DeckReader(name, attach)])
    asyncio.run(_run(app, host, port))
    return 0

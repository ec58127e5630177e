"""The monitor: a small HTTP server beside the trader with ``/metrics`` and ``/health``.

It listens on loopback by default and answers only requests whose Host header names loopback, so
that a web page cannot reach it under another name (DNS rebinding). Another address needs a token.
"""

import asyncio
import hmac
import ipaddress
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from arbitrage.cold.metrics import Snapshot, exposition, read_snapshot
from arbitrage.core.segment import Segment
from arbitrage.errors import ArbitrageError, ConfigError, SegmentError
from arbitrage.secret import Secret

__all__ = ["Watch", "build_app", "is_loopback", "serve"]

HEARTBEAT_LATE_S = 5.0
TOKEN_CHARACTERS_MIN = 16
_log = logging.getLogger("arbitrage.monitor")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Watch:
    """Keep one trader's segment attached across the trader's restarts.

    Parameters
    ----------
    name : str
        Name of the segment.
    attach : callable
        Attaches it read-only by name; raises `SegmentError` when there is none.
    read : callable
        Reads a snapshot of it.
    """

    def __init__(
        self,
        name: str,
        attach: Callable[[str], Segment],
        read: Callable[[Segment], Snapshot] = read_snapshot,
    ) -> None:
        self.name = name
        self._attach = attach
        self._read = read
        self._view: Segment | None = attach(name)
        self.reason = ""

    def look(self) -> Snapshot | None:
        """Return a snapshot of the running trader; None, with `reason`, when there is none."""
        try:
            if self._view is None or not self._view.alive:
                self._view = self._attach(self.name)
            if not self._view.alive:
                self.reason = f"the trader (pid {self._view.pid}) has ended"
                return None
            shot = self._read(self._view)
        except SegmentError as error:
            self._view = None
            self.reason = str(error)
            return None
        if shot.heartbeat_age_s > HEARTBEAT_LATE_S:
            self.reason = f"the trader's heartbeat is {shot.heartbeat_age_s:.1f} s old"
        else:
            self.reason = ""
        return shot


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _allowed_hosts(port: int) -> set[str]:
    names = ("127.0.0.1", "localhost", "[::1]")
    return {f"{name}:{port}" for name in names} | (set(names) if port == 80 else set())


def _guard(token: Secret | None) -> Any:
    """Refuse other methods, foreign Host headers and, where there is a token, strangers."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method != "GET":
            return web.Response(status=405, headers={"Allow": "GET"}, text="only GET\n")
        if token is not None:
            given = request.headers.get("Authorization", "")
            wanted = f"Bearer {token.reveal()}"
            if not hmac.compare_digest(given.encode(), wanted.encode()):
                return web.Response(
                    status=401, headers={"WWW-Authenticate": "Bearer"}, text="token needed\n"
                )
        else:
            bound = request.transport.get_extra_info("sockname") if request.transport else None
            if bound is None or request.headers.get("Host", "").lower() not in _allowed_hosts(
                bound[1]
            ):
                return web.Response(status=421, text="this Host is not served here\n")
        response = await handler(request)
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return guard


def _health(shot: Snapshot | None, watch: Watch) -> dict[str, Any]:
    body: dict[str, Any] = {"status": "ok" if shot and not watch.reason else "down"}
    if watch.reason:
        body["reason"] = watch.reason
    body["segment"] = watch.name
    if shot is not None:
        body |= {
            "mode": shot.mode,
            "pid": shot.pid,
            "uptime_s": round(shot.uptime_s, 3),
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


def build_app(watch: Watch, token: Secret | None = None) -> web.Application:
    """Return the application; `token` None trusts loopback."""
    render = exposition(watch.look)

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=render(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def health(_request: web.Request) -> web.Response:
        shot = watch.look()
        body = _health(shot, watch)
        return web.json_response(body, status=200 if body["status"] == "ok" else 503)

    app = web.Application(middlewares=[_guard(token)])
    app.router.add_get("/metrics", metrics, allow_head=False)
    app.router.add_get("/health", health, allow_head=False)
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
        _log.info("serving http://%s:%d/metrics and /health", shown, bound)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
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
    """Serve until SIGTERM or Ctrl-C.

    Raises
    ------
    SegmentError
        When no segment of that name exists.
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
    asyncio.run(_run(build_app(watch, token), host, port))
    return 0

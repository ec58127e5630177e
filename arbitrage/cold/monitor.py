"""The monitor: a small HTTP server beside the trader with a page, ``/metrics`` and ``/health``.

It listens on loopback by default; another address needs a token. Who may ask is in `web_guard`.
"""

import asyncio
import ipaddress
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from arbitrage.cold.beside import read_beside
from arbitrage.cold.deck import DeckReader
from arbitrage.cold.metrics import exposition
from arbitrage.cold.watch import Watch, health_of_all
from arbitrage.cold.web_app import Reader, mount_page
from arbitrage.cold.web_guard import guard_app
from arbitrage.core.segment import Segment
from arbitrage.errors import ArbitrageError, ConfigError
from arbitrage.secret import Secret

__all__ = ["Watch", "build_app", "is_loopback", "serve"]

LOOK_S = 0.5  # between looks of our own, so that a dead venue is timed without anybody asking
TOKEN_CHARACTERS_MIN = 16
_log = logging.getLogger("arbitrage.monitor")


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _keep_looking(watches: Iterable[Watch]) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        for watch in watches:
            watch.look()


def build_app(
    watches: Watch | Sequence[Watch], token: Secret | None = None, readers: Sequence[Reader] = ()
) -> web.Application:
    """Return the application of one or several traders.

    `token` None trusts loopback, without `readers` there is no page.
    """
    by_name = {
        watch.name: watch for watch in ([watches] if isinstance(watches, Watch) else watches)
    }
    render = exposition(
        {name: watch.look for name, watch in by_name.items()},
        {name: watch.meter for name, watch in by_name.items()},
        read_beside,
    )

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=render(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def health(request: web.Request) -> web.Response:
        name = request.query.get("name", "" if len(by_name) > 1 else next(iter(by_name)))
        if name and name not in by_name:
            known = ", ".join(by_name)
            raise web.HTTPNotFound(text=f"no trader of that name is watched; {known}\n")
        body = (
            by_name[name].health()
            if name
            else health_of_all({each: watch.health() for each, watch in by_name.items()})
        )
        return web.json_response(body, status=200 if body["status"] == "healthy" else 503)

    async def looking(_app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(_keep_looking(by_name.values()))
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
    names: Sequence[str],
    host: str,
    port: int,
    token: Secret | None,
    attach: Callable[[str], Segment],
) -> int:
    """Serve traders by name until SIGTERM or Ctrl-C; one that does not run yet is waited for.

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
    watches = [Watch(name, attach) for name in dict.fromkeys(names)]
    for watch in watches:
        if watch.look() is None:
            _log.warning("%s; /health is 503 until it runs", "; ".join(watch.reasons))
    app = build_app(watches, token, [DeckReader(watch.name, attach) for watch in watches])
    work = _run(app, host, port)
    try:
        asyncio.run(work)
    finally:
        work.close()  # a Ctrl-C may come before the loop has begun it
    return 0

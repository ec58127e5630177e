"""The monitor's page: what one look at a trader shows, to any number of browsers.

A `Hub` a trader looks twice a second, once for everybody, and every browser gets the newest look as
a server-sent event. A browser that reads too slowly misses looks, never the newest; one that reads
nothing any more is cut, so neither memory nor the look itself grows with who watches.
"""

import asyncio
import logging
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from importlib import resources
from typing import Any, Protocol

import msgspec
from aiohttp import web

__all__ = ["Hub", "Reader", "StageHistory", "mount_page"]

PERIOD_S = 0.5
CURVES_S = 10.0  # between whole curves; what comes between, the browser appends
HISTORY_S = 600.0
SAMPLE_S = 1.0
CURVE_POINTS_MAX = 500
OPPORTUNITIES_MAX = 60
WATCHERS_MAX = 64
SEND_TIMEOUT_S = 20.0
SEND_BUFFER_BYTES = 1 << 16
AGAIN_MS = 1000  # how long a browser waits before it connects again
_TYPES = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}
_log = logging.getLogger("arbitrage.monitor")


class Reader(Protocol):
    """What looks at a trader; `look` returns the struct ``Deck`` of `arbitrage.cold.deck`."""

    name: str

    def look(self) -> Any:
        """Look once; a trader that is gone is a look too."""


class StageHistory:
    """Latency by stage over the last ten minutes: p50 and p99, a sample a second.

    A look without a trader is a sample without figures, so that the curve has a gap there.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[int, dict[str, tuple[Any, Any]]]] = deque(
            maxlen=int(HISTORY_S / SAMPLE_S)
        )

    def add(self, wall_ns: int, lines: Sequence[Any]) -> None:
        """Take a sample, where the last one is old enough."""
        if self._samples and wall_ns - self._samples[-1][0] < SAMPLE_S * 0.9e9:
            return
        self._samples.append((wall_ns, {line.stage: (line.p50_ns, line.p99_ns) for line in lines}))

    def columns(self) -> dict[str, Any]:
        """Return times in ms and, by stage, both columns; None where nothing was measured."""
        stages = dict.fromkeys(stage for _, sample in self._samples for stage in sample)
        none = (None, None)
        return {
            "at_ms": [wall_ns // 1_000_000 for wall_ns, _ in self._samples],
            "stages": {
                stage: {
                    "p50_ns": [sample.get(stage, none)[0] for _, sample in self._samples],
                    "p99_ns": [sample.get(stage, none)[1] for _, sample in self._samples],
                }
                for stage in stages
            },
        }


def thinned(points: Sequence[Any], points_max: int) -> list[Any]:
    """Return evenly chosen points, the first and the last among them."""
    count = len(points)
    if count <= points_max:
        return list(points)
    return [points[i * (count - 1) // (points_max - 1)] for i in range(points_max)]


def _run_of(deck: Any) -> tuple[int, int] | None:
    return (deck.run, deck.pid) if deck is not None and deck.alive else None


def _event(kind: str, body: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(body) + b"\n\n"


class Hub:
    """One trader's looks, shared by all who watch it.

    Threads: those of one event loop.

    Attributes
    ----------
    serial : int
        How many looks there were.
    watchers : int
        Browsers that watch now.
    newest : Deck
        The last look; None when looking itself failed.
    """

    def __init__(self, reader: Reader, period_s: float = PERIOD_S) -> None:
        self.name = reader.name
        self.serial = 0
        self.watchers = 0
        self.closed = False
        self._reader = reader
        self._period_s = period_s
        self.newest: Any = None
        self.history = StageHistory()
        self._news = asyncio.Event()
        self._message: tuple[int, bytes] = (0, b"")
        self._curves: tuple[float, bytes] = (0.0, b"")
        self._failed = False

    def look(self) -> None:
        """Look at the trader and keep what was seen."""
        before = self.newest
        try:
            self.newest = self._reader.look()
            self.history.add(self.newest.wall_ns, self.newest.latency)
            self._failed = False
        except Exception:
            if not self._failed:  # once, not twice a second
                _log.exception("%s cannot be looked at", self.name)
            self.newest, self._failed = None, True
        if _run_of(before) != _run_of(self.newest):  # curves end with the run they belong to
            self._curves = (0.0, b"")
        self.serial += 1

    def message(self) -> bytes:
        """Return the newest look as an event, made once however many ask."""
        if self._message[0] != self.serial:
            self._message = (self.serial, _event("deck", self._brief()))
        return self._message[1]

    def curves(self) -> tuple[float, bytes]:
        """Return when the curves were made, and the curves as an event."""
        now_s = time.monotonic()
        if not self._curves[1] or now_s - self._curves[0] >= CURVES_S:
            pnl = [] if self.newest is None else self.newest.pnl
            body = {"pnl": thinned(pnl, CURVE_POINTS_MAX), "latency": self.history.columns()}
            self._curves = (now_s, _event("curves", body))
        return self._curves

    def _brief(self) -> dict[str, Any]:
        """Return the look as a browser needs it twice a second."""
        if self.newest is None:
            why_not = "the monitor could not read the trader; its log says why"
            return {"name": self.name, "alive": False, "why_not": why_not}
        body: dict[str, Any] = msgspec.structs.asdict(self.newest)
        body["pnl"] = body["pnl"][-1:]
        body["opportunities"] = body["opportunities"][:OPPORTUNITIES_MAX]
        return body

    async def run(self) -> None:
        """Look until cancelled."""
        loop = asyncio.get_running_loop()
        next_s = loop.time()
        while True:
            self.look()
            self._wake()
            next_s = max(next_s + self._period_s, loop.time())
            await asyncio.sleep(next_s - loop.time())

    async def wait(self, seen: int) -> None:
        """Wait for a look after number `seen`, or for the end."""
        while self.serial <= seen and not self.closed:
            await self._news.wait()

    def close(self) -> None:
        """Let everybody who waits go."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _keep_little(request: web.Request) -> None:
    """Let little wait in the kernel for a slow browser: what waits there grows old."""
    link = request.transport.get_extra_info("socket") if request.transport else None
    if link is not None:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


async def _stream(request: web.Request, hub: Hub, names: list[str]) -> web.StreamResponse:
    """Send each look to one browser until it goes."""
    if hub.watchers >= WATCHERS_MAX:
        return web.Response(status=503, text=f"{WATCHERS_MAX} browsers watch already\n")
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    hub.watchers += 1
    try:
        await answer.prepare(request)
        _keep_little(request)
        hello = {"names": names, "name": hub.name}
        parts = [b"retry: %d\n\n" % AGAIN_MS, _event("hello", hello)]
        seen, curves_s = 0, -1.0
        while not hub.closed:
            made_s, curves = hub.curves()
            if made_s != curves_s:
                curves_s = made_s
                parts.append(curves)
            seen = hub.serial  # while this is sent others may come: the newest is taken then
            parts.append(hub.message())
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await answer.write(b"".join(parts))
            parts.clear()
            await hub.wait(seen)
    except (ConnectionError, TimeoutError):  # it has gone, or reads nothing any more
        if request.transport is not None:
            request.transport.abort()
    finally:
        hub.watchers -= 1
    return answer


def _files() -> dict[str, tuple[bytes, str]]:
    """Return the page's files by name, each with its type."""
    found = {}
    for path in (resources.files("arbitrage.cold") / "web").iterdir():
        ending = path.name.rpartition(".")[2]
        if ending in _TYPES:
            found[path.name] = (path.read_bytes(), _TYPES[ending])
    return found


def mount_page(
    app: web.Application, readers: Mapping[str, Reader], period_s: float = PERIOD_S
) -> dict[str, Hub]:
    """Serve the page, its files and its data; return the hubs by the trader's name.

    Parameters
    ----------
    app : web.Application
        Takes ``/``, ``/static/FILE``, ``/events`` and ``/api/deck``.
    readers : mapping
        Readers of the traders by name; the first is shown where none is asked for.
    period_s : float
        Seconds between looks.
    """
    hubs = {name: Hub(reader, period_s) for name, reader in readers.items()}
    names, files = list(hubs), _files()

    def hub_of(request: web.Request) -> Hub:
        name = request.query.get("name", names[0])
        if name not in hubs:
            raise web.HTTPNotFound(text=f"no trader of that name is watched; {', '.join(names)}\n")
        return hubs[name]

    def file(name: str) -> web.Response:
        if name not in files:
            raise web.HTTPNotFound()
        body, kind = files[name]
        return web.Response(body=body, content_type=kind, charset="utf-8")

    async def page(_request: web.Request) -> web.Response:
        return file("index.html")

    async def static(request: web.Request) -> web.Response:
        return file(request.match_info["file"])

    async def events(request: web.Request) -> web.StreamResponse:
        return await _stream(request, hub_of(request), names)

    async def deck(request: web.Request) -> web.Response:
        found = hub_of(request).newest
        if found is None:
            raise web.HTTPServiceUnavailable(text="the trader cannot be read; see the log\n")
        return web.Response(body=msgspec.json.encode(found), content_type="application/json")

    async def looking(_app: web.Application) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(hub.run()) for hub in hubs.values()]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(_app: web.Application) -> None:
        for hub in hubs.values():
            hub.close()

    app.cleanup_ctx.append(looking)
    app.on_shutdown.append(close)
    routes: dict[str, Callable[[web.Request], Any]] = {
        "/": page,
        "/static/{file}": static,
        "/events": events,
        "/api/deck": deck,
    }
    for path, handler in routes.items():
        app.router.add_get(path, handler, allow_head=False)
    return hubs

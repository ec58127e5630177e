"""The socket shell of a simulated venue: picows for WebSockets, aiohttp for REST.

One timer turns the market every millisecond and writes all frames of the turn to each client in
one piece; frames are encoded once for all clients that subscribed to the same streams. Requests
are answered inside the frame callback.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import ssl
import struct
import sys
import tempfile
import time
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from picows import (
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from arbitrage.sim import admin, arrivals, fault_calls
from arbitrage.sim.arrivals import ArrivalLog
from arbitrage.sim.bybit import BybitExchange
from arbitrage.sim.certs import CA_NAME, server_context
from arbitrage.sim.config import SimConfig, SimError, no_port
from arbitrage.sim.exchange import Connection, Exchange
from arbitrage.sim.exports import print_exports
from arbitrage.sim.fault_plan import FaultPlan
from arbitrage.sim.fault_reading import read_plan
from arbitrage.sim.faults import NOTHING, Cut, FaultLayer, NoAnswer, Refused
from arbitrage.sim.instruments import listed
from arbitrage.sim.market import THIN, Market, SeededMarket
from arbitrage.sim.okx import OkxExchange
from arbitrage.sim.playback import FramesMarket, frames_path, symbols_in

TURN_S = 0.001
# A client this far behind is cut off, as venues do with readers that are too slow.
BACKLOG_BYTES_MAX = 16 * 1024 * 1024
# After SIGHUP, the starter's end, a trader beside still has so long to close its pairs.
ORPHAN_GRACE_S = 1.5
BODY_BYTES_MAX = 1024 * 1024
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER without lingering


def make_exchange(config: SimConfig, clock: Any = time.time_ns) -> Exchange:
    """Build the venue that ``config`` describes; ``clock`` returns wall nanoseconds."""
    t0_ns = config.t0_ns or clock()
    path = frames_path(config.frames, config.venue) if config.frames else None
    symbols = config.symbols or (symbols_in(path, config.venue) if path else ())
    instruments = listed(config.venue, symbols, config.environment)
    market: Market
    if path is not None:
        market = FramesMarket(path, config.venue, instruments, config.speed, t0_ns)
    else:
        market = SeededMarket(instruments, config.venue, config.seed, config.rate, t0_ns,
                              THIN if config.environment == "testnet" else 1.0)
    kind = BybitExchange if config.venue == "bybit" else OkxExchange
    return kind(replace(config, t0_ns=t0_ns), instruments, market, clock)


def make_server(config: SimConfig) -> SimServer:
    """Build all that needs no socket.

    Raises
    ------
    SimError : what it was told does not fit; the text is one line for a person.
    """
    exchange = make_exchange(config)
    if config.tls:
        server_context(tls_folder(config))
    if not config.faults:
        return SimServer(config, exchange)
    plan = read_plan(config.faults)
    try:
        return SimServer(config, exchange, plan)
    except SimError as error:
        raise SimError(f"--faults {config.faults}: {error}") from None


def close_frame(code: int, reason: str) -> bytes:
    """One unmasked WebSocket close frame; the venues use codes of their own (4xxx)."""
    payload = code.to_bytes(2, "big") + reason.encode()[:100]
    return b"\x88" + len(payload).to_bytes(1, "big") + payload


def text_frame(payload: bytes) -> bytes:
    """One unmasked WebSocket text frame."""
    size = len(payload)
    if size < 126:
        return b"\x81" + size.to_bytes(1, "big") + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class ClientSocket(WSListener):
    """One client's WebSocket."""

    def __init__(self, server: SimServer, conn: Connection) -> None:
        self._server = server
        self.conn = conn
        self._transport: WSTransport | None = None
        self._write: Any = None
        self._raw: Any = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._raw = transport.underlying_transport
        self._write = self._raw.write
        self._server.sockets[self.conn.conn_id] = self

    def on_ws_frame(self, transport: WSTransport, frame: Any) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self._server.on_frame(self, frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.PING:
            if not self._server.faults.is_deaf(self.conn):
                transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport = None
        self._server.sockets.pop(self.conn.conn_id, None)
        self._server.faults.disconnect(self.conn)

    def send(self, data: bytes) -> None:
        """Write ready-made frames."""
        if self._transport is None or not data:
            return
        if self._raw.get_write_buffer_size() > BACKLOG_BYTES_MAX:
            self._transport.disconnect(False)
            return
        self._write(data)

    def close(self, code: int = 1001, reason: str = "") -> None:
        if self._transport is not None:
            self._write(close_frame(code, reason))
            self._transport.disconnect()

    def reset(self) -> None:
        """Tear the line: the client sees a TCP reset."""
        if self._transport is not None:
            plug = self._raw.get_extra_info("socket")
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self._raw.abort()


class SimServer:
    """Sockets, timer and REST of one venue."""

    def __init__(self, config: SimConfig, exchange: Exchange, plan: FaultPlan = NOTHING) -> None:
        self.config = config
        self.exchange = exchange
        self.faults = FaultLayer(exchange, plan)
        self.arrivals = ArrivalLog() if config.admin else None
        self.sockets: dict[str, ClientSocket] = {}
        self.urls: dict[str, str] = {}
        self._closers: list[Any] = []
        self._timer: asyncio.TimerHandle | None = None
        self.failure: BaseException | None = None
        self.stopped = asyncio.Event()

    async def start(self) -> None:
        """Listen; afterwards ``urls`` tells where."""
        config = self.config
        context = server_context(tls_folder(config)) if config.tls else None
        ws_port, rest_port = config.ports
        ws_server = await self._listen("WebSocket", ws_port, ws_create_server(
            self._accept, config.host, ws_port, ssl=context, enable_auto_pong=False))
        runner = web.AppRunner(self._rest_app(), access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        self._closers = [ws_server.close, runner.cleanup]
        site = web.TCPSite(runner, config.host, rest_port, ssl_context=context)
        await self._listen("REST", rest_port, site.start())
        self._name_urls(ws_server.sockets[0].getsockname()[1], runner.addresses[0][1], context)
        self._turn()

    async def _listen(self, what: str, port: int, starting: Any) -> Any:
        try:
            return await starting
        except OSError as error:
            raise no_port(self.config, what, port, error) from error

    def _name_urls(self, ws_port: int, rest_port: int, context: ssl.SSLContext | None) -> None:
        ws, http = ("wss", "https") if context else ("ws", "http")
        ex, host = self.exchange, self.config.host
        self.urls = {
            "venue": self.config.venue,
            "rest_url": f"{http}://{host}:{rest_port}",
        }
        for role, path in (("public", ex.public_path), ("private", ex.private_path),
                           ("trade", ex.trade_path)):
            is_open = role not in ex.closed_roles
            self.urls[f"{role}_ws_url"] = f"{ws}://{host}:{ws_port}{path}" if is_open else ""

    def _accept(
        self, request: WSUpgradeRequest
    ) -> ClientSocket | WSUpgradeResponseWithListener | None:
        conn = self.faults.connect(request.path.decode("ascii", "replace"))
        if isinstance(conn, Refused):
            status = HTTPStatus(conn.status or HTTPStatus.SERVICE_UNAVAILABLE)
            refusal = WSUpgradeResponse.create_error_response(status, status.phrase.encode())
            return WSUpgradeResponseWithListener(refusal, None)
        return None if conn is None else ClientSocket(self, conn)

    def on_frame(self, client: ClientSocket, payload: bytes) -> None:
        """Take one text frame of a client and send what it brings about."""
        if self.arrivals is not None:
            self.arrivals.on_frame(payload)
        if self.faults.is_active:
            self.faults.on_frame(client.conn, payload)
            self._send_faulty()
            return
        replies = self.exchange.on_frame(client.conn, payload)
        client.send(b"".join(map(text_frame, replies)))
        self.send_pushes()

    # -- timer -----------------------------------------------------------------------------------

    def _turn(self) -> None:
        try:
            if self.faults.is_active:
                self.faults.advance()
                self._send_faulty()
            else:
                frames = self.exchange.advance(self.faults.base_clock())
                if frames:
                    self._send_public(frames)
                self.send_pushes()
        except Exception as error:
            self.failure = error
            self.stopped.set()
            return
        self._timer = asyncio.get_running_loop().call_later(TURN_S, self._turn)

    def _send_public(self, frames: list[tuple[int, bytes]]) -> None:
        ready = [(stream, text_frame(payload)) for stream, payload in frames]
        batches: dict[int, bytes] = {}
        for client in list(self.sockets.values()):
            streams = client.conn.streams
            if not streams:
                continue
            batch = batches.get(streams)
            if batch is None:
                batch = b"".join([data for stream, data in ready if streams >> stream & 1])
                batches[streams] = batch
            client.send(batch)

    def _send_faulty(self) -> None:
        """Send what the faults let through, to each client in its order."""
        parts: dict[str, list[bytes]] = {}
        for leaving in self.faults.take():
            conn_id = leaving.conn.conn_id
            if conn_id not in self.sockets:
                continue
            if isinstance(leaving, Cut):
                self.sockets[conn_id].send(b"".join(parts.pop(conn_id, [])))
                if leaving.code:
                    self.sockets[conn_id].close(leaving.code, leaving.reason)
                else:
                    self.sockets[conn_id].reset()
            else:
                parts.setdefault(conn_id, []).append(text_frame(leaving.payload))
        for conn_id, data in parts.items():
            if conn_id in self.sockets:
                self.sockets[conn_id].send(b"".join(data))

    def send_pushes(self) -> None:
        """Hand out private frames, several to one client in one write."""
        pushes = self.exchange.take_pushes()
        for conn, code, reason in self.exchange.take_closings():
            if conn.conn_id in self.sockets:
                self.sockets[conn.conn_id].close(code, reason)
        if not pushes:
            return
        parts: dict[str, list[bytes]] = {}
        for conn, payload in pushes:
            parts.setdefault(conn.conn_id, []).append(text_frame(payload))
        for conn_id, data in parts.items():
            if conn_id in self.sockets:
                self.sockets[conn_id].send(b"".join(data))

    # -- REST ------------------------------------------------------------------------------------

    def _rest_app(self) -> web.Application:
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_route("*", "/{path:.*}", self._rest)
        return app

    async def _rest(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.arrivals is not None:
            if (request.method, request.path) == ("GET", arrivals.PATH):
                reply = self.arrivals.answer(request.rel_url.raw_query_string)
                return web.Response(body=reply, content_type="application/json")
            self.arrivals.on_rest(request.method, request.path, request.headers, body)
        if self.config.admin and request.path.startswith(admin.PREFIX):
            status, reply = fault_calls.answer(self.faults, request.method, request.path, body)
            return web.Response(body=reply, status=status, content_type="application/json")
        answer = self.faults.rest(
            request.method, request.path, request.rel_url.raw_query_string, request.headers, body)
        self._send_faulty()
        if isinstance(answer, NoAnswer):
            await asyncio.sleep(answer.after_s)
        if isinstance(answer, NoAnswer) or (isinstance(answer, Refused) and not answer.status):
            if request.transport is not None:
                request.transport.close()
            return web.Response()
        if isinstance(answer, Refused):
            return web.Response(status=answer.status, text=HTTPStatus(answer.status).phrase)
        return web.Response(body=answer.body, status=answer.status, headers=answer.headers,
                            content_type="application/json")

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for client in list(self.sockets.values()):
            client.close()
        for closer in self._closers:
            result = closer()
            if result is not None:
                await result


def tls_folder(config: SimConfig) -> Path:
    if config.tls_dir:
        return Path(config.tls_dir)
    return Path(tempfile.gettempdir()) / f"arbitrage-sim-tls-{os.getuid()}"


def write_ready(path: str, urls: dict[str, str], extra: dict[str, Any]) -> None:
    """Tell a starter where the venue listens; the file appears complete or not at all."""
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        partial.write_bytes(msgspec.json.encode({**urls, "pid": os.getpid(), **extra}))
        os.replace(partial, target)
    except OSError as error:
        raise SimError(
            f"--ready-file {path} cannot be written: {error.strerror or error}") from None


async def serve(server: SimServer, parent_pid: int = 0) -> None:
    """Run one venue until SIGTERM, SIGINT or, with ``parent_pid``, the end of that parent."""
    config = server.config
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stopped.set)
    loop.add_signal_handler(
        signal.SIGHUP, lambda: loop.call_later(ORPHAN_GRACE_S, server.stopped.set))
    try:
        await server.start()
        extra = {"ca_file": str(tls_folder(config) / CA_NAME)} if config.tls else {}
        if config.ready_file:
            write_ready(config.ready_file, server.urls, extra)
        socket_url = server.urls["public_ws_url"] or server.urls["private_ws_url"]
        print(f"{config.venue} simulator: WebSocket {socket_url} REST {server.urls['rest_url']}",
              file=sys.stderr, flush=True)
        print_exports({config.venue: {**server.urls, **extra}})
        gc.collect()
        gc.freeze()
        while not server.stopped.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(server.stopped.wait(), 1.0)
            if parent_pid and os.getppid() != parent_pid:
                break
    finally:
        await server.stop()
    if server.failure is not None:
        raise server.failure


def run(config: SimConfig) -> None:
    """Run one venue in this process until a signal ends it.

    Raises
    ------
    SimError : it cannot start or go on; the text is one line for a person.
    """
    run_server(make_server(config))


def run_server(server: SimServer, exit_with_parent: bool = False) -> None:
    """Run the venue of `make_server`, as `run` does."""
    parent_pid = os.getppid() if exit_with_parent else 0
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(server, parent_pid))
    else:
        uvloop.run(serve(server, parent_pid))

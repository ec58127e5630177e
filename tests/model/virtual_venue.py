"""A simulated exchange in virtual time: the real connectors talk to it without a socket.

`VirtualVenue` turns an `Exchange` with its fault layer on a `VirtualLoop`. Its `connector` opens
lines for `venues.connection.Connection`, its `rest` carries requests for a REST client. All that
travels takes `latency_s`, in order. `LaneListener` and `LaneFace` bring frames and states to a
real `FeedLane`, stamped with virtual time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from picows import WSCloseCode, WSListener, WSMsgType
from virtual_loop import BEGIN_NS, virtual_ns

from arbitrage.core.feed import FeedLane
from arbitrage.core.records import FrameStatus
from arbitrage.sim.config import SimConfig, SimKeys
from arbitrage.sim.exchange import Connection
from arbitrage.sim.fault_plan import FaultPlan
from arbitrage.sim.faults import NOTHING, Cut, FaultLayer, NoAnswer, Refused
from arbitrage.sim.server import make_exchange

START_WALL_NS = 1_790_439_600_000_000_000  # on the hour: 2026-09-26 16:00 UTC
KEYS = SimKeys("sim-key", "sim-secret", "sim-pass")
LATENCY_S = 0.001


def wall_ns() -> int:
    """Return the wall clock of the virtual world: 2026-09-26 16:00 UTC when the loop begins."""
    return START_WALL_NS + virtual_ns() - BEGIN_NS


class VirtualFrame:
    """What a listener reads of a picows frame."""

    fin = True

    def __init__(self, msg_type: WSMsgType, payload: bytes = b"", code: int = 1000) -> None:
        self.msg_type = msg_type
        self._payload = payload
        self._code = code

    def get_payload_as_bytes(self) -> bytes:
        return self._payload

    def get_close_code(self) -> int:
        return self._code

    def get_close_message(self) -> bytes:
        return self._payload


class VirtualTransport:
    """One open line as the client holds it."""

    def __init__(self, venue: VirtualVenue, conn: Connection, listener: Any) -> None:
        self.conn = conn
        self.is_disconnected = False
        self.close_handshake: Any = None
        self._venue = venue
        self._listener = listener
        self._gone = asyncio.get_running_loop().create_future()
        self._down: deque[list[VirtualFrame | None]] = deque()
        self._up: deque[bytes] = deque()

    # -- what a client calls ---------------------------------------------------------------------

    def send(self, msg_type: WSMsgType, message: bytes) -> None:
        assert msg_type == WSMsgType.TEXT
        if not self.is_disconnected:
            self._up.append(bytes(message))
            self._later(self._arrive)

    def send_close(self, code: Any = WSCloseCode.OK, message: bytes | None = None) -> None:
        """Nothing waits for the farewell: `disconnect` follows."""

    def disconnect(self, graceful: bool = True) -> None:
        if self.is_disconnected:
            return
        self.is_disconnected = True
        self._later(lambda: self._venue.client_left(self.conn))
        asyncio.get_running_loop().call_soon(self._tell_gone)

    async def wait_disconnected(self) -> None:
        await asyncio.shield(self._gone)

    def _tell_gone(self) -> None:
        self._listener.on_ws_disconnected(self)
        if not self._gone.done():
            self._gone.set_result(None)

    # -- what the venue calls --------------------------------------------------------------------

    def deliver(self, frames: list[VirtualFrame | None]) -> None:
        """Let frames arrive a latency later; None is the end of the line without a farewell."""
        self._down.append(frames)
        self._later(self._receive)

    def _receive(self) -> None:
        for frame in self._down.popleft():
            if self.is_disconnected:
                return
            if frame is None:
                self.disconnect(graceful=False)
            elif frame.msg_type == WSMsgType.CLOSE:
                received = SimpleNamespace(code=frame.get_close_code(),
                                           reason=frame.get_close_message().decode())
                self.close_handshake = SimpleNamespace(recv=received)
                self._listener.on_ws_frame(self, frame)
            else:
                self._listener.on_ws_frame(self, frame)

    def _arrive(self) -> None:
        self._venue.client_sent(self.conn, self._up.popleft())

    def _later(self, call: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(self._venue.latency_s, call)


class VirtualVenue:
    """One simulated venue; make it inside the loop, and `start` it.

    Parameters
    ----------
    plan : FaultPlan
        Armed when the venue is made; `layer.arm` puts another in its place.
    turn_s : float
        Virtual time between two turns of the market.
    config : further fields of `SimConfig`.
    """

    def __init__(self, venue: str, *, plan: FaultPlan = NOTHING, latency_s: float = LATENCY_S,
                 turn_s: float = 0.001, rest_timeout_s: float = 5.0, **config: Any) -> None:
        self.config = SimConfig(**{"venue": venue, "keys": KEYS, "t0_ns": START_WALL_NS, **config})
        self.exchange = make_exchange(self.config, wall_ns)
        self.layer = FaultLayer(self.exchange, plan)
        self.latency_s = latency_s
        self.attempts_s: list[float] = []  # when a connection was asked for
        self.transports: dict[str, VirtualTransport] = {}
        self._turn_s = turn_s
        self._rest_timeout_s = rest_timeout_s
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Turn the market from now on."""
        self._turn()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    @property
    def rest_url(self) -> str:
        return f"http://{self.config.venue}.virtual"

    def url(self, role: str = "public") -> str:
        """The address of one of the venue's sockets."""
        return f"ws://{self.config.venue}.virtual{getattr(self.exchange, f'{role}_path')}"

    def _turn(self) -> None:
        self.layer.advance()
        self._flush()
        self._timer = asyncio.get_running_loop().call_later(self._turn_s, self._turn)

    def _flush(self) -> None:
        batches: dict[str, list[VirtualFrame | None]] = {}
        for leaving in self.layer.take():
            batch = batches.setdefault(leaving.conn.conn_id, [])
            if not isinstance(leaving, Cut):
                batch.append(VirtualFrame(WSMsgType.TEXT, leaving.payload))
            elif leaving.code:
                close = VirtualFrame(WSMsgType.CLOSE, leaving.reason.encode(), leaving.code)
                batch += [close, None]
            else:
                batch.append(None)
        for conn_id, frames in batches.items():
            if conn_id in self.transports:
                self.transports[conn_id].deliver(frames)

    # -- lines -----------------------------------------------------------------------------------

    async def connector(
        self, listener_factory: Callable[[], Any], url: str, *, ssl_context: Any = None
    ) -> tuple[VirtualTransport, Any]:
        """Open a line; ConnectionRefusedError while the venue refuses."""
        loop = asyncio.get_running_loop()
        self.attempts_s.append(loop.time())
        await asyncio.sleep(2 * self.latency_s)
        conn = self.layer.connect(urlsplit(url).path)
        if conn is None:
            raise ConnectionRefusedError(f"{url}: 404")
        if isinstance(conn, Refused):
            raise ConnectionRefusedError(f"{url}: {conn.status}")
        listener = listener_factory()
        transport = VirtualTransport(self, conn, listener)
        self.transports[conn.conn_id] = transport
        listener.on_ws_connected(transport)
        return transport, listener

    def client_sent(self, conn: Connection, payload: bytes) -> None:
        if conn.conn_id in self.layer.lines:
            self.layer.on_frame(conn, payload)
            self._flush()

    def client_left(self, conn: Connection) -> None:
        self.transports.pop(conn.conn_id, None)
        self.layer.disconnect(conn)

    # -- REST ------------------------------------------------------------------------------------

    async def rest(
        self, method: str, path_with_query: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Carry one REST request, as `RestClient(transport=...)` wants it.

        Raises
        ------
        TimeoutError, OSError : no answer came; the line was cut.
        """
        await asyncio.sleep(self.latency_s)
        path, _, query = path_with_query.partition("?")
        answer = self.layer.rest(method, path, query, headers, body)
        self._flush()
        if isinstance(answer, NoAnswer):
            if answer.after_s >= self._rest_timeout_s:
                await asyncio.sleep(self._rest_timeout_s)
                raise TimeoutError
            await asyncio.sleep(answer.after_s)
            raise ConnectionResetError("the venue hung up")
        await asyncio.sleep(self.latency_s)
        if isinstance(answer, Refused):
            if not answer.status:
                raise ConnectionResetError("the venue hung up")
            return answer.status, {}, b""
        return answer.status, answer.headers, answer.body


class LaneFace:
    """A feed lane for a connector in virtual time: states and funding carry its stamps."""

    def __init__(self, lane: FeedLane, after: Callable[[], None] = lambda: None) -> None:
        self.lane = lane
        self.on_state: Callable[[int, int], None] = lambda row, state: None
        self._after = after

    def push_state(self, row: int, state: int) -> None:
        self.lane.push_state(row, state, virtual_ns())
        self.on_state(row, state)
        self._after()

    def hold_book(self, row: int, channel: str) -> None:
        self.lane.hold_book(row, channel)

    def drop_line(self, venue: int, line: int) -> int:
        lost = self.lane.drop_line(venue, line, virtual_ns())
        self._after()
        return lost

    def push_funding(self, row: int, rate: float, interval_h: float, next_wall_ns: int) -> None:
        self.lane.push_funding(row, rate, interval_h, next_wall_ns, virtual_ns())
        self._after()


class LaneListener(WSListener):
    """What the compiled `FeedListener` does, with virtual stamps; `on_taken(listener, payload,
    status)` is called after each frame.

    Use ``functools.partial(LaneListener, on_taken, line=line)`` as a feed's `listener_factory`.
    """

    def __init__(
        self, on_taken: Callable[[LaneListener, bytes, int], None], face: LaneFace, venue: int,
        on_slow: Callable[[bytes], None], on_connected: Callable[[Any], None],
        on_disconnected: Callable[[Any], None], line: int = 0,
        on_gone: Callable[[LaneListener], None] = lambda listener: None,
    ) -> None:
        self.face = face
        self.line = line
        self.venue = venue
        self.transport: Any = None
        self._on_taken = on_taken
        self._on_gone = on_gone
        self._on_slow = on_slow
        self._on_connected = on_connected
        self._on_disconnected = on_disconnected

    def on_ws_connected(self, transport: Any) -> None:
        self.transport = transport
        self._on_connected(self)

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
            return
        payload = frame.get_payload_as_bytes()
        status = self.face.lane.on_frame(self.venue, payload, virtual_ns(), self.line)
        self._on_taken(self, payload, status)
        if status in (FrameStatus.CONTROL, FrameStatus.OTHER_TOPIC):
            self._on_slow(payload)

    def on_ws_disconnected(self, transport: Any) -> None:
        self._on_gone(self)
        self._on_disconnected(self)

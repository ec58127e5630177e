"""The load generator as a process: ``python -m benchmarks.load_generator --core N``.

It listens on one port of 127.0.0.1. What a connection is for says its path:

    /v5/public/linear  /ws/v5/public     quotes of Bybit, of OKX, to a trader
    /floor/bybit       /floor/okx        the same to the listeners that are the floor
    /floor/order/0     /floor/order/1    what comes there is logged with its time
    anything else                        relayed to the venue behind it, and logged

Commands are JSON lines on its input, one answer each on its output. Frames leave from
`load_wire.c`, on the pinned thread, which does nothing else meanwhile; subscriptions and pings are
answered between two runs.
"""

import argparse
import base64
import ctypes
import hashlib
import json
import selectors
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.load_frames import FRAME, SEQ_FIRST, Pool, pools
from benchmarks.native import load
from benchmarks.noise import pin

__all__ = ["Generator"]

VENUES = ("bybit", "okx")
FEEDS = {
    "/v5/public/linear": ("trader", 0),
    "/ws/v5/public": ("trader", 1),
    "/floor/bybit": ("floor", 0),
    "/floor/okx": ("floor", 1),
}
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
ARRIVALS = 1 << 16
RELAYS_MAX = 16
HEADER_BYTES_MAX = 1 << 16
OPCODE_TEXT, OPCODE_CLOSE, OPCODE_PING = 1, 8, 9


class Line(ctypes.Structure):
    """load_line_t of load_wire.c."""

    _fields_ = (
        ("fd", ctypes.c_int32), ("count", ctypes.c_uint32), ("next", ctypes.c_uint64),
        ("seq", ctypes.c_uint64), ("sent", ctypes.c_uint64), ("late", ctypes.c_uint64),
        ("late_max_ns", ctypes.c_int64), ("pool", ctypes.c_void_p), ("frames", ctypes.c_void_p),
        ("stamps", ctypes.c_void_p),
    )  # fmt: skip


class Relay(ctypes.Structure):
    """load_relay_t of load_wire.c."""

    _fields_ = (
        ("client", ctypes.c_int32), ("venue", ctypes.c_int32),
        ("client_gone", ctypes.c_uint32), ("venue_gone", ctypes.c_uint32),
    )  # fmt: skip


class Relays(ctypes.Structure):
    """load_relays_t of load_wire.c."""

    _fields_ = (
        ("relays", ctypes.c_void_p), ("relay_count", ctypes.c_uint32),
        ("arrival_capacity", ctypes.c_uint32), ("arrivals", ctypes.c_void_p),
        ("arrival_count", ctypes.c_uint64), ("turns", ctypes.c_uint64),
    )  # fmt: skip


ARRIVAL = np.dtype([("stamp_ns", "i8"), ("relay", "u4"), ("bytes", "u4")])  # load_arrival_t


def client_texts(data: bytearray) -> list[tuple[int, bytes]]:
    """Take the whole frames a client sent from the front of `data`: (opcode, payload)."""
    found = []
    while len(data) >= 6:
        size, at = data[1] & 127, 2
        if size == 126:
            size, at = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, at = int.from_bytes(data[2:10], "big"), 10
        if len(data) < at + 4 + size:
            break
        mask, body = data[at : at + 4], data[at + 4 : at + 4 + size]
        found.append((data[0] & 15, bytes(b ^ mask[i & 3] for i, b in enumerate(body))))
        del data[: at + 4 + size]
    return found


def answer_of(venue: int, text: bytes) -> bytes | None:
    """Return what the venue answers to a request of a public connection."""
    if text == b"ping":
        return b"pong"
    request = json.loads(text)
    if venue == 0:
        word = "pong" if request["op"] == "ping" else ""
        said = {"success": True, "ret_msg": word, "conn_id": "load", "op": request["op"]}
        return json.dumps(said | {"req_id": request.get("req_id", "")}).encode()
    if request["op"] == "subscribe":
        said = {"event": "subscribe", "arg": request["args"][0], "connId": "load"}
        return json.dumps(said).encode()
    return None


def text_frame(payload: bytes, opcode: int = OPCODE_TEXT) -> bytes:
    """Return a short unmasked frame."""
    assert len(payload) < 65536
    if len(payload) < 126:
        return bytes([0x80 | opcode, len(payload)]) + payload
    return bytes([0x80 | opcode, 126]) + len(payload).to_bytes(2, "big") + payload


class Generator:
    """Take connections, and send on command.

    Threads: one.

    Parameters
    ----------
    upstream : mapping
        path -> (host, port) of the venue behind that path, for what is relayed.
    stamps : numpy array or None
        (venues, frames) of int64 that takes the stamps of paced runs.
    """

    def __init__(self, upstream: dict[str, tuple[str, int]], stamps: Any = None) -> None:
        self._library = load("load_wire")
        self._library.load_paced.restype = ctypes.c_int64
        self._library.load_batched.restype = ctypes.c_int64
        self._upstream = upstream
        self._stamps = stamps
        self._selector = selectors.DefaultSelector()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.listen_to(self._server, self._accept)
        self._feeds: dict[tuple[str, int], socket.socket] = {}
        self._pools: dict[str, tuple[Any, ...]] = {}
        self._relays: list[tuple[str, socket.socket, socket.socket | None]] = []
        self._arrivals = np.zeros(ARRIVALS, ARRIVAL)
        self._seqs = {"trader": [SEQ_FIRST[venue] for venue in VENUES]}
        self.port: int = self._server.getsockname()[1]

    # ---- connections ----------------------------------------------------------------------------

    def listen_to(self, plug: Any, act: Callable[[], None]) -> None:
        """Call a function when a socket or a file becomes readable."""
        self._selector.register(plug, selectors.EVENT_READ, act)

    def turn(self, wait_s: float) -> None:
        """Handle what has come."""
        for key, _ in self._selector.select(wait_s):
            key.data()

    def _accept(self) -> None:
        plug, _ = self._server.accept()
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plug.settimeout(10.0)
        request = b""
        while b"\r\n\r\n" not in request and len(request) < HEADER_BYTES_MAX:
            came = plug.recv(4096)
            if not came:
                plug.close()
                return
            request += came
        path = request.split(b" ", 2)[1].decode()
        if path in FEEDS or path.startswith("/floor/"):
            self._shake_hands(plug, request)
        plug.setblocking(False)
        if path in FEEDS:
            self._take_feed(plug, FEEDS[path])
        elif path.startswith("/floor/order/"):
            self._add_relay(path, plug, None)
        else:
            self._begin_relay(path, plug, request)

    @staticmethod
    def _shake_hands(plug: socket.socket, request: bytes) -> None:
        lines = [line.partition(b":") for line in request.split(b"\r\n")]
        key = next(text.strip() for name, _, text in lines if name.lower() == b"sec-websocket-key")
        accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest())
        plug.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )

    def _take_feed(self, plug: socket.socket, what: tuple[str, int]) -> None:
        self._feeds[what] = plug
        held = bytearray()

        def read() -> None:
            try:
                came = plug.recv(65536)
            except ConnectionError:
                came = b""
            held.extend(came)
            if not came:
                self._leave(plug)
                if self._feeds.get(what) is plug:
                    del self._feeds[what]
                return
            for opcode, text in client_texts(held):
                if opcode == OPCODE_TEXT:
                    answer = answer_of(what[1], text)
                    if answer is not None:
                        plug.sendall(text_frame(answer))
                elif opcode in (OPCODE_CLOSE, OPCODE_PING):
                    plug.sendall(text_frame(text, 10 if opcode == OPCODE_PING else opcode))

        self.listen_to(plug, read)

    def _begin_relay(self, path: str, plug: socket.socket, request: bytes) -> None:
        if path not in self._upstream:
            plug.close()
            return
        venue = socket.create_connection(self._upstream[path])
        venue.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        venue.sendall(request)
        venue.setblocking(False)
        self._add_relay(path, plug, venue)

    def _add_relay(self, path: str, plug: socket.socket, venue: socket.socket | None) -> None:
        relay = (path, plug, venue)
        self._relays.append(relay)

        def pass_on(source: socket.socket, sink: socket.socket | None) -> None:
            try:
                came = source.recv(65536)
                if came and sink is not None:
                    sink.setblocking(True)
                    sink.sendall(came)
                    sink.setblocking(False)
            except OSError:
                came = b""
            if not came:
                self._leave(plug)
                if venue is not None:
                    self._leave(venue)
                with suppress(ValueError):
                    self._relays.remove(relay)

        self.listen_to(plug, lambda: pass_on(plug, venue))
        if venue is not None:
            self.listen_to(venue, lambda: pass_on(venue, plug))

    def _leave(self, plug: socket.socket) -> None:
        with suppress(KeyError, ValueError):
            self._selector.unregister(plug)
        plug.close()

    # ---- runs -----------------------------------------------------------------------------------

    def _lines(self, who: str, kind: str, count: int) -> Any:
        key = f"{kind}/{count}"
        if key not in self._pools:
            self._pools[key] = tuple(map(self._held, pools(kind, count)))
        seqs = self._seqs.setdefault(who, [SEQ_FIRST[venue] for venue in VENUES])
        lines = (Line * len(VENUES))()
        for index in range(len(VENUES)):
            pool, buffer = self._pools[key][index]
            line = lines[index]
            line.fd = self._feeds[who, index].fileno()
            line.count, line.seq = len(pool.frames), seqs[index]
            line.pool = ctypes.addressof(buffer)
            line.frames = pool.frames.ctypes.data
        return lines

    @staticmethod
    def _held(pool: Pool) -> tuple[Pool, Any]:
        assert pool.frames.dtype == FRAME
        return pool, (ctypes.c_char * len(pool.data)).from_buffer(pool.data)

    def _done(self, who: str, lines: Any, sent: int) -> dict[str, Any]:
        if sent < 0:
            raise ConnectionError("a connection ended while frames were sent on it")
        self._seqs[who] = [int(line.seq) for line in lines]
        return {
            "sent": [int(line.sent) for line in lines],
            "late": [int(line.late) for line in lines],
            "late_max_ns": [int(line.late_max_ns) for line in lines],
        }

    def paced(self, who: str, kind: str, rate: int, frames: int) -> dict[str, Any]:
        """Send `frames` frames on each line at `rate` a second; stamps go to the shared table."""
        lines = self._lines(who, kind, frames)
        assert self._stamps is not None
        for index in range(len(VENUES)):
            lines[index].stamps = self._stamps[index].ctypes.data
        is_floor = who != "trader"
        taken = [relay for relay in self._relays if relay[0].startswith("/floor/") == is_floor]
        assert len(taken) <= RELAYS_MAX
        relays = (Relay * max(1, len(taken)))()
        for index, (_, plug, venue) in enumerate(taken):
            relays[index].client = plug.fileno()
            relays[index].venue = -1 if venue is None else venue.fileno()
        every = Relays(
            ctypes.addressof(relays), len(taken), ARRIVALS, self._arrivals.ctypes.data, 0, 0
        )
        sent = self._library.load_paced(
            lines, len(VENUES), ctypes.c_int64(1_000_000_000 // rate), ctypes.c_uint64(frames),
            ctypes.byref(every) if taken else None,
        )  # fmt: skip
        found = self._done(who, lines, sent)
        kept = self._arrivals[: min(every.arrival_count, ARRIVALS)]
        return found | {
            "arrivals": [kept[name].tolist() for name in ("stamp_ns", "relay", "bytes")],
            "relays": [path for path, _, _ in taken],
        }

    def batched(
        self, who: str, kind: str, count: int, size: int, rate: float, seconds: float
    ) -> dict[str, Any]:
        """Send batches of `size` frames; rate 0: as many as the sockets take."""
        lines = self._lines(who, kind, count)
        widest = max(pool.frame_bytes_max for pool, _ in self._pools[f"{kind}/{count}"])
        begin_ns = self._library.load_mono_ns
        begin_ns.restype = ctypes.c_int64
        found: dict[str, Any] = {}
        before = begin_ns()
        sent = self._library.load_batched(
            lines, len(VENUES), size, ctypes.c_double(rate),
            ctypes.c_int64(int(seconds * 1e9)), widest,
        )  # fmt: skip
        found = self._done(who, lines, sent)
        return found | {"seconds": (begin_ns() - before) / 1e9}

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Do what one command says."""
        verb = command.pop("verb")
        if verb == "who":
            return {"feeds": sorted(f"{who} {index}" for who, index in self._feeds),
                    "relays": [path for path, _, _ in self._relays]}  # fmt: skip
        verbs: dict[str, Callable[..., dict[str, Any]]] = {
            "paced": self.paced,
            "batched": self.batched,
        }
        return verbs[verb](**command)


def main() -> None:
    parser = argparse.ArgumentParser(prog="load_generator", description=__doc__)
    parser.add_argument("--core", type=int, required=True)
    parser.add_argument("--stamps", type=Path, help="file of int64, (venues, frames)")
    parser.add_argument("--upstream", default="{}", help="JSON: path -> [host, port]")
    options = parser.parse_args()
    pin(options.core)
    stamps = None
    if options.stamps is not None:
        stamps = np.memmap(options.stamps, np.int64, "r+").reshape(len(VENUES), -1)
    upstream = {path: tuple(place) for path, place in json.loads(options.upstream).items()}
    generator = Generator(upstream, stamps)
    asked: list[str] = []
    generator.listen_to(sys.stdin.fileno(), lambda: asked.append(sys.stdin.readline()))
    print(json.dumps({"port": generator.port}), flush=True)
    while True:
        generator.turn(1.0)
        while asked:
            line = asked.pop(0)
            if not line:
                return
            try:
                said = generator.answer(json.loads(line))
            except (ConnectionError, KeyError) as error:
                said = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()

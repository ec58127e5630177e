"""The load generator as a process: ``python -m benchmarks.load_generator --core N``.

It listens on one port of 127.0.0.1. What a connection is for says its path:

    /v5/public/linear  /ws/v5/public     quotes of Bybit, of OKX, to a trader
    /floor/bybit       /floor/okx        the same to the listeners that are the floor
    /floor/order/0     /floor/order/1    what comes there is logged with its time, and answered
    anything else                        relayed to the venue behind it, and logged

With ``--chain FILE`` that port speaks TLS; then each venue behind it has a port of its own here,
whose bytes are relayed as they come: nobody can read there for whom they are.

Commands are JSON lines on its input, one answer each on its output. Frames leave from
`load_wire.c`, on the pinned thread, which does nothing else meanwhile; subscriptions and pings are
answered between two runs.
"""

import argparse
import ctypes
import json
import selectors
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.load_frames import FRAME, SEQ_FIRST, Pool, filled, pools, records_of
from benchmarks.load_structs import ARRIVAL, Line, Relay, Relays
from benchmarks.load_words import (
    OPCODE_CLOSE,
    OPCODE_PING,
    OPCODE_TEXT,
    answer_of,
    client_texts,
    switched,
    text_frame,
)
from benchmarks.native import load
from benchmarks.noise import pin
from benchmarks.tls_plug import TlsPlug, server_context

__all__ = ["Generator"]

VENUES = ("bybit", "okx")
FEEDS = {
    "/v5/public/linear": ("trader", 0),
    "/ws/v5/public": ("trader", 1),
    "/floor/bybit": ("floor", 0),
    "/floor/okx": ("floor", 1),
}
ORDERS = ("/v5/trade", "/ws/v5/private", "/floor/order/0", "/floor/order/1")
ARRIVALS = 1 << 16
RELAYS_MAX = 16
HEADER_BYTES_MAX = 1 << 16


Plug = socket.socket | TlsPlug


ANSWERS = 1 << 10  # for as many orders of one run and line
ANSWER = text_frame(b"x" * 200)  # as long as a venue's


class Generator:
    """Take connections, and send on command.

    Threads: one.

    Parameters
    ----------
    upstream : mapping
        path -> (host, port) of the venue behind that path, for what is relayed.
    stamps : numpy array or None
        (venues, frames) of int64 that takes the stamps of paced runs.
    chain : Path or None
        Certificate chain and key: TLS.
    """

    def __init__(
        self, upstream: dict[str, tuple[str, int]], stamps: Any = None, chain: Path | None = None
    ) -> None:
        self._library = load("load_wire")
        self._library.load_paced.restype = ctypes.c_int64
        self._library.load_batched.restype = ctypes.c_int64
        self._upstream = upstream
        self._stamps = stamps
        self._selector = selectors.DefaultSelector()
        self._context = server_context(chain) if chain is not None else None
        self._server = self._listen(self._accept)
        self._feeds: dict[tuple[str, int], Plug] = {}
        self._pools: dict[str, tuple[Any, ...]] = {}
        self._relays: list[tuple[str, Plug, socket.socket | None]] = []
        self._answers: dict[int, list[bytes]] = {}  # by file, those that leave next
        self._answers_laid: dict[int, Any] = {}
        self._arrivals = np.zeros(ARRIVALS, ARRIVAL)
        self._seqs = {"trader": [SEQ_FIRST[venue] for venue in VENUES]}
        self.port: int = self._server.getsockname()[1]
        self.relay_ports = {
            path: self._listen_for(path).getsockname()[1]
            for path in (upstream if chain is not None else ())
        }

    # ---- connections ----------------------------------------------------------------------------

    def listen_to(self, plug: Any, act: Callable[[], None]) -> None:
        """Call a function when a socket or a file becomes readable."""
        self._selector.register(plug, selectors.EVENT_READ, act)

    def turn(self, wait_s: float) -> None:
        """Handle what has come."""
        for key, _ in self._selector.select(wait_s):
            key.data()

    def _listen(self, act: Callable[[], None]) -> socket.socket:
        server = socket.create_server(("127.0.0.1", 0))
        self.listen_to(server, act)
        return server

    def _listen_for(self, path: str) -> socket.socket:
        def accept() -> None:
            plug, _ = server.accept()
            plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plug.setblocking(False)
            self._begin_relay(path, plug, b"")

        server = self._listen(accept)
        return server

    def _accept(self) -> None:
        raw, _ = self._server.accept()
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.settimeout(10.0)
        try:
            plug = raw if self._context is None else TlsPlug(raw, self._context)
        except OSError:
            raw.close()
            return
        request = b""
        while b"\r\n\r\n" not in request and len(request) < HEADER_BYTES_MAX:
            came = plug.recv(4096)
            if not came:
                plug.close()
                return
            request += came
        path = request.split(b" ", 2)[1].decode()
        if path in FEEDS or path.startswith("/floor/"):
            plug.sendall(switched(request))
        plug.setblocking(False)
        if path in FEEDS:
            self._take_feed(plug, FEEDS[path])
        elif path.startswith("/floor/order/"):
            self._add_relay(path, plug, None)
        else:
            self._begin_relay(path, plug, request)

    def _take_feed(self, plug: Plug, what: tuple[str, int]) -> None:
        self._feeds[what] = plug
        held = bytearray()

        def read() -> None:
            try:
                came = plug.recv(65536)
            except BlockingIOError:
                return  # of a record the beginning
            except OSError:
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

    def _begin_relay(self, path: str, plug: Plug, request: bytes) -> None:
        if path not in self._upstream:
            plug.close()
            return
        venue = socket.create_connection(self._upstream[path])
        venue.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        venue.sendall(request)
        venue.setblocking(False)
        self._add_relay(path, plug, venue)

    def _add_relay(self, path: str, plug: Plug, venue: socket.socket | None) -> None:
        relay = (path, plug, venue)
        self._relays.append(relay)

        def pass_on(source: Plug, sink: Plug | None) -> None:
            try:
                came = source.recv(65536)
                if came and sink is not None:
                    sink.setblocking(True)
                    sink.sendall(came)
                    sink.setblocking(False)
            except BlockingIOError:
                return
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

    def _leave(self, plug: Plug) -> None:
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

    def _encrypt(self, who: str, kind: str, index: int, line: Line, rate: int) -> Any:
        """Let a line send records, one a frame, instead of the frames; return what holds them.

        Without TLS nothing is to be done.
        """
        plug = self._feeds[who, index]
        if isinstance(plug, socket.socket):
            return None
        pool, _ = self._pools[f"{kind}/{line.count}"][index]
        texts = filled(pool, line.seq + 1, time.time_ns(), 1_000_000_000 // rate)
        held = self._held(records_of(pool.venue, map(plug.record, texts)))
        line.pool, line.frames = ctypes.addressof(held[1]), held[0].frames.ctypes.data
        return held

    def _stock(self, relay: Relay, plug: Plug) -> None:
        """Lay answers ready for a line that no venue answers: an order costs a trader those, too.

        A record that was made has to be the next that leaves: what is left serves the next run.
        """
        held = self._answers.setdefault(plug.fileno(), [])
        while len(held) < ANSWERS:
            held.append(ANSWER if isinstance(plug, socket.socket) else plug.record(ANSWER))
        self._answers_laid[plug.fileno()] = laid = ctypes.create_string_buffer(b"".join(held))
        relay.answers, relay.answer_bytes = ctypes.addressof(laid), len(held[0])
        relay.answers_left = len(held)

    def _use_up(self, relay: Relay, plug: Plug) -> None:
        del self._answers[plug.fileno()][: ANSWERS - relay.answers_left]

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
        records = [self._encrypt(who, kind, index, lines[index], rate) for index in range(2)]
        assert self._stamps is not None
        for index in range(len(VENUES)):
            lines[index].stamps = self._stamps[index].ctypes.data
        is_floor = who != "trader"
        taken = [relay for relay in self._relays if relay[0].startswith("/floor/") == is_floor]
        taken.sort(key=lambda relay: relay[0] not in ORDERS)
        assert len(taken) <= RELAYS_MAX
        relays = (Relay * max(1, len(taken)))()
        for index, (_, plug, venue) in enumerate(taken):
            relays[index].client = plug.fileno()
            relays[index].venue = -1 if venue is None else venue.fileno()
            relays[index].has_orders = taken[index][0] in ORDERS
            if venue is None:
                self._stock(relays[index], plug)
        every = Relays(
            ctypes.addressof(relays), len(taken), ARRIVALS, self._arrivals.ctypes.data, 0, 0
        )
        sent = self._library.load_paced(
            lines, len(VENUES), ctypes.c_int64(1_000_000_000 // rate), ctypes.c_uint64(frames),
            ctypes.byref(every) if taken else None,
        )  # fmt: skip
        found = self._done(who, lines, sent)
        del records  # they lay there for the run
        for index, (_, plug, venue) in enumerate(taken):
            if venue is None:
                self._use_up(relays[index], plug)
        kept = self._arrivals[: min(every.arrival_count, ARRIVALS)]
        return found | {
            "arrivals": [kept[name].tolist() for name in ("stamp_ns", "relay", "bytes")],
            "relays": [path for path, _, _ in taken],
        }

    def batched(
        self, who: str, kind: str, count: int, size: int, rate: float, seconds: float
    ) -> dict[str, Any]:
        """Send batches of `size` frames; rate 0: as many as the sockets take."""
        assert self._context is None, "batches are sent without TLS"
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
    parser.add_argument("--chain", type=Path, help="certificate chain and key: TLS")
    options = parser.parse_args()
    pin(options.core)
    stamps = None
    if options.stamps is not None:
        stamps = np.memmap(options.stamps, np.int64, "r+").reshape(len(VENUES), -1)
    upstream = {path: tuple(place) for path, place in json.loads(options.upstream).items()}
    generator = Generator(upstream, stamps, options.chain)
    asked: list[str] = []
    generator.listen_to(sys.stdin.fileno(), lambda: asked.append(sys.stdin.readline()))
    print(json.dumps({"port": generator.port, "relays": generator.relay_ports}), flush=True)
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

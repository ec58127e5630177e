"""What the rings replaced: the same opportunity found by processes that poll a Redis.

    writer -> Redis -> scanner -> Redis -> strategy

The writer parses a frame with our own parser and stores the quote; the scanner reads both quotes in
a tight loop, compares them and stores an opportunity; the strategy reads opportunities in a tight
loop. Nobody pauses between two polls, so this is the best that the architecture can do; systems
that sleep between polls add their pause twice.
"""

import multiprocessing
import shutil
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import redis

import arbitrage
from arbitrage.cold.redis_server import EmbeddedRedis
from benchmarks.frame_to_opportunity import crossing_frames, run_once
from benchmarks.harness import Question, Row, Samples, Setup
from benchmarks.noise import pin

__all__ = ["QUESTIONS"]

RATE = 200  # frames a second: polled far less than Redis answers
EDGE_BPS = 21.0
QUOTE = struct.Struct("<qqdd")  # number, stamp, bid, ask
FOUND = struct.Struct("<qq")  # number, stamp
KEYS = ("quote:bybit", "quote:okx")
STOP = b"stop"
READY_S = 30.0
PINGS = 400


@contextmanager
def server(core: int) -> Iterator[Path]:
    """Run an embedded Redis on a core; yield its socket."""
    pin(core)  # a process begins where the thread that starts it is
    folder = Path(tempfile.mkdtemp(prefix="arb-bench-"))
    held = EmbeddedRedis(folder)
    try:
        yield held.socket
    finally:
        held.close()
        shutil.rmtree(folder, ignore_errors=True)


def _scan(socket: str, core: int, done: Connection) -> None:
    """Poll both quotes; store what pays."""
    pin(core)
    client: Any = redis.Redis(unix_socket_path=socket)
    seen = -1
    done.send("ready")
    while True:
        here, there, stop = client.mget(*KEYS, STOP)
        if stop:
            return
        if not here or not there:
            continue
        bybit, okx = QUOTE.unpack(here), QUOTE.unpack(there)
        newest = max(bybit, okx)
        if newest[0] == seen:
            continue
        seen = newest[0]
        edge = max((okx[2] - bybit[3]) / bybit[3], (bybit[2] - okx[3]) / okx[3]) * 1e4
        if edge > EDGE_BPS:
            client.set("opportunity", FOUND.pack(newest[0], newest[1]))


def _decide(socket: str, core: int, done: Connection) -> None:
    """Poll the opportunity; return how old each was when it was seen."""
    pin(core)
    client: Any = redis.Redis(unix_socket_path=socket)
    seen, ages = -1, []
    done.send("ready")
    while True:
        found, stop = client.mget("opportunity", STOP)
        if found:
            number, stamp_ns = FOUND.unpack(found)
            if number != seen:
                seen = number
                ages.append(time.monotonic_ns() - stamp_ns)
        if stop:
            done.send(ages)
            return


def _pings(client: Any) -> Samples:
    taken = np.empty(PINGS)
    for number in range(PINGS):
        begin = time.perf_counter_ns()
        client.ping()
        taken[number] = time.perf_counter_ns() - begin
    return taken


def _write(client: Any, seconds: float) -> int:
    """Store quotes at RATE; return how many of them pay."""
    period_ns, crossings = 1_000_000_000 // RATE, 0
    due_ns = time.monotonic_ns()
    last: dict[int, tuple[float, float]] = {}
    for number, (venue, frame) in enumerate(crossing_frames(int(RATE * seconds) + 4)):
        while time.monotonic_ns() < due_ns:
            pass
        begin_ns = time.monotonic_ns()
        quote = arbitrage.parse_frame(("bybit", "okx")[venue], frame)
        client.set(KEYS[venue], QUOTE.pack(number, begin_ns, quote.bid_px, quote.ask_px))
        last[venue] = quote.bid_px, quote.ask_px
        if len(last) == 2:
            bid, ask = last[venue]
            other_bid, other_ask = last[1 - venue]
            edge = max((other_bid - ask) / ask, (bid - other_ask) / other_ask) * 1e4
            crossings += edge > EDGE_BPS
        due_ns = max(due_ns + period_ns, begin_ns + period_ns // 2)
    return crossings


def measure(setup: Setup) -> Row:
    context = multiprocessing.get_context("spawn")
    cores = setup.cores
    with server(cores[3]) as socket:
        pin(cores[0])
        client: Any = redis.Redis(unix_socket_path=str(socket))
        pings = _pings(client)
        pipes, processes = [], []
        for place, work in enumerate((_scan, _decide)):
            ours, theirs = context.Pipe()
            given = (str(socket), cores[1 + place], theirs)
            processes.append(context.Process(target=work, args=given, daemon=True))
            pipes.append(ours)
            processes[-1].start()
        try:
            for pipe in pipes:
                assert pipe.poll(READY_S), "a process did not start"
                pipe.recv()
            crossings = _write(client, setup.seconds)
            time.sleep(0.1)
            client.set(STOP, 1)
            assert pipes[1].poll(READY_S), "the strategy did not end"
            ages = np.array(pipes[1].recv(), dtype=np.float64)
        finally:
            for process in processes:
                process.join(READY_S)
                if process.is_alive():
                    process.kill()
                    process.join()
    assert 0 < len(ages) <= crossings, f"{len(ages)} seen of {crossings}"
    fused = run_once("fused", cores[:2], min(0.5, setup.seconds))["seen"][0]
    p50, trip = float(np.median(ages)), float(np.median(pings))
    return Row(
        name="polling_redis",
        unit="ns",
        p50=p50,
        p99=float(np.percentile(ages, 99)),
        p999=float(np.percentile(ages, 99.9)),
        floor="four round trips to the same Redis: two writes, two reads",
        floor_p50=4 * trip,
        floor_p99=4 * float(np.percentile(pings, 99)),
        peer="our own way: frame_to_opportunity_fused in the same run",
        peer_p50=float(fused),
        ratio_to_floor=p50 / (4 * trip),
        ratio_to_peer=fused / p50,
        n=len(ages),
        note=f"what the rings replaced: frame parsed, quote polled out of a real Redis on a Unix "
        f"socket, opportunity polled out of it; three processes, no pause between polls, {RATE} "
        f"frames/s; asserted: no opportunity that is none; {len(ages)} seen of {crossings}",
        more={
            "p90": float(np.percentile(ages, 90)),
            "ping_p50": trip,
            "missed": crossings - len(ages),
        },
    )


QUESTIONS = (
    Question("polling_redis", 4, measure, "the same opportunity found by polling a Redis"),
)

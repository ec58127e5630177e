"""Simulated venues and a trader as the separate programs they are, for tests."""

import json
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from late_orders import ended_pairs, longest_streak
from patience import LIMIT_S, Patience

import arbitrage
from arbitrage.config import Credentials
from arbitrage.core.segment import Segment
from arbitrage.demo.facts import AccountFacts, read_account
from arbitrage.demo.processes import Child
from arbitrage.errors import JournalError, SegmentError
from arbitrage.secret import Secret
from arbitrage.trading.runs import journal_parts

SYMBOLS = "BTCUSDT,ETHUSDT,SOLUSDT"
VENUES = ("bybit", "okx")
STREAK_MAX = 10  # pairs of one leg in a row; a market that moves makes three by chance
KEYS = {
    "BYBIT_API_KEY": "sim-key",
    "BYBIT_API_SECRET": "sim-secret",
    "OKX_API_KEY": "sim-key",
    "OKX_API_SECRET": "sim-secret",
    "OKX_API_PASSPHRASE": "sim-pass",
}


def credentials() -> Credentials:
    """Return the simulators' default key."""
    return Credentials(
        key=Secret("sim-key"), secret=Secret("sim-secret"), passphrase=Secret("sim-pass")
    )


class Venues:
    """Two simulated venues."""

    def __init__(
        self, ready: Mapping[str, dict[str, Any]], children: Mapping[str, Child]
    ) -> None:
        self.ready = ready
        self._children = children

    @property
    def pids(self) -> list[int]:
        """Both processes."""
        return [child.pid for child in self._children.values()]

    def kill(self, venue: str) -> None:
        """End a venue as a power cut would."""
        self._children[venue].signal(signal.SIGKILL)
        self._children[venue].wait(LIMIT_S)

    def environment(self) -> dict[str, str]:
        """Return the hosts and keys a trader needs."""
        bybit, okx = self.ready["bybit"], self.ready["okx"]
        return KEYS | {
            "BYBIT_REST_URL": bybit["rest_url"],
            "BYBIT_PUBLIC_WS_URL": bybit["public_ws_url"],
            "BYBIT_PRIVATE_WS_URL": bybit["private_ws_url"],
            "BYBIT_TRADE_WS_URL": bybit["trade_ws_url"],
            "OKX_REST_URL": okx["rest_url"],
            "OKX_PUBLIC_WS_URL": okx["public_ws_url"],
            "OKX_PRIVATE_WS_URL": okx["private_ws_url"],
        }

    def accounts(self) -> dict[str, AccountFacts]:
        """Ask both venues for equity and positions."""
        return {
            venue: read_account(venue, self.ready[venue]["rest_url"], credentials())
            for venue in VENUES
        }

    def change(self, venue: str, **fields: object) -> int:
        """Change a contract of a venue that was started with `--admin`; return the status."""
        url = f"{self.ready[venue]['rest_url']}/admin/instrument"
        request = urllib.request.Request(url, json.dumps(fields).encode(), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=LIMIT_S) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            return error.code

    def equity(self) -> Decimal:
        """Return the equity of both venues together."""
        return sum((facts.equity_usd for facts in self.accounts().values()), Decimal(0))


@contextmanager
def venues(
    folder: Path,
    *,
    rate: int = 1000,
    rates: Mapping[str, int] | None = None,
    seed: int = 7,
    symbols: str = SYMBOLS,
    extra: Sequence[str] = (),
    program: Sequence[str] = ("-m", "arbitrage.sim"),
) -> Iterator[Venues]:
    """Run both simulated venues on free ports; `rates` are those that differ from `rate`."""
    t0_ns = time.time_ns()
    children, ready = {}, {}
    environment = os.environ | KEYS
    try:
        for venue in VENUES:
            path = folder / f"{venue}.ready"
            arguments = [*program, "--venue", venue, "--symbols", symbols]
            arguments += ["--seed", str(seed), "--t0-ns", str(t0_ns)]
            arguments += ["--rate", str((rates or {}).get(venue, rate))]
            arguments += ["--ws-port", "0", "--rest-port", "0", "--ready-file", str(path), *extra]
            children[venue] = Child(f"sim {venue}", arguments, environment, folder)
        for venue, child in children.items():
            ready[venue] = child.wait_ready(folder / f"{venue}.ready", LIMIT_S)
        yield Venues(ready, children)
    finally:
        for child in children.values():
            child.stop()


class Trader:
    """A trader as a program of its own."""

    def __init__(self, folder: Path, environment: Mapping[str, str], **settings: str) -> None:
        self.name = f"test-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._folder = folder
        self.report_path = folder / "report.json"
        self.settings = {
            "ARB_NAME": self.name,
            "ARB_SYMBOLS": SYMBOLS,
            "ARB_STATE_DIR": str(folder / "state"),
            "ARB_MODE": "testnet",
            "ARB_MAX_HOLD_S": "1",
            "ARB_JOURNAL_RECORDS": "16384",
            # on a machine that stalls, orders of one leg alone come too late and are refused: held
            # to the breaker's own limit at the end, but for those
            "ARB_BREAKER_FAILURES": "1000",
        } | settings
        self._breaks_often = "ARB_BREAKER_FAILURES" in settings
        base = {key: text for key, text in os.environ.items() if key not in KEYS}
        self.child = Child(
            f"trader-{self.name}",
            ["-m", "arbitrage.trader", "--report", str(self.report_path)],
            base | dict(environment) | self.settings,
            folder,
            orphan_signal=signal.SIGTERM,
        )

    def attach(self, timeout_s: float = LIMIT_S) -> Segment:
        """Wait until the trader is ready and attach to it."""
        patience = Patience(timeout_s)
        while not patience.is_over():
            self.child.check()
            try:
                segment = arbitrage.attach(self.name)
                if segment.alive and segment.state == "ready":
                    return segment
            except SegmentError:
                pass
            time.sleep(0.02)
        raise TimeoutError(f"{self.name} was not ready within {timeout_s} s")

    def wait_closed_pairs(self, segment: Segment, count: int, timeout_s: float = LIMIT_S) -> None:
        """Wait until so many pairs have closed."""
        self._wait_pairs(segment, "closed", count, timeout_s)

    def wait_opened_pairs(self, segment: Segment, count: int) -> None:
        """Wait until so many pairs have been opened."""
        self._wait_pairs(segment, "opened", count, LIMIT_S)

    def _wait_pairs(self, segment: Segment, what: str, count: int, timeout_s: float) -> None:
        patience = Patience(timeout_s)
        while (counters := segment.counters()["strategy"])[f"pairs_{what}"] < count:
            self.child.check()
            if patience.is_over():
                raise TimeoutError(f"{count} pairs were not {what}: {counters}")
            time.sleep(0.01)

    def stop(self, timeout_s: float = LIMIT_S) -> int | None:
        """Send SIGTERM; return the exit code, None when it did not end."""
        self.child.signal(signal.SIGTERM)
        return self.child.wait(timeout_s)

    def log(self) -> str:
        """Return all that the trader has logged."""
        return (self._folder / f"{self.child.title}.log").read_text()

    def check_legs(self) -> None:
        """Hold pairs of one leg to what chance makes, where a test has not said more."""
        if self._breaks_often:
            return
        for run, parts in journal_parts(Path(self.settings["ARB_STATE_DIR"])).items():
            with suppress(JournalError):  # of a test that damaged it
                streak = longest_streak(ended_pairs(parts))
                assert streak < STREAK_MAX, f"run {run}: {streak}"

    def report(self) -> dict[str, Any]:
        """Return what the trader reported at its end."""
        found: dict[str, Any] = json.loads(self.report_path.read_text())
        return found


@contextmanager
def trader(folder: Path, environment: Mapping[str, str], **settings: str) -> Iterator[Trader]:
    """Run a trader; whatever happens, it is gone afterwards."""
    running = Trader(folder, environment, **settings)
    try:
        yield running
    finally:
        running.child.stop(10.0)
    running.check_legs()


class Proxy:
    """A TCP relay in front of a venue's socket that can be cut for good."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._target = (parts.hostname, parts.port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.url = f"ws://127.0.0.1:{self._server.getsockname()[1]}{parts.path}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Close every connection and take no more."""
        # shut down first: a close alone leaves the blocked accept one more connection
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for side in self._open:
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                inside, _ = self._server.accept()
            except OSError:
                return
            outside = socket.create_connection(self._target)
            self._open += [inside, outside]
            for source, sink in ((inside, outside), (outside, inside)):
                threading.Thread(target=self._relay, args=(source, sink), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

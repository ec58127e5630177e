"""The cold side of one trader, all of it at once: what `benchmarks.cold_side` attaches to it.

`arb monitor` is scraped ten times a second and its page is followed, `arb dashboard` draws in a
terminal of 120 columns, `arb mirror` writes into a Redis of its own, `arb record` writes all three
of its streams. Every one of them is the program that a user starts. What each did is counted from
outside, so that none counts as attached that does nothing.
"""

import fcntl
import http.client
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import redis

from arbitrage.cold.recorder import SUMMARY
from arbitrage.demo.processes import Child
from arbitrage.errors import ArbitrageError

__all__ = ["PROGRAMS", "ColdSide"]

PROGRAMS = ("monitor", "dashboard", "mirror", "recorder")
SCRAPES_A_SECOND = 10
COLUMNS, LINES = 120, 40
READY_S = 90.0
STOP_S = 30.0
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_SERVING = re.compile(r"serving http://127\.0\.0\.1:(\d+)/")


def wait_until(check: Callable[[], Any], what: str, limit_s: float = READY_S) -> Any:
    """Wait until something is true, and return it."""
    end_s = time.monotonic() + limit_s
    while not (found := check()):
        if time.monotonic() > end_s:
            raise ArbitrageError(f"{what} within {limit_s:g} s")
        time.sleep(0.05)
    return found


def cpu_s(pid: int) -> float:
    """Return the processor time of a process so far; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


class Visitor:
    """Who looks at a monitor: a scraper ten times a second, and a page that is open."""

    def __init__(self, port: int) -> None:
        self.scrapes = self.refused = self.messages = 0
        self._port = port
        self._over = threading.Event()
        self._page = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_S)
        works = (self._scrape, self._follow)
        self._threads = [threading.Thread(target=work, daemon=True) for work in works]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Leave."""
        self._over.set()
        with suppress(OSError, AttributeError):
            self._page.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(STOP_S)

    def _scrape(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=READY_S)
        due_s = time.monotonic()
        while not self._over.wait(max(0.0, due_s - time.monotonic())):
            due_s = max(due_s + 1 / SCRAPES_A_SECOND, time.monotonic())
            try:
                connection.request("GET", "/metrics")
                answer = connection.getresponse()
                is_whole = b"latency_measurements_total" in answer.read() and answer.status == 200
            except (OSError, http.client.HTTPException):
                connection.close()
                is_whole = False
            self.scrapes += is_whole
            self.refused += not is_whole

    def _follow(self) -> None:
        with suppress(OSError, http.client.HTTPException, ValueError):
            self._page.request("GET", "/events")
            answer = self._page.getresponse()
            while not self._over.is_set() and (line := answer.readline()):
                self.messages += line.startswith(b"data:") and b'"venues"' in line


class Screen:
    """`arb dashboard` in a terminal that somebody reads."""

    def __init__(self, name: str, folder: Path) -> None:
        self.drawn_bytes = 0
        self._shown = b""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "arbitrage.cli", "dashboard", "--name", name],
            stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder,
            env=os.environ | {"TERM": "xterm-256color"}, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.pid = self._process.pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def shows(self, text: bytes) -> bool:
        """Return whether it has drawn a text; raise when it has ended."""
        if self._process.poll() is not None:
            words = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", self._shown).strip().splitlines()
            last = words[-1].decode(errors="replace") if words else "nothing was said"
            raise ArbitrageError(f"arb dashboard ended early: {last}")
        return text in self._shown

    def close(self) -> None:
        """End it, by its own key first."""
        with suppress(OSError):
            os.write(self._ours, b"q")
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._over.set()
        self._thread.join(STOP_S)
        os.close(self._ours)

    def _read(self) -> None:
        while not self._over.is_set():
            if not select.select([self._ours], [], [], 0.2)[0]:
                continue
            try:
                found = os.read(self._ours, 1 << 16)
            except OSError:  # its side is closed
                return
            self.drawn_bytes += len(found)
            self._shown = (self._shown + found)[-(1 << 18) :]


class ColdSide:
    """All cold programs of a trader, ready; they are gone after the ``with``.

    Parameters
    ----------
    name : str
        The trader's segment.
    folder : Path
        A new folder of theirs; its path must be short enough for a socket.
    symbol : str
        A canonical symbol that the trader watches.

    Raises
    ------
    ArbitrageError
        One of them ended, or was not ready in time.
    """

    def __init__(self, name: str, folder: Path, symbol: str) -> None:
        self.name, self.folder, self._symbol = name, folder, symbol
        self._stack = ExitStack()

    def __enter__(self) -> "ColdSide":
        self.folder.mkdir()
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _start(self) -> None:
        self.monitor = self._child("monitor", "monitor", "--port", "0")
        self.mirror = self._child("mirror", "mirror")
        self.recorder = self._child("recorder", "record", "--out", str(self.folder / "record"))
        self.screen = Screen(self.name, self.folder)
        self._stack.callback(self.screen.close)
        log = self.folder / "monitor.log"

        def port() -> int:
            found = _SERVING.search(log.read_text(errors="replace"))
            return int(found[1]) if found else 0

        self._visitor = Visitor(self._wait(port, "arb monitor did not serve"))
        self._stack.callback(self._visitor.close)
        self._redis = redis.Redis(
            unix_socket_path=str(self.folder / "state" / "redis" / "redis.sock"),
            decode_responses=True,
            socket_timeout=READY_S,
        )
        self._stack.callback(self._redis.close)
        self._wait(lambda: self.mirrored().get("published", 0) > 0, "arb mirror wrote nothing")
        self.redis_pid = int(self._redis.info("server")["process_id"])
        self._wait(lambda: self.screen.shows(self._symbol.encode()), "arb dashboard drew nothing")
        self._wait(lambda: self.work()["recorder"] > 0, "arb record wrote nothing")
        self._wait(
            lambda: self._visitor.scrapes and self._visitor.messages, "arb monitor gave no page"
        )

    def _wait(self, check: Callable[[], Any], what: str) -> Any:
        """Wait for one of them while none has ended."""

        def look() -> Any:
            self.check()
            return check()

        return wait_until(look, what)

    def _child(self, title: str, *words: str) -> Child:
        environment = os.environ | {
            "ARB_NAME": self.name,
            "ARB_STATE_DIR": str(self.folder / "state"),
            "REDIS_URL": "",
            "LOG_LEVEL": "INFO",
        }
        child = Child(title, ["-m", "arbitrage.cli", *words], environment, self.folder)
        self._stack.callback(child.stop, STOP_S)
        return child

    # ---- what they are and do --------------------------------------------------------------------

    @property
    def pids(self) -> dict[str, int]:
        """Process ids; `redis` is the mirror's own server."""
        return {
            "monitor": self.monitor.pid,
            "dashboard": self.screen.pid,
            "mirror": self.mirror.pid,
            "redis": self.redis_pid,
            "recorder": self.recorder.pid,
        }

    def check(self) -> None:
        """Raise when one of them has ended."""
        for child in (self.monitor, self.mirror, self.recorder):
            child.check()
        self.screen.shows(b"")

    def work(self) -> dict[str, int]:
        """Count what each did: scrapes, messages, bytes drawn, events mirrored, bytes recorded."""
        folder = self.folder / "record"
        sizes = [path.stat().st_size for path in folder.iterdir()] if folder.is_dir() else []
        return {
            "monitor": self._visitor.scrapes,
            "scrapes_refused": self._visitor.refused,
            "page": self._visitor.messages,
            "dashboard": self.screen.drawn_bytes,
            "mirror": self.mirrored().get("published", 0),
            "recorder": sum(sizes),
        }

    def cpu_s(self) -> dict[str, float]:
        """Return the processor time of each so far."""
        return {title: cpu_s(pid) for title, pid in self.pids.items()}

    def signal(self, title: str, number: int) -> None:
        """Send one of them a signal, by its title."""
        os.kill(self.pids[title], number)

    def mirrored(self) -> dict[str, int]:
        """Return the mirror's own numbers from Redis; nothing while Redis does not answer."""
        try:
            held = self._redis.hgetall(f"arbitrage:{self.name}:mirror")
        except (redis.RedisError, OSError):
            return {}
        return {key: int(text) for key, text in held.items() if text.isdigit()}

    def manifest(self) -> dict[str, Any]:
        """End the recorder, and return what its manifest says."""
        self.recorder.signal(signal.SIGTERM)
        if self.recorder.wait(STOP_S) != 0:
            raise ArbitrageError(f"arb record did not end: {self.recorder.last_words()}")
        found: dict[str, Any] = json.loads((self.folder / "record" / SUMMARY).read_text())
        return found

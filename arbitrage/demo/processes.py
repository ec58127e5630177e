"""Child programs of the demo: in groups of their own, ended with their parent, never lost."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from arbitrage.errors import ArbitrageError

__all__ = ["Child"]

PR_SET_PDEATHSIG = 1
TAIL_BYTES = 4096
# What a user's strategy logs, and what is said of its process: time, level, logger, text.
STRATEGY_LINE = re.compile(r"\S+Z ([A-Z]+) (strategy\.|arbitrage\.runtime\.strategy_process:)(.*)")


def _die_with(parent_pid: int, number: int) -> Callable[[], None] | None:
    """Return what a child runs first: ask the kernel for a signal when its parent dies."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent_pid:  # it died before the request
            os.kill(os.getpid(), number)

    return ask


def strategy_line(level: str, text: str) -> str:
    """Write a strategy's log line for the demo: only what is worse than INFO names its level."""
    return text.strip() if level == "INFO" else f"{level} {text.strip()}"


class Child:
    """One program of the demo.

    Parameters
    ----------
    title : str
        What it is, for messages.
    args : sequence of str
        Arguments of this Python.
    environment : mapping
        Its whole environment.
    folder : Path
        Private folder that takes its log.
    orphan_signal : int
        What it gets when the demo dies.
    """

    def __init__(
        self,
        title: str,
        args: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        orphan_signal: int = signal.SIGKILL,
    ) -> None:
        self.title = title
        self._log = folder / f"{title.replace(' ', '-')}.log"
        with self._log.open("wb") as log:
            # Its own session keeps the terminal's Ctrl-C away: the demo decides who stops when.
            self._process = subprocess.Popen(
                [sys.executable, *args],
                env={**environment, "LOG_FORMAT": "text"},  # its lines are read here
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid(), orphan_signal),
            )
        self._told_bytes = 0

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""
        return self._process.poll()

    def log_lines(self) -> list[str]:
        """Return the end of what it wrote, without blank lines."""
        try:
            with self._log.open("rb") as log:
                log.seek(0, os.SEEK_END)
                log.seek(max(0, log.tell() - TAIL_BYTES))
                lines = log.read().decode("utf-8", "replace").split("\n")
        except OSError:
            return []
        return [line.strip() for line in lines if line.strip()]

    def strategy_lines(self) -> list[str]:
        """Return what users' strategies have logged since the last call, each with its name."""
        with suppress(OSError), self._log.open("rb") as log:
            log.seek(self._told_bytes)
            whole, end, _ = log.read().rpartition(b"\n")
            self._told_bytes += len(whole + end)
            found = map(STRATEGY_LINE.match, whole.decode("utf-8", "replace").split("\n"))
            return [strategy_line(match[1], match[3]) for match in found if match]
        return []

    def last_words(self) -> str:
        """Return the last line it wrote, without its ``error:``; nothing when it has none."""
        spoken = self.log_lines()
        last = spoken[-1] if spoken else ""
        return last.removeprefix("error: ") if last.startswith("error: ") else ""

    def check(self) -> None:
        """Raise when it has ended, with its last words."""
        code = self.poll()
        if code is not None:
            raise ArbitrageError(self.obituary(code))

    def obituary(self, code: int) -> str:
        """Say in one line how it ended."""
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
        words = self.last_words()
        return f"{self.title} ended early {how}{': ' + words if words else ''}"

    def wait_ready(
        self, path: Path, timeout_s: float, look: Callable[[], None] = lambda: None
    ) -> dict[str, Any]:
        """Wait for the JSON object that it writes once it serves; `look` may raise meanwhile."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                found = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
            except (FileNotFoundError, msgspec.DecodeError):
                found = None
            if found is not None:
                return found
            look()
            self.check()
            if time.monotonic() > deadline:
                raise ArbitrageError(f"{self.title} was not ready within {timeout_s:g} s")
            time.sleep(0.02)

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens when it has ended."""
        if self.poll() is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def wait(self, timeout_s: float) -> int | None:
        """Wait for its end; None when it did not come in time."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, timeout_s: float = 3.0) -> None:
        """End it: politely first, then not."""
        self.signal(signal.SIGTERM)
        if self.wait(timeout_s) is None:
            self.kill()

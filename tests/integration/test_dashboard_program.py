"""`arb dashboard` as a program: in a real terminal, and where it cannot be shown."""

import fcntl
import gzip
import importlib.util
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from arbitrage.cli.dashboard import dashboard
from arbitrage.errors import ConfigError

PROGRAM = [sys.executable, "-m", "arbitrage.cli", "dashboard"]
WAIT_S = 90.0
needs_library = pytest.mark.skipif(
    importlib.util.find_spec("textual") is None, reason="the extra `dashboard` is not installed"
)
FRAMES = {
    "bybit": b'{"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":1700000000000,"data":'
    b'{"s":"BTCUSDT","b":[["100","1"]],"a":[["101","1"]],"u":2,"seq":10},"cts":1700000000000}',
    "okx": b'{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"},"data":[{"asks":'
    b'[["103","1","0","1"]],"bids":[["102","1","0","1"]],"ts":"1700000000001","seqId":11}]}',
}


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    folder = tmp_path / "monday"
    folder.mkdir()
    for number, (venue, frame) in enumerate(FRAMES.items()):
        line = b"%d\t%s\n" % (1_700_000_000_000_000_000 + number, frame)
        (folder / f"{venue}.frames.gz").write_bytes(gzip.compress(line))
    return folder


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, arguments: list[str], folder: Path, size: tuple[int, int]) -> None:
        self._ours, theirs = pty.openpty()
        columns, lines = size
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.child = subprocess.Popen(
            [*PROGRAM, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder,
            env=os.environ | {"TERM": "xterm-256color"}, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.shown = b""

    def until(self, text: str) -> None:
        """Read until the program has written something."""
        end_s = time.monotonic() + WAIT_S
        while text.encode() not in self.shown:
            assert time.monotonic() < end_s, self.shown[-3000:]
            self._read(0.5)

    def press(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def end(self) -> int:
        """Wait for its end, reading on; return its exit code."""
        end_s = time.monotonic() + WAIT_S
        while self.child.poll() is None:
            assert time.monotonic() < end_s, self.shown[-3000:]
            self._read(0.1)
        return self.child.returncode

    def close(self) -> None:
        self.child.kill()
        self.child.wait(10)
        os.close(self._ours)

    def _read(self, wait_s: float) -> None:
        if select.select([self._ours], [], [], wait_s)[0]:
            try:
                self.shown += os.read(self._ours, 65536)
            except OSError:  # its side is closed
                time.sleep(0.01)


@needs_library
def test_a_recording_plays_in_a_terminal_until_q(recording: Path) -> None:
    terminal = Terminal(["--recording", str(recording), "--speed", "5"], recording, (100, 30))
    try:
        terminal.until("RECORDING x5")
        terminal.until("BTCUSDT")
        terminal.press(b"q")
        assert terminal.end() == 0
        assert b"Traceback" not in terminal.shown
    finally:
        terminal.close()


@needs_library
def test_it_waits_for_a_trader_and_leaves_at_q(tmp_path: Path) -> None:
    name = f"no-such-{os.getpid()}"
    terminal = Terminal(["--name", name, "--theme", "light"], tmp_path, (80, 24))
    try:
        terminal.until("NO TRADER")
        terminal.press(b"?")
        terminal.until("trip the kill switch")
        terminal.press(b"q")
        terminal.press(b"q")
        assert terminal.end() == 0
    finally:
        terminal.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(
            [], "needs a terminal on stdin and stdout; for programs there are arb status --json",
            marks=needs_library,
        ),
        (["--speed", "0"], "Invalid value for '--speed'"),
        (["--recording", "/nowhere"], "Directory '/nowhere' does not exist"),
        (["--theme", "pink"], "'pink' is not one of 'dark', 'light'"),
    ],
)
def test_what_cannot_be_shown_is_one_line(tmp_path: Path, arguments: Any, said: str) -> None:
    done = subprocess.run(
        [*PROGRAM, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, timeout=WAIT_S,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_without_its_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_spec(name: str) -> None:
        assert name == "textual"

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    with pytest.raises(ConfigError, match=r"not installed: pip install textual, or pip install"):
        dashboard.main([], standalone_mode=False)

"""Three shells: simulated venues in one, the trader in another, the monitor in a third."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from arbitrage import Segment

Shell = Callable[..., "subprocess.Popen[str]"]
VARIABLES = {
    "bybit": {
        "BYBIT_REST_URL": "rest_url",
        "BYBIT_PUBLIC_WS_URL": "public_ws_url",
        "BYBIT_PRIVATE_WS_URL": "private_ws_url",
        "BYBIT_TRADE_WS_URL": "trade_ws_url",
    },
    "okx": {
        "OKX_REST_URL": "rest_url",
        "OKX_PUBLIC_WS_URL": "public_ws_url",
        "OKX_PRIVATE_WS_URL": "private_ws_url",
    },
}
KEYS = {
    "BYBIT_API_KEY": "sim-key",
    "BYBIT_API_SECRET": "sim-secret",
    "OKX_API_KEY": "sim-key",
    "OKX_API_SECRET": "sim-secret",
    "OKX_API_PASSPHRASE": "sim-pass",
}


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Start programs that end with the test."""
    started: list[subprocess.Popen[str]] = []

    def run(*args: str, **environ: str) -> "subprocess.Popen[str]":
        log = (tmp_path / f"{len(started)}.log").open("w")
        process = subprocess.Popen(
            [sys.executable, "-m", *args],
            stdout=log,
            stderr=log,
            text=True,
            cwd=tmp_path,
            env={**os.environ, **environ},
        )
        log.close()
        started.append(process)
        return process

    yield run
    for process in reversed(started):
        if process.poll() is None:
            process.kill()
        process.wait()
    for left in Path("/dev/shm").glob(f"arbitrage.test-*-{os.getpid()}"):
        left.unlink()


def logs(folder: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(folder.glob("*.log")))


def wait_for(
    check: Callable[[], Any],
    folder: Path,
    timeout_s: float = 30.0,
    needs: "subprocess.Popen[str] | None" = None,
) -> Any:
    """Wait for something to become true; give up at once when the program it needs has ended."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        if needs is not None and needs.poll() is not None:
            raise AssertionError(f"{needs.args} ended with {needs.returncode}\n{logs(folder)}")
        time.sleep(0.1)
    raise AssertionError(f"did not happen within {timeout_s:g} s\n{logs(folder)}")


def start_venues(shell: Shell, folder: Path) -> dict[str, str]:
    """Start both venues and return the trader's host variables."""
    t0_ns = str(time.time_ns() + 500_000_000)
    for venue in VARIABLES:
        args = ["--venue", venue, "--symbols", "BTCUSDT,ETHUSDT", "--rate", "1000"]
        args += ["--t0-ns", t0_ns, "--ws-port", "0", "--rest-port", "0"]
        shell("arbitrage.cli", "sim", *args, "--ready-file", str(folder / venue), **KEYS)
    environment = KEYS | {"ARB_SYMBOLS": "BTCUSDT,ETHUSDT"}
    for venue, names in VARIABLES.items():
        path = folder / venue
        wait_for(path.exists, folder)
        ready = json.loads(path.read_text())
        environment |= {name: ready[key] for name, key in names.items()}
    return environment


def get(port: int, path: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def metric(text: str, name: str) -> float:
    for line in text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_sim_trader_and_monitor(shell: Shell, tmp_path: Path) -> None:
    name, port = f"test-programs-{os.getpid()}", free_port()
    environment = start_venues(shell, tmp_path) | {
        "ARB_NAME": name,
        "ARB_STATE_DIR": str(tmp_path / "state"),
        "ARB_MIN_GROSS_BPS": "0",
        "ARB_MAX_HOLD_S": "2",
    }
    report = tmp_path / "report.json"
    trader = shell("arbitrage.trader", "--report", str(report), **environment)
    wait_for(Path(f"/dev/shm/arbitrage.{name}").exists, tmp_path, needs=trader)
    monitor = shell("arbitrage.monitor", "--name", name, "--port", str(port))
    wait_for(lambda: get(port, "/health")[0] == 200, tmp_path)

    first = get(port, "/metrics")[1]
    counters = ("pairs_closed_total", "queue_market_push_total", "orders_total", "fills_total")

    def have_grown() -> bool:
        shown = get(port, "/metrics")[1]
        return all(metric(shown, counter) > metric(first, counter) for counter in counters)

    wait_for(have_grown, tmp_path, 45, needs=trader)
    second = get(port, "/metrics")[1]
    assert metric(second, "pairs_opened_total") > 0
    assert metric(second, 'feed_frames_total{venue="okx"}') > 0
    assert metric(second, "latency_p50_microseconds") > 0

    trader.send_signal(signal.SIGTERM)
    assert trader.wait(15) == 0, logs(tmp_path)
    body = json.loads(report.read_text())
    assert body["mode"] == "testnet"
    assert body["pairs"]["opened"] == body["pairs"]["closed"]
    status, text = wait_for(
        lambda: (found := get(port, "/health"))[0] == 503 and found, tmp_path, 10
    )
    assert status == 503
    assert json.loads(text)["reasons"]
    monitor.send_signal(signal.SIGTERM)
    assert monitor.wait(10) == 0


def test_a_wrong_key_is_one_line(shell: Shell, tmp_path: Path) -> None:
    environment = start_venues(shell, tmp_path) | {
        "ARB_NAME": f"test-key-{os.getpid()}",
        "ARB_STATE_DIR": str(tmp_path / "state"),
        "OKX_API_SECRET": "canary-wrong",
    }
    trader = shell("arbitrage.trader", "--seconds", "5", **environment)
    assert trader.wait(45) == 1
    text = (tmp_path / "2.log").read_text()
    assert text.splitlines()[-1].startswith("error: okx"), text
    assert "Traceback" not in text
    assert "canary" not in text


def test_a_venue_that_never_answers_is_one_line(shell: Shell, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        environment = start_venues(shell, tmp_path) | {
            "ARB_NAME": f"test-silent-{os.getpid()}",
            "ARB_STATE_DIR": str(tmp_path / "state"),
            "BYBIT_REST_URL": url,
        }
        trader = shell("arbitrage.trader", "--seconds", "5", **environment)
        assert trader.wait(90) == 1
    text = (tmp_path / "2.log").read_text()
    last = text.splitlines()[-1]
    assert last.startswith("error: bybit"), text
    assert "Traceback" not in text


def test_a_symbol_that_no_venue_lists_is_one_line(shell: Shell, tmp_path: Path) -> None:
    environment = start_venues(shell, tmp_path) | {
        "ARB_NAME": f"test-symbol-{os.getpid()}",
        "ARB_STATE_DIR": str(tmp_path / "state"),
        "ARB_SYMBOLS": "BTCUSDT,NOSUCHUSDT",
    }
    trader = shell("arbitrage.trader", "--seconds", "5", **environment)
    assert trader.wait(45) != 0
    text = (tmp_path / "2.log").read_text()
    last = text.splitlines()[-1]
    assert last.startswith("error: ")
    assert "NOSUCHUSDT" in last
    assert "Traceback" not in text


def test_a_killed_trader_leaves_the_way_free(shell: Shell, tmp_path: Path) -> None:
    name = f"test-killed-{os.getpid()}"
    segment = Path(f"/dev/shm/arbitrage.{name}")
    environment = start_venues(shell, tmp_path) | {
        "ARB_NAME": name,
        "ARB_STATE_DIR": str(tmp_path / "state"),
        "ARB_MIN_NET_BPS": "9000",  # it holds nothing when it is killed
    }
    first = shell("arbitrage.trader", **environment)
    port = free_port()
    wait_for(segment.exists, tmp_path, needs=first)
    monitor = shell("arbitrage.monitor", "--name", name, "--port", str(port))
    wait_for(lambda: get(port, "/health")[0] == 200, tmp_path)

    second = shell("arbitrage.trader", "--seconds", "3", **environment)
    assert second.wait(45) != 0, "two traders of one name and state folder"
    line = (tmp_path / "4.log").read_text().splitlines()[-1]
    assert line.startswith("error: ")

    first.kill()
    first.wait()
    assert segment.exists()
    wait_for(lambda: get(port, "/health")[0] == 503, tmp_path)
    third = shell("arbitrage.trader", "--seconds", "6", **environment)
    wait_for(lambda: get(port, "/health")[0] == 200, tmp_path, needs=third)
    assert third.wait(45) == 0, logs(tmp_path)
    assert not segment.exists()
    assert monitor.poll() is None


def test_a_port_in_use_stops_the_monitor(shell: Shell, tmp_path: Path) -> None:
    name = f"test-port-{os.getpid()}"
    segment = Segment.create(name, mode="paper")
    try:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            assert shell("arbitrage.monitor", "--name", name, "--port", port).wait(20) == 1
    finally:
        segment.close()
    text = (tmp_path / "0.log").read_text()
    assert text == (
        f"error: cannot listen on 127.0.0.1:{port}: the port is in use; choose another --port\n"
    )
